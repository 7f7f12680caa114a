"""Palaz et al.'s model compared with a plain sliding window, and its phoneme recognizer."""

import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.data.phone_alignments import alignments_from_lists
from kerasrecipes.decoding.viterbi import best_path
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.layers import Transitions
from kerasrecipes.recipes.palaz_raw import STAGES, plan_windows
from kerasrecipes.registry import all_recipes
from kerasrecipes.training import config as configs
from kerasrecipes.training.evaluation import evaluate_phonemes
from kerasrecipes.training.optimizer import ema_weights
from kerasrecipes.training.trainer import Trainer

NAMES = [n for n, r in all_recipes().items() if r.builder.endswith(":palaz_raw")]
RAW = [n for n in NAMES if all_recipes()[n].config["front_end"] == "raw"]
array = keras.ops.convert_to_numpy


def tiny(name, **changes):
    keras.utils.set_random_seed(4)
    model = kr.load(name, weights=None, **{**kr.get_recipe(name).tiny_config, **changes})
    rng = np.random.default_rng(1)
    for v in model.weights:  # away from zeros and ones
        if any(word in v.path for word in ("bias", "beta", "mean", "transitions")):
            v.assign(rng.normal(size=v.shape) * 0.2)
        if "variance" in v.path or "gamma" in v.path:
            v.assign(rng.uniform(0.5, 2, size=v.shape))
    return model


def wave(samples, seed=2):
    return np.random.default_rng(seed).normal(size=samples).astype("float32") * 0.1


# ---------------------------------------------------------------- the network


