"""Character models: probabilities, writing, training; over every registered language model at test size."""

import itertools
import json

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.data.text import TextDataset, read_text_file, split_long_text
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.hub import manifest
from kerasrecipes.registry import all_recipes
from kerasrecipes.training import config as configs
from kerasrecipes.training.trainer import Trainer

NAMES = [n for n, r in all_recipes().items() if r.task == "language-model"]


@pytest.fixture(scope="module")
def models():
    return {n: kr.load(n, weights=None, alphabet="ab ", **kr.get_recipe(n).tiny_config) for n in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_of_all_texts_sum_to_one(name, models):
    """All texts of up to 5 symbols and, by the chain rule, all that begin with 6: together they are everything."""
    model = models[name]
    ended, open_ = 0.0, 0.0
    alphabet = model.alphabet
    for n in range(6):
        rows = list(itertools.product(range(1, 4), repeat=n))
        symbols = np.array([[0, *r] for r in rows], "int32")
        scores = keras.ops.convert_to_numpy(model({"symbols": symbols, "length": np.full(len(rows), n + 1, "int32")}))
        logs = scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)
        texts = logs[np.arange(len(rows))[:, None], np.arange(n)[None], symbols[:, 1:]].sum(1)
        ended += np.exp(texts + logs[:, n, 0]).sum()
        open_ = np.exp(texts + np.log(1 - np.exp(logs[:, n, 0]))).sum()
    assert ended + open_ == pytest.approx(1, abs=1e-5)
    some = ["ab", "b", "ba ab"]
    found = model.log_probabilities(some)
    for text, value in zip(some, found, strict=True):
        numbers = [0, *alphabet.encode(text)]
        scores = keras.ops.convert_to_numpy(
            model({"symbols": np.array([numbers], "int32"), "length": np.array([len(numbers)], "int32")})
        )[0].astype("float64")
        logs = scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)
        assert value == pytest.approx(sum(logs[i, k] for i, k in enumerate([*numbers[1:], 0])), abs=1e-4)
        assert model.log_probabilities([text])[0] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_writing_with_carried_states_is_reading_it_whole(name, models):
    model = models[name]
    written = model.generate("ab b", max_length=30, seed=3)
    assert written == model.generate("ab b", max_length=30, seed=3) and str(written).startswith("ab b")
    texts = {model.generate("", max_length=30, seed=s).text for s in range(8)}
    assert len(texts) > 4
    first, second = model.generate(["a", "b"], max_length=5, seed=1)
    assert first.prompt == "a" and second.prompt == "b"
    # temperature 0 takes the best symbol of the whole text's scores at every place
    likeliest = model.generate("ab", max_length=12, temperature=0)
    numbers = [0, *model.alphabet.encode(str(likeliest), normalize=False)]
    scores = model({"symbols": np.array([numbers], "int32"), "length": np.array([len(numbers)], "int32")})
    best = keras.ops.convert_to_numpy(scores)[0].argmax(-1)
    assert list(best[2:-1]) == numbers[3:]


def test_written_symbols_have_the_models_frequencies(models):
    model = models["char_rnn_small"]
    firsts = [model.generate("", max_length=1, seed=s).text for s in range(400)]
    scores = model({"symbols": np.array([[0]], "int32"), "length": np.array([1], "int32")})
    scores = keras.ops.convert_to_numpy(scores)[0, 0].astype("float64")
    expected = np.exp(scores - np.logaddexp.reduce(scores))
    counts = np.array([sum(f == s for f in firsts) for s in ("", "a", "b", " ")]) / 400
    np.testing.assert_allclose(counts, expected, atol=0.1)


