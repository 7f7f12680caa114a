"""The AutoSegCriterion compared with sums over all paths, its gradients, its decoder, and training with it."""

import importlib.util
import itertools
import os
import random
import string
import subprocess
import sys

import asg_recipe
import keras
import numpy as np
import pytest
from paths import HELPERS

import kerasrecipes as kr
from kerasrecipes.decoding import Alphabet, viterbi_decode
from kerasrecipes.decoding.viterbi import best_path, forward_backward
from kerasrecipes.errors import DataError, KerasRecipesError, WeightsCorrupted
from kerasrecipes.inference.chunked import predict_logits_chunked
from kerasrecipes.losses import edit_distance
from kerasrecipes.losses.asg import asg_loss
from kerasrecipes.losses.min_frames import min_ctc_frames
from kerasrecipes.metrics import edit_counts
from kerasrecipes.registry import all_recipes
from kerasrecipes.training import config as configs
from kerasrecipes.training.trainer import Trainer

rng = np.random.default_rng(3)
array = keras.ops.convert_to_numpy


def collapse(path):
    return tuple(letter for letter, _ in itertools.groupby(path))


def every_path(scores, transitions):
    """Yield (path, score) of all letters^frames paths."""
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        yield path, scores[range(len(path)), path].sum() + sum(transitions[a, b] for a, b in itertools.pairwise(path))


def enumerated(scores, transitions):
    """Return {letters: log probability} by enumerating every path in float64."""
    total = {}
    for path, score in every_path(scores.astype("float64"), transitions.astype("float64")):
        total[collapse(path)] = np.logaddexp(total.get(collapse(path), -np.inf), score)
    everything = np.logaddexp.reduce(list(total.values()))
    return {letters: value - everything for letters, value in total.items()}


def padded(rows, width):
    out = np.zeros((len(rows), width), "int32")
    for line, row in zip(out, rows, strict=True):
        line[: len(row)] = row
    return out


def loss(labels, scores, lengths, transitions):
    return array(asg_loss(np.asarray(labels, "int32"), scores, np.asarray(lengths, "int32"), transitions))


def gradients(labels, scores, lengths, transitions, weights):
    """Return the gradients of the weighted sum of the losses, by the backend's automatic differentiation."""
    import tensorflow as tf

    scores, transitions = tf.constant(scores), tf.constant(transitions)
    with tf.GradientTape() as tape:
        tape.watch([scores, transitions])
        value = tf.reduce_sum(asg_loss(labels, scores, lengths, transitions) * weights)
    return [g.numpy() for g in tape.gradient(value, [scores, transitions])]


@pytest.fixture
def some():
    """Return three items of unequal length: labels, scores, lengths, transitions."""
    lengths, counts = np.array([40, 22, 13], "int32"), (9, 5, 13)
    rows = [np.array([1, 3, 2, 5, 4, 6] * 3)[:n] for n in counts]
    scores = 3 * rng.normal(size=(3, 40, 6)).astype("float32")  # noise after each length on purpose
    return padded(rows, 13), scores, lengths, rng.normal(size=(6, 6)).astype("float32")


@pytest.mark.parametrize("spread", [1, 10])
def test_equals_the_sum_over_all_paths_and_all_strings_sum_to_one(spread):
    scores = (spread * rng.normal(size=(5, 3))).astype("float32")
    transitions = (spread * rng.normal(size=(3, 3))).astype("float32")
    expected = enumerated(scores, transitions)
    assert len(expected) == sum(3 * 2 ** (n - 1) for n in range(1, 6))
    labels = padded([[letter + 1 for letter in key] for key in expected], 5)
    count = len(labels)
    found = loss(labels, np.repeat(scores[None], count, 0), [5] * count, transitions)
    np.testing.assert_allclose(found, [-v for v in expected.values()], rtol=1e-4, atol=1e-4)
    assert np.exp(-found.astype("float64")).sum() == pytest.approx(1, abs=1e-4)


def test_a_batch_is_its_items(some):
    labels, scores, lengths, transitions = some
    together = loss(labels, scores, lengths, transitions)
    for i, n in enumerate(lengths):
        used = labels[i][labels[i] > 0]
        alone = loss(used[None], scores[i : i + 1, :n], [n], transitions)
        np.testing.assert_allclose(together[i], alone[0], rtol=1e-5)
        extended = loss(padded([used], 20), np.pad(scores[i : i + 1, :n], [(0, 0), (0, 30), (0, 0)]), [n], transitions)
        np.testing.assert_allclose(together[i], extended[0], rtol=1e-5)