def slide_window(model, x):
    """Compute logits frame by frame: crop every window from the waveform and apply the stages as the paper draws them."""
    config = {**model.recipe.config, **model.changes}
    weights = [[array(w).astype("float64") for w in layer.weights] for layer in model.layers if layer.weights]
    weights = weights[:-1] if config["criterion"] == "crf" else weights
    normal = config["batch_norm"] == "sequence"

    def normalize(y, queue):
        if not normal:
            return y
        gamma, beta, mean, variance = queue.pop(0)
        return (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def affine(y, row):
        return y @ row[0].reshape(-1, row[0].shape[-1]) + (row[1] if len(row) > 1 else 0)

    x = x.astype("float64")
    window, shift = config["context_window"], config["hop_length"]
    if config["normalization"] == "utterance":
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-8)
    padded = np.pad(x, window)
    found = []
    for t in range(len(x) // shift):
        begin = t * shift + shift // 2 - window // 2 + window
        y = padded[begin : begin + window, None]
        if config["normalization"] == "window":
            y = (y - y.mean()) / np.sqrt(y.var() + 1e-8)
        queue = [list(row) for row in weights]
        for _, kernel, stride, pool in config["stages"]:
            row = queue.pop(0)
            steps = (len(y) - kernel) // stride + 1
            y = np.stack([affine(y[i * stride : i * stride + kernel].reshape(-1), row) for i in range(steps)])
            y = y[: len(y) // pool * pool].reshape(len(y) // pool, pool, -1).max(axis=1)
            y = np.clip(normalize(y, queue), -1, 1)
        y = np.clip(normalize(affine(y.reshape(-1), queue.pop(0)), queue), -1, 1)
        found.append(affine(y, queue.pop(0)))
    return np.array(found)


@pytest.mark.parametrize(
    ("name", "changes"),
    [(name, {}) for name in RAW]
    + [
        ("palaz_raw", {"normalization": "window"}),
        ("palaz_raw", {"stages": ((5, 50, 10, 3), (4, 5, 2, 2), (3, 3, 1, 3))}),  # a stride inside the window, too
        ("palaz_raw", {"context_window": 3000, "hop_length": 240, "stages": ((5, 31, 16, 3), (4, 5, 1, 2))}),
        ("palaz_raw_small", {"normalization": "window"}),
    ],
)
def test_joint_computation_equals_the_sliding_window(name, changes):
    model = tiny(name, **changes)
    x = wave(4321)
    found = model.predict_logits({"audio": x[None], "length": np.array([len(x)], "int32")})[0]
    np.testing.assert_allclose(found, slide_window(model, x), atol=2e-5)


def test_normalization_per_window_ignores_loudness_elsewhere():
    """Gain never changes the logits. A loud end of the recording changes the logits at its start only if the statistics
    are those of the utterance."""
    x = wave(16000)
    louder = np.concatenate([x, 8 * wave(16000, 3)])
    for normalization, same in (("window", True), ("utterance", False)):
        model = tiny("palaz_raw", normalization=normalization)

        def score(w, model=model):
            return model.predict_logits({"audio": w[None], "length": np.array([len(w)], "int32")})[0]

        np.testing.assert_allclose(score(5 * x), score(x), atol=1e-4)
        assert np.allclose(score(louder)[:60], score(x)[:60], atol=1e-4) == same


@pytest.mark.parametrize(("kernel", "field"), [(50, 1030), (30, 1010)])
def test_receptive_fields_of_a_feature_and_a_window(kernel, field):
    """The paper's stages: features see 1,030 (1,010) samples every 270 samples; 310 ms contain 15 of them."""
    stages = ((80, kernel, 10, 3), *STAGES[1:])
    laid = plan_windows(stages, 4960, 160)
    assert laid.positions == 15 and laid.apart == 270 and laid.span == field + 14 * 270
    assert plan_windows(stages, field, 10).positions == 1 and plan_windows(stages, field, 10).span == field
    assert [(s.stride, s.dilation) for s in laid.steps] == [(10, 1), (1, 1), (1, 3), (1, 3), (1, 9), (1, 9)]
    with pytest.raises(ValueError, match="too short for the stages"):
        plan_windows(stages, field - 1, 10)


@pytest.mark.parametrize("name", RAW)
def test_receptive_field_by_perturbation(name):
    model = tiny(name, activation="relu")
    assert model.stride == 160 and model.receptive_field == {"palaz_raw": 4790}.get(name, 4900)
    # after the normalization, which sees everything
    assert type(model.layers[2]).__name__ == "UtteranceStandardization"
    above = keras.Model(model.layers[2].output, model.output)
    first, x = 75 * 160 - 2400, wave(24000)
    last = first + model.receptive_field - 1
    places = [*range(first - 40, first + 200, 4), first, *range(last - 200, last + 41, 4), last]
    moved = np.repeat(x[None], 2 * len(places) + 1, axis=0)
    for row, place in enumerate(places):
        moved[row, place] += 50
        moved[row + len(places), place] -= 50
    scores = array(above([moved, np.full(len(moved), 24000, "int32")]))[:, 75]
    changed = np.abs(scores[:-1] - scores[-1]).max(axis=1) > 1e-6
    seen = [place for place, c in zip(places * 2, changed, strict=True) if c]
    assert first <= min(seen) < first + 100 and last - 100 < max(seen) <= last


@pytest.mark.parametrize(("hidden", "phones"), [(500, 40), (1000, 61)])
def test_parameters_of_the_paper(hidden, phones):
    model = kr.get_recipe("palaz_raw").build(hidden=hidden, vocab_size=phones)
    expected = 30 * 80 + 80 + 7 * 80 * 60 + 60 + 7 * 60 * 60 + 60 + 900 * hidden + hidden + hidden * phones + phones
    assert model.count_params() == expected + phones**2


def test_waveform_and_mfcc_models_have_equal_size():
    raw, mfcc = (kr.get_recipe(n).build() for n in ("palaz_raw_small", "palaz_mfcc_small"))
    assert 0.95 < mfcc.count_params() / raw.count_params() < 1.05


def test_pooling_commutes_with_the_activation():
    pool = kr.layers.SequenceMaxPooling(3, 2, 4)
    x, n = 2 * np.random.default_rng(0).normal(size=(2, 40, 5)).astype("float32"), np.array([40, 17])
    before, _ = pool(keras.ops.clip(x, -1, 1), n)
    after, length = pool(x, n)
    np.testing.assert_array_equal(array(before), np.clip(array(after), -1, 1))
    assert array(length).tolist() == [16, 5] and array(after).shape[1] == 16
    np.testing.assert_array_equal(array(after)[0, 3], x[0, [6, 10, 14]].max(0))


@pytest.mark.parametrize(
    "changes", [{"front_end": "mel"}, {"normalization": "none"}, {"activation": "tanh"}, {"criterion": "ctc"}]
)
def test_unknown_choices_are_named(changes):
    with pytest.raises(ValueError, match="palaz_raw supports"):
        kr.get_recipe("palaz_raw").build(**changes)


# ---------------------------------------------------------------- the recognizer


def test_transcripts_and_posteriors():
    model = tiny("palaz_raw")
    x = wave(20000)
    result = model.transcribe(x, 16000)
    scores = model.predict_logits({"audio": x[None], "length": np.array([len(x)], "int32")})[0]
    layer = next(layer for layer in model.layers if isinstance(layer, Transitions))
    path = best_path(scores, array(layer.transitions))
    runs = [model.alphabet.symbols[p] for i, p in enumerate(path) if i == 0 or p != path[i - 1]]
    assert result.text.split() == [p for p in runs if p != "SIL"] == [w.text for w in result.words]
    assert (
        result.words[0].start % 0.01 == pytest.approx(0, abs=1e-9) and result.words[-1].end <= result.duration == 1.25
    )
    greedy = model.transcribe(x, 16000, decoder="greedy")
    best = scores.argmax(1)
    assert greedy.text.split() == [
        model.alphabet.symbols[p] for i, p in enumerate(best) if (i == 0 or p != best[i - 1]) and p != 39
    ]
    assert model.transcribe(x, 16000, ipa=True).text == model.alphabet.ipa(result.text)
    found = model.posteriors(x, 16000)
    assert found.shape == (125, 40)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-9)
    shown = max(found[round(w.start * 100) : round(w.end * 100), model.alphabet.symbols.index(w.text)].max() - w.confidence
                for w in result.words)  # fmt: skip
    assert abs(shown) < 1e-6
    assert model.transcribe(np.zeros(8000, "float32"), 16000).text == ""
    frames = tiny("palaz_raw_small_frames")
    soft = array(keras.ops.softmax(frames.predict_logits({"audio": x[None], "length": np.array([len(x)], "int32")})[0]))
    np.testing.assert_allclose(frames.posteriors(x, 16000), soft, atol=1e-6)


def test_methods_of_another_task_raise():
    model, x = tiny("palaz_raw_small_frames"), wave(8000)
    with pytest.raises(KerasRecipesError, match="decodes with greedy or beam, not 'crf'"):
        model.transcribe(x, 16000, decoder="crf")
    with pytest.raises(KerasRecipesError, match="is a KenLM binary: phoneme recognizers take phonemes_small"):
        model.transcribe(x, 16000, language_model="librispeech_small")
    with pytest.raises(KerasRecipesError, match="knows no words"):
        model.align(x, "hello", 16000)
    with pytest.raises(KerasRecipesError, match="cannot stream"):
        model.stream()


def test_another_phoneme_set_reinitializes_the_head(tmp_path):
    model = tiny("palaz_raw")
    model.save_weights(tmp_path / "w.weights.h5")
    timit = kr.load(
        "palaz_raw", weights=tmp_path / "w.weights.h5", alphabet="timit61", **kr.get_recipe("palaz_raw").tiny_config
    )
    assert timit.output_shape[-1] == 61 and timit.alphabet == kr.PhonemeSet("timit61")
    np.testing.assert_array_equal(array(timit.layers[4].weights[0]), array(model.layers[4].weights[0]))
    same = kr.load(
        "palaz_raw", weights=tmp_path / "w.weights.h5", alphabet="arpabet", **kr.get_recipe("palaz_raw").tiny_config
    )
    for v, w in zip(model.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


# ---------------------------------------------------------------- training: two sounds that anything can tell apart


def settings(folder, recipe="palaz_raw_small", **changes):
    spec = f"phones:{folder}/labels.tsv.xz?audio={folder}"
    values = {"recipe": recipe, "config": dict(kr.get_recipe(recipe).tiny_config), "data": (spec,), "max_steps": 6, "warmup_steps": 2,
              "decay_steps": 2, "batch_seconds": 4.0, "batch_order": "random", "ema_momentum": 0.5}  # fmt: skip
    return configs.config_from_dict(values | changes)


@pytest.mark.slow
def test_resuming_is_exact(spoken, tmp_path):
    whole = Trainer(settings(spoken), tmp_path / "whole")
    for _ in range(3):
        whole._train_step()
    whole.save()
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    whole.train()
    again = Trainer(settings(spoken), tmp_path / "part", resume=True)
    assert again.state["step"] == 3
    again.train()
    for a, b in zip(whole.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_training_learns_measures_and_releases(spoken, place, tmp_path, monkeypatch, capsys):
    spec = f"phones:{spoken}/labels.tsv.xz?audio={spoken}"
    run = Trainer(settings(spoken, max_steps=120, learning_rate=0.01, validation=(spec,)), tmp_path / "run")
    first = run._train_step()[0]
    run.train()
    log = (tmp_path / "run" / "validation.csv").read_text().splitlines()
    assert (
        first > 3
        and run._train_step()[0] < 0.5
        and "per" in log[0]
        and (tmp_path / "run" / "curve.png").stat().st_size > 5000
    )
    with ema_weights(run.model):
        rates = evaluate_phonemes(run.model, kr.data.load_datasets([spec]))
    assert rates["per"].rate < 0.2 and rates["boundaries_found"].rate > 0.6
    assert kr.data.load_datasets([spec], speakers=["s1"])[0].speaker == "s1"

    from kerasrecipes.experiments.study_plot import METRIC_TITLES
    from kerasrecipes.hub import manifest
    from kerasrecipes.release import from_run

    monkeypatch.setattr(from_run, "build_for_training", lambda c: kr.PhonemeRecognizer(
        c.recipe, c.alphabet, {**kr.get_recipe(c.recipe).tiny_config, **c.config}))  # fmt: skip
    run.save()
    from_run.release("palaz_raw_small", tmp_path / "run", "t")
    row = manifest.get_entry("palaz_raw_small")
    assert row.data[0]["name"] == spoken.name and kr.PhonemeSet.from_value(row.model["alphabet"]) == kr.PhonemeSet()
    model = kr.load("palaz_raw_small", **kr.get_recipe("palaz_raw_small").tiny_config)
    monkeypatch.setattr("kerasrecipes.loading.load", lambda *a, **k: model)
    assert (
        main.main(["evaluate", "palaz_raw_small", "--data", spec, "--record-as", "tones", "--decoder", "greedy"]) == 0
    )
    assert "phoneme errors  " in capsys.readouterr().out
    measured = {m["metric"]: m for m in manifest.get_entry("palaz_raw_small").metrics}
    assert (
        set(measured) == {"per", "boundaries_found", "boundaries_right", "rtf"}
        and measured["per"]["decoder"] == "greedy"
    )
    assert set(measured) - {"rtf"} <= set(METRIC_TITLES)  # a study has titles for the metrics of phonemes
    assert (
        main.main(["transcribe", str(spoken / "0.flac"), "--recipe", "palaz_raw_small", "--ipa", "--decoder", "crf"])
        == 0
    )
    heard = model.transcribe(spoken / "0.flac")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == model.alphabet.ipa(heard.text) and "i" in lines[0].split()
    rows = [
        line.split() for line in lines[3:]
    ]  # after the confidence and the column names: each phoneme with its times
    assert [r[3] for r in rows] == lines[0].split()
    times = [[float(v) for v in r[:2]] for r in rows]
    np.testing.assert_allclose(times, [(w.start, w.end) for w in heard.words], atol=0.006)


@pytest.mark.parametrize("name", ["palaz_raw", "palaz_raw_small_frames"])  # one of each criterion
def test_fit_takes_files_and_phonemes(name, spoken, tmp_path):
    clips = kr.data.load_datasets([f"phones:{spoken}/labels.tsv.xz?audio={spoken}"])
    model = tiny(name)
    history = model.fit(clips, epochs=1, batch_seconds=3.0, verbose=0).history
    pairs = model.fit(
        [u.path for u in clips], [u.phones for u in clips], epochs=4, batch_seconds=3.0, verbose=0
    ).history
    assert pairs["loss"][-1] < history["loss"][0] and 0 <= pairs["frame_errors"][-1] <= 1
    measured = model.evaluate(clips, return_dict=True, verbose=0)
    assert set(measured) == {"loss", "frame_errors"}
    if name == "palaz_raw":
        model.save(tmp_path / "m.keras")
        program = [sys.executable, "-m", "kerasrecipes", "transcribe", "--recipe", tmp_path / "m.keras", clips[0].path]
        env = {**os.environ, "KERAS_BACKEND": keras.config.backend()}
        done = subprocess.run(program, env=env, capture_output=True, text=True, check=True)
        assert not done.stderr, "a backend's notes stand between the results"
        assert done.stdout.splitlines()[0] == kr.predict(model, clips[0].path).text


def test_clips_without_phonemes_are_rejected(spoken, clips):
    model = tiny("palaz_raw")
    words = kr.data.librispeech(clips)
    with pytest.raises(DataError, match="no aligned phonemes: pass phones:LABELS"):
        model.fit(words, verbose=0)
    with pytest.raises(KerasRecipesError, match="no aligned phonemes"):
        evaluate_phonemes(model, words)
    tones = kr.data.load_datasets([f"phones:{spoken}/labels.tsv.xz?audio={spoken}"])
    with pytest.raises(DataError, match="'IY' is outside the phones .*write aa for AA, iy for IY"):
        evaluate_phonemes(
            kr.load("palaz_raw", weights=None, alphabet="timit39", **kr.get_recipe("palaz_raw").tiny_config), tones
        )
    with pytest.raises(DataError, match="pairs \\(phoneme, start"):
        alignments_from_lists([tones[0].path], [["AA", "IY"]])


def test_configurations_differ_in_one_thing():
    """The three training runs are comparable: same data, steps and learning rates."""
    read = [configs.config_for(n).to_dict() for n in NAMES if n != "palaz_raw"]
    assert len(read) == 3
    for other in read[1:]:
        assert {k for k in other if other[k] != read[0][k]} == {"recipe"}
    assert json.dumps(read[0])