def test_writing_at_half_precision():
    """States carried from step to step are those that the next step takes, whatever the layers compute in."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kr.load("char_rnn_small", weights=None, alphabet="ab ", **kr.get_recipe("char_rnn_small").tiny_config)
        assert len(model.generate("ab", max_length=6, seed=1).text) <= 8
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("xyz",), "outside the alphabet"), (("a", -1), "negative"), (("a", 5, -0.5), "negative")],
)
def test_bad_requests_are_refused(models, arguments, message):
    with pytest.raises(DataError, match=message):
        models["char_rnn_small"].generate(*arguments)


@pytest.mark.parametrize("weights", [[2.0, 0.0], [[1, 0, 2], [0, 0.5, 1]], [1, 1], None])
def test_weights_of_texts_multiply_the_loss(models, weights):
    model = models["char_rnn_small"]
    model.compile()
    y, logits = np.array([[0, 1, -1], [2, 0, 1]]), np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    factors = np.ones((2, 3)) if weights is None else np.array(weights, "float64").reshape(2, -1) * np.ones((2, 3))
    expected = -sum(factors[i, t] * log_probs[i, t, y[i, t]] for i in range(2) for t in range(3) if y[i, t] >= 0) / 5
    weights = None if weights is None else np.array(weights, "float32")
    assert float(model.compute_loss(None, y, logits, weights)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("table", [{0: 2.0}, {"a": 1.0, "b": 2.0}, {}])
def test_symbols_take_no_class_weight(models, table):
    with pytest.raises(KerasRecipesError, match="leave class_weight out, or pass sample_weight"):
        models["char_rnn_small"].fit(["ab"], class_weight=table, verbose=0)


def test_fit_lowers_the_bits_and_saving_keeps_them(tmp_path):
    model = kr.load("char_rnn_small", weights=None, recurrent_units=24, embedding=8)
    lines = ["the cat sat on the mat", "the dog sat on the cat", "a cat and a dog"] * 20
    before = model.bits_per_character(lines)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(lines, epochs=12, batch_tokens=256, verbose=0)
    after = model.bits_per_character(lines)
    assert after < before / 2
    model.save(tmp_path / "m.keras")
    again = kr.load(tmp_path / "m.keras")
    assert again.bits_per_character(lines) == pytest.approx(after, abs=1e-4)
    assert kr.predict(again, "the ", max_length=5, seed=1) == model.generate("the ", max_length=5, seed=1)


def test_batches_hold_every_symbol_once(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abc "), int(rng.integers(1, 80)))).strip() or "a" for _ in range(300)]
    alphabet = kr.Alphabet("abc ")
    texts = [alphabet.normalize(t) for t in texts]
    dataset = TextDataset(texts, alphabet, batch_tokens=400, max_length=50)
    seen = []
    for i in range(len(dataset)):
        inputs, targets = dataset[i]
        assert inputs["symbols"].size <= 400 and not inputs["symbols"][:, 0].any()
        for row, target, n in zip(inputs["symbols"], targets, inputs["length"], strict=True):
            assert (target[n:] == -1).all() and target[n - 1] == 0 and (target[: n - 1] == row[1:n]).all()
            seen.append(alphabet.decode(row[1:n]))
    assert sorted(seen) == sorted(p for t in texts for p in split_long_text(t, 50))
    first = dataset.batches
    dataset.set_epoch(1)
    assert [b.tolist() for b in dataset.batches] != [b.tolist() for b in first]


def test_long_texts_are_cut_at_spaces():
    text = " ".join(["word"] * 60)
    parts = split_long_text(text, 100)
    assert " ".join(parts) == text and max(map(len, parts)) <= 100 and min(map(len, parts)) > 50
    assert "".join(split_long_text("x" * 250, 100)) == "x" * 250


def test_texts_of_the_held_out_prompts_are_left_out(tmp_path):
    prompt = kr.data.specs.read_name_list("arctic_heldout_texts")[0]
    path = tmp_path / "lines.txt"
    path.write_text(f"one line\nbefore {prompt} after\nbefore{prompt} after\n\n")
    assert len(kr.data.load_text_datasets([f"text:{path}"])) == 3
    kept = kr.data.load_text_datasets([f"text:{path}?exclude=arctic_heldout_texts"])
    assert kept == ["one line", f"before{prompt} after"]
    table = tmp_path / "t.tsv"
    table.write_text("1-2-3\tSOME WORDS\n")
    assert read_text_file(table) == ["SOME WORDS"]
    with pytest.raises(DataError, match="no text file"):
        kr.data.load_text_datasets(["text:nowhere.txt"])
    with pytest.raises(DataError, match="write text:FILE"):
        kr.data.load_text_datasets([f"text:{path}?what=1"])


@pytest.mark.slow
def test_the_trainer_resumes_and_releases(tmp_path, place, capsys):
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(["the cat sat on the mat", "a dog"] * 30))
    spec = f"text:{path}"
    settings = configs.config_from_dict({
        "recipe": "char_rnn_small", "config": {"dropout": 0.1}, "data": (spec,), "validation": (spec,), "max_steps": 4,
        "batch_tokens": 128, "ema_momentum": 0.5,
    })  # fmt: skip
    whole = Trainer(settings, tmp_path / "whole")
    whole.train()
    part = Trainer(settings, tmp_path / "part")
    part._train_step()
    part.save()
    again = Trainer(settings, tmp_path / "part", resume=True)
    again.train()
    for a, b in zip(whole.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert (tmp_path / "whole" / "curve.png").is_file()
    assert "bpc" in (tmp_path / "whole" / "validation.csv").read_text()
    assert main.main(["release", "char_rnn_small", "--run", str(tmp_path / "whole"), "--tag", "t"]) == 0
    manifest.entries.cache_clear()
    assert main.main(["evaluate", "char_rnn_small", "--data", spec, "--record-as", "lines: a test"]) == 0
    manifest.entries.cache_clear()
    row = json.loads((place / "rows" / "char_rnn_small.json").read_text())
    assert row["data"][0]["characters"] == 870 and row["metrics"][0]["metric"] == "bpc"
    capsys.readouterr()
    assert main.main(["predict", "char_rnn_small", "the cat", "--max-length", "3", "--seed", "1"]) == 0
    assert capsys.readouterr().out.startswith("the cat")
    assert main.main(["show", "char_rnn_small"]) == 0
    assert "870 characters" in capsys.readouterr().out


def test_held_out_texts_are_found_in_any_writing(tmp_path):
    from kerasrecipes.data.text import normalize_ascii
    from kerasrecipes.decoding import Alphabet

    (tmp_path / "list.txt").write_text("A sinewy hand, dripping.\n")
    lines = [
        "so a, SINEWY hand \u2014 dripping indeed",
        "a sinewy hand-dripping",
        "a sinewy handdripping",
        "caf\u00e9 at a sinewy hand",
    ]
    (tmp_path / "x.txt").write_text("\n".join(lines))
    assert kr.data.load_text_datasets([f"text:{tmp_path / 'x.txt'}?exclude={tmp_path / 'list.txt'}"]) == lines[2:]
    rng, alphabet = np.random.default_rng(0), Alphabet()
    for _ in range(200):
        line = bytes(rng.integers(32, 127, 40).astype("uint8")).decode()
        assert normalize_ascii(line, alphabet) == alphabet.normalize(line)