def test_constants_change_nothing(some):
    labels, scores, lengths, transitions = some
    shifted = loss(labels, scores + rng.normal(size=(3, 40, 1)).astype("float32") * 50, lengths, transitions + 7)
    np.testing.assert_allclose(shifted, loss(labels, scores, lengths, transitions), rtol=1e-4)


def reference(labels, scores, lengths, transitions):
    """Compute the paper's two recursions item by item in float64, without code of the loss."""
    values = []
    for row, f, n in zip(labels, scores.astype("float64"), lengths, strict=True):
        y = row[row > 0] - 1
        g = transitions.astype("float64")
        everything = f[0]
        target = np.where(np.arange(len(y)) == 0, f[0, y[0]], -np.inf)
        for t in range(1, n):
            everything = f[t] + np.logaddexp.reduce(everything[:, None] + g, axis=0)
            entering = np.concatenate([[-np.inf], target[:-1] + g[y[:-1], y[1:]]])
            target = f[t, y] + np.logaddexp(target + g[y, y], entering)
        values.append(np.logaddexp.reduce(everything) - target[-1])
    return np.array(values)


def test_gradients_are_finite_differences(some):
    labels, scores, lengths, transitions = some
    weights = np.array([0.5, 2.0, 1.0], "float32")
    np.testing.assert_allclose(loss(*some), reference(*some), rtol=1e-5)
    by_scores, by_transitions = gradients(*some, weights)
    assert not by_scores[1, 22:].any() and not by_scores[2, 13:].any()
    np.testing.assert_allclose(by_scores.sum(-1), 0, atol=1e-5)
    step = 1e-5
    places = [(b, t, i) for b, n in enumerate(lengths) for t in (0, 1, n // 2, n - 1) for i in range(6)]
    for place in places:
        up, down = scores.astype("float64"), scores.astype("float64")
        up[place] += step
        down[place] -= step
        slope = (reference(labels, up, lengths, transitions) - reference(labels, down, lengths, transitions)) / 2 / step
        np.testing.assert_allclose(by_scores[place], weights @ slope, atol=2e-5)
    for place in itertools.product(range(6), repeat=2):
        up, down = transitions.astype("float64"), transitions.astype("float64")
        up[place] += step
        down[place] -= step
        slope = (reference(labels, scores, lengths, up) - reference(labels, scores, lengths, down)) / 2 / step
        np.testing.assert_allclose(by_transitions[place], weights @ slope, rtol=1e-4, atol=1e-4)


def test_long_utterances_and_wide_scores_stay_precise():
    frames, letters, count = 1500, 30, 300
    y = np.arange(count) * 7 % letters + 1
    scores = 8 * rng.normal(size=(1, frames, letters)).astype("float32")
    transitions = 3 * rng.normal(size=(letters, letters)).astype("float32")
    found = loss(y[None], scores, [frames], transitions)
    np.testing.assert_allclose(found, reference(y[None], scores, [frames], transitions), rtol=1e-5)


def test_impossible_transcripts_have_no_gradient_and_do_not_affect_the_batch(some):
    labels, scores, lengths, transitions = some
    labels[1] = 0  # an empty transcript
    lengths[2] = 12  # one frame fewer than labels
    values = loss(labels, scores, lengths, transitions)
    np.testing.assert_allclose(values, [reference(*(v[:1] for v in some[:3]), transitions)[0], 1e30, 1e30], rtol=1e-5)
    by_scores, by_transitions = gradients(labels, scores, lengths, transitions, np.ones(3, "float32"))
    assert np.isfinite(by_scores).all() and not by_scores[1:].any()
    alone = gradients(labels[:1], scores[:1], lengths[:1], transitions, np.ones(1, "float32"))
    np.testing.assert_allclose(by_transitions, alone[1], atol=1e-5)


def test_viterbi_is_the_best_of_all_paths_and_posteriors_are_their_probabilities():
    for _ in range(5):
        scores, transitions = 2 * rng.normal(size=(5, 3)), 2 * rng.normal(size=(3, 3))
        paths, sums = zip(*every_path(scores, transitions), strict=True)
        assert tuple(best_path(scores, transitions)) == paths[int(np.argmax(sums))]
        weights, expected = np.exp(np.array(sums) - max(sums)), np.zeros((5, 3))
        for path, weight in zip(paths, weights, strict=True):
            expected[range(5), path] += weight / weights.sum()
        np.testing.assert_allclose(forward_backward(scores, transitions), expected, atol=1e-9)


def test_the_graph_gives_the_same_best_paths_and_errors(some):
    labels, scores, lengths, transitions = some
    found = array(edit_distance.viterbi_path(scores, 2 * transitions, lengths))
    wrong = array(edit_distance.path_edit_distance(labels, found + 1, lengths))
    for i, n in enumerate(lengths):
        best = best_path(scores[i, :n], 2 * transitions)
        assert found[i, :n].tolist() == best.tolist()
        assert wrong[i] == sum(edit_counts([int(v) for v in labels[i] if v], [int(v) + 1 for v in collapse(best)]))


def test_repetition_symbols_round_trip():
    a = Alphabet(num_repetition_symbols=2)
    assert a.vocab_size == 30 and a.first_index == 1
    assert a.encode("hello", surround=False).tolist() == [*Alphabet().encode("hel"), 29, *Alphabet().encode("o")]
    assert a.encode("zzz", surround=False).tolist() == [28, 30]
    source = random.Random(1)
    for most in (1, 2, 3):
        a = Alphabet(num_repetition_symbols=most)
        assert Alphabet.from_value(a.get_config()) == a != Alphabet()
        for _ in range(200):
            words = ["".join(source.choice("aab'") * source.randint(1, 7) for _ in range(3)) for _ in range(3)]
            text = " ".join([*words, source.choice(string.ascii_lowercase)])
            numbers = a.encode(text)
            assert a.decode(numbers) == text and (numbers[1:] != numbers[:-1]).all()
            assert numbers[0] == numbers[-1] == 1 and min_ctc_frames(numbers) == len(numbers)
    phones = Alphabet(["aa", "b"], num_repetition_symbols=1)
    assert phones.decode(phones.encode("b b aa b b b")) == "b b aa b b b"


def test_alphabets_without_a_blank_reject_texts_they_cannot_spell():
    with pytest.raises(DataError, match="repeats 'l'.*num_repetition_symbols=1"):
        Alphabet(num_repetition_symbols=0).encode("hello")
    with pytest.raises(DataError, match="not -1"):
        Alphabet(num_repetition_symbols=-1)
    assert (
        Alphabet("ab", num_repetition_symbols=2).decode([3, 1, 3, 4, 0, 2]) == "aaaab"
    )  # a repetition symbol at the start is ignored


def test_transcripts_have_times_and_confidences():
    a = Alphabet("ab ", num_repetition_symbols=2)  # columns: a, b, space, one repetition, two repetitions
    path = [2, 0, 0, 3, 1, 2, 2, 1, 4, 4, 2]
    found = viterbi_decode(np.eye(5)[path] * 20, np.zeros((5, 5)), a, frame_seconds=0.1, offset=1.0)
    assert found.text == "aab bbb" and found.confidence > 0.99 and found.duration == pytest.approx(2.1)
    assert [(round(w.start, 3), round(w.end, 3)) for w in found.words] == [(1.1, 1.5), (1.7, 2.0)]
    found_times = [(round(c.start, 3), round(c.end, 3)) for c in found.characters if c.start >= 1.7]
    assert found_times == [(1.7, 1.8), (1.8, 1.9), (1.9, 2.0), (2.0, 2.1)]  # b, its two repetitions, space
    # the confidence of an uncertain letter is its posterior; forbidden transitions are not used
    scores = np.zeros((1, 5))
    assert viterbi_decode(scores, np.zeros((5, 5)), a).characters[0].confidence == pytest.approx(0.2)
    never = np.where(np.eye(5), 0, -1e9)
    assert len(set(best_path(rng.normal(size=(30, 5)), never))) == 1
    assert np.isfinite(forward_backward(rng.normal(size=(30, 5)), never)).all()
    assert viterbi_decode(np.zeros((0, 5)), never, a).text == ""
    with pytest.raises(ValueError, match="transitions of shape"):
        viterbi_decode(scores, np.zeros((4, 4)), a)
    with pytest.raises(KerasRecipesError, match="no finite logit"):
        viterbi_decode(np.full((3, 5), np.nan), never, a)


# ---------------------------------------------------------------------- a recognizer


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.setitem(all_recipes(), "tiny_asg", asg_recipe.RECIPE)
    keras.utils.set_random_seed(4)
    return "tiny_asg"


def test_a_recognizer_trains_saves_and_transcribes(recipe, clips, tmp_path):
    model = kr.load(recipe, weights=None)
    assert model.alphabet == Alphabet(num_repetition_symbols=2)
    layer = model.get_layer("transitions")
    assert not array(layer.transitions).any()
    utterances = kr.data.librispeech(clips)
    model.optimizer.learning_rate = 0.01
    history = model.fit(utterances, epochs=6, batch_seconds=10, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0] and 0 < history["cer"][-1] < 2
    assert array(layer.transitions).any()
    layer.transitions.assign(rng.normal(size=(30, 30)))
    wave = kr.load_audio(utterances[0].path)
    n = np.array([len(wave)], "int32")
    scores = model.predict_logits({"audio": wave[None], "length": n})[0]
    expected = viterbi_decode(scores, array(layer.transitions), model.alphabet).text
    assert expected and model.transcribe(wave, sample_rate=16000).text == expected
    pieces = predict_logits_chunked(model, wave, 1.0)
    np.testing.assert_allclose(pieces, scores, atol=1e-4)
    # the metric counts edits of these texts' labels
    model.compile()
    labels = model.alphabet.encode(utterances[0].text)
    found = model.evaluate({"audio": wave[None], "length": n}, labels[None], verbose=0, return_dict=True)
    said = [int(v) + 1 for v in collapse(best_path(scores, array(layer.transitions)))]
    assert found["cer"] == pytest.approx(sum(edit_counts(labels.tolist(), said)) / len(labels))
    expected = reference(labels[None], scores[None], [len(scores)], array(layer.transitions)) / len(labels)
    assert found["loss"] == pytest.approx(expected[0], rel=1e-4)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    for again in (kr.load(tmp_path / "m.keras"), kr.load(recipe, weights=tmp_path / "m.weights.h5")):
        np.testing.assert_array_equal(array(again.get_layer("transitions").transitions), array(layer.transitions))
        assert again.alphabet == model.alphabet
        assert again.transcribe(wave, sample_rate=16000) == model.transcribe(wave, sample_rate=16000)


def test_another_alphabet_reinitializes_logits_and_transitions(recipe, tmp_path):
    model = kr.load(recipe, weights=None)
    model.get_layer("transitions").transitions.assign(np.ones((30, 30)))
    model.save_weights(tmp_path / "m.weights.h5")
    same = kr.load(recipe, weights=tmp_path / "m.weights.h5", alphabet=Alphabet())  # ASG has no blank
    assert same.alphabet == model.alphabet and array(same.get_layer("transitions").transitions).all()
    for alphabet, size in (
        (Alphabet(num_repetition_symbols=1), 29),
        ("0123456789 ", 13),
        (Alphabet("ab", num_repetition_symbols=0), 2),
    ):
        other = kr.load(recipe, weights=tmp_path / "m.weights.h5", alphabet=alphabet)
        assert other.output_shape[-1] == other.alphabet.vocab_size == size
        assert not array(other.get_layer("transitions").transitions).any()
        for a, b in zip(model.layers, other.layers, strict=True):
            if a.name not in ("logits", "transitions"):
                for v, w in zip(a.get_weights(), b.get_weights(), strict=True):
                    np.testing.assert_array_equal(v, w)
    with pytest.raises(KerasRecipesError, match="no criterion 'crf': choose one of ctc, asg"):
        kr.load(recipe, weights=None, criterion="crf")


def test_a_recipe_without_the_layer_raises(recipe, monkeypatch):
    build = asg_recipe.tiny
    monkeypatch.setattr(asg_recipe, "tiny", lambda *, vocab_size, sample_rate, units, criterion: build(criterion="ctc"))
    with pytest.raises(KerasRecipesError, match="must end with layers.Transitions"):
        kr.load(recipe, weights=None)


def test_training_starts_from_a_ctc_trunk(recipe, clips, tmp_path):
    trunk = kr.load(recipe, weights=None, criterion="ctc")
    assert trunk.alphabet == Alphabet() and trunk.output_shape[-1] == 29
    trunk.save_weights(tmp_path / "ctc.weights.h5")
    settings = {
        "recipe": recipe, "data": (f"librispeech:{clips}",), "max_steps": 4, "warmup_steps": 1, "decay_steps": 1, "batch_seconds": 5.0,
        "init_from": str(tmp_path / "ctc.weights.h5"), "init_config": {"criterion": "ctc"},
    }  # fmt: skip
    run = Trainer(configs.config_from_dict(settings), tmp_path / "run")
    for old, new in zip(trunk.layers[:-2], run.model.layers[:-2], strict=True):
        for a, b in zip(old.get_weights(), new.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert run.train()["step"] == 4
    assert array(run.model.get_layer("transitions").transitions).any()
    with pytest.raises(WeightsCorrupted, match="does not fit"):
        Trainer(configs.config_from_dict(settings | {"init_config": None}), tmp_path / "other")


def test_streaming_is_rejected_with_a_reason(recipe):
    with pytest.raises(KerasRecipesError, match="without a blank"):
        kr.load(recipe, weights=None).stream()


ELSEWHERE = """
import sys, numpy as np, keras
folder = sys.argv[1]
sys.path.insert(0, sys.argv[2])
import asg_recipe, kerasrecipes as kr
from kerasrecipes.losses import edit_distance
from kerasrecipes.losses.asg import asg_loss
asg_recipe.register()
x = np.load(folder + "/inputs.npz")
labels, scores, lengths, transitions, weights = (x[k] for k in ("labels", "scores", "lengths", "transitions", "weights"))
out = {"loss": asg_loss(labels, scores, lengths, transitions)}
out["path"] = edit_distance.viterbi_path(scores, transitions, lengths)
if keras.config.backend() == "jax":
    import jax
    grad = jax.grad(lambda s, g: (asg_loss(labels, s, lengths, g) * weights).sum(), argnums=(0, 1))
    out["by_scores"], out["by_transitions"] = jax.jit(grad)(scores, transitions)
else:
    import torch
    s, g = (torch.tensor(v, requires_grad=True) for v in (scores, transitions))
    (asg_loss(labels, s, lengths, g) * torch.tensor(weights)).sum().backward()
    out["by_scores"], out["by_transitions"] = s.grad, g.grad
keras.utils.set_random_seed(4)
model = kr.load("tiny_asg", weights=None)
model.optimizer.learning_rate = 0.01
clips = kr.data.librispeech(sys.argv[3])
history = model.fit(clips, epochs=3, batch_seconds=20, verbose=0).history
assert history["loss"][-1] < 0.9 * history["loss"][0] and np.isfinite(history["cer"][-1]), history
assert keras.ops.convert_to_numpy(model.get_layer("transitions").transitions).any()
assert isinstance(model.transcribe(clips[0].path).text, str)
np.savez(folder + "/found.npz", **{k: keras.ops.convert_to_numpy(v) for k, v in out.items()})
"""


@pytest.mark.parametrize("backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_backends_agree_and_train(backend, some, clips, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    labels, scores, lengths, transitions = some
    lengths[2] = 12  # one item that no path can spell
    weights = np.array([0.5, 2.0, 1.0], "float32")
    np.savez(
        tmp_path / "inputs.npz", labels=labels, scores=scores, lengths=lengths, transitions=transitions, weights=weights
    )
    env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    here = str(HELPERS)
    subprocess.run([sys.executable, "-c", ELSEWHERE, str(tmp_path), here, str(clips)], check=True, env=env, timeout=400)
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_allclose(found["loss"], loss(labels, scores, lengths, transitions), rtol=1e-5)
    slopes = gradients(labels, scores, lengths, transitions, weights)
    for name, expected in zip(("by_scores", "by_transitions"), slopes, strict=True):
        np.testing.assert_allclose(found[name], expected, atol=1e-4)
    expected = array(edit_distance.viterbi_path(scores, transitions, lengths))
    for i, n in enumerate(lengths):
        np.testing.assert_array_equal(found["path"][i, :n], expected[i, :n])
