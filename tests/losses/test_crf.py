"""The aligned CRF compared with sums over all paths, its gradients, and all backends."""

import importlib.util
import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasrecipes.decoding.viterbi import best_path, forward_backward
from kerasrecipes.losses import edit_distance
from kerasrecipes.losses.crf import crf_loss
from kerasrecipes.losses.cross_entropy import framewise_cross_entropy

rng = np.random.default_rng(8)
array = keras.ops.convert_to_numpy


def loss(labels, scores, lengths, transitions):
    return array(crf_loss(np.asarray(labels, "int32"), scores, np.asarray(lengths, "int32"), transitions))


def gradients(labels, scores, lengths, transitions, weights):
    """Return the gradients of the weighted sum of the losses, by the backend's automatic differentiation."""
    import tensorflow as tf

    scores, transitions = tf.constant(scores), tf.constant(transitions)
    with tf.GradientTape() as tape:
        tape.watch([scores, transitions])
        value = tf.reduce_sum(crf_loss(labels, scores, lengths, transitions) * weights)
    return [g.numpy() for g in tape.gradient(value, [scores, transitions])]


def every_path(scores, transitions):
    """Yield (path, score) of all labels^frames paths in float64."""
    scores, transitions = scores.astype("float64"), transitions.astype("float64")
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        yield path, scores[range(len(path)), path].sum() + sum(transitions[a, b] for a, b in itertools.pairwise(path))


@pytest.fixture
def some():
    """Return three items of unequal length: labels, scores, lengths, transitions."""
    lengths = np.array([40, 22, 13], "int32")
    labels = rng.integers(1, 7, size=(3, 40)) * (np.arange(40)[None] < lengths[:, None])
    scores = 3 * rng.normal(size=(3, 40, 6)).astype("float32")  # noise after each length on purpose
    return labels.astype("int32"), scores, lengths, rng.normal(size=(6, 6)).astype("float32")


@pytest.mark.parametrize("spread", [1, 10])
def test_equals_enumeration_and_all_paths_sum_to_one(spread):
    scores = (spread * rng.normal(size=(5, 3))).astype("float32")
    transitions = (spread * rng.normal(size=(3, 3))).astype("float32")
    paths, values = zip(*every_path(scores, transitions), strict=True)
    labels = np.array(paths) + 1
    n = len(labels)
    found = loss(labels, np.repeat(scores[None], n, 0), np.full(n, 5), transitions)
    expected = np.logaddexp.reduce(values) - np.array(values)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert np.exp(-found.astype("float64")).sum() == pytest.approx(1, abs=1e-4) and found.min() > -1e-4
    best = paths[int(np.argmax(values))]
    assert tuple(best_path(scores, transitions)) == best
    in_graph = array(edit_distance.viterbi_path(scores[None], transitions, np.array([5])))[0]
    assert tuple(in_graph) == best


def test_gradient_is_posterior_minus_indicator():
    scores = rng.normal(size=(4, 3)).astype("float32")
    transitions = rng.normal(size=(3, 3)).astype("float32")
    labels = np.array([2, 2, 0, 1])
    chance = np.zeros((4, 3))
    pairs = np.zeros((3, 3))
    paths, values = zip(*every_path(scores, transitions), strict=True)
    for path, p in zip(paths, np.exp(values - np.logaddexp.reduce(values)), strict=True):
        chance[range(4), path] += p
        for a, b in itertools.pairwise(path):
            pairs[a, b] += p
    np.testing.assert_allclose(forward_backward(scores, transitions), chance, atol=1e-6)
    by_scores, by_transitions = gradients(labels[None] + 1, scores[None], np.array([4]), transitions, [1.0])
    chance[range(4), labels] -= 1
    for a, b in itertools.pairwise(labels):
        pairs[a, b] -= 1
    np.testing.assert_allclose(by_scores[0], chance, atol=1e-5)
    np.testing.assert_allclose(by_transitions, pairs, atol=1e-5)


def test_gradients_are_the_slopes_and_rows_sum_to_zero(some):
    labels, scores, lengths, transitions = some
    weights = np.array([1.0, 2.0, -0.5], "float32")
    by_scores, by_transitions = gradients(labels, scores, lengths, transitions, weights)
    np.testing.assert_allclose(by_scores.sum(-1), 0, atol=1e-5)
    assert by_transitions.sum() == pytest.approx(0, abs=1e-3)
    for i, n in enumerate(lengths):
        assert not by_scores[i, n:].any()

    def value(s, t):
        return float((loss(labels, s, lengths, t).astype("float64") * weights).sum())

    for _ in range(6):
        ds, dt = rng.normal(size=scores.shape).astype("float32"), rng.normal(size=transitions.shape).astype("float32")
        step = 0.01
        slope = (
            (value(scores + step * ds, transitions + step * dt) - value(scores - step * ds, transitions - step * dt))
            / 2
            / step
        )
        expected = (by_scores * ds).sum() + (by_transitions * dt).sum()
        assert slope == pytest.approx(expected, rel=2e-2, abs=0.05)


def test_without_transitions_it_is_the_framewise_cross_entropy(some):
    labels, scores, lengths, transitions = some
    frames = array(framewise_cross_entropy(labels, scores, lengths))
    np.testing.assert_allclose(loss(labels, scores, lengths, 0 * transitions), frames, rtol=1e-5, atol=1e-4)
    logs = scores.astype("float64") - np.logaddexp.reduce(scores.astype("float64"), axis=-1, keepdims=True)
    expected = [-sum(logs[i, t, labels[i, t] - 1] for t in range(n)) for i, n in enumerate(lengths)]
    np.testing.assert_allclose(frames, expected, rtol=1e-5)


def test_only_differences_count(some):
    labels, scores, lengths, transitions = some
    before = loss(labels, scores, lengths, transitions)
    shifted = scores + 20 * rng.normal(size=(3, 40, 1)).astype("float32")
    np.testing.assert_allclose(loss(labels, shifted, lengths, transitions + 7), before, rtol=1e-4, atol=1e-3)
    assert (before >= 0).all()


def test_alone_equals_in_a_padded_batch(some):
    labels, scores, lengths, transitions = some
    together = loss(labels, scores, lengths, transitions)
    by_scores, _ = gradients(labels, scores, lengths, transitions, np.ones(3, "float32"))
    for i, n in enumerate(lengths):
        alone = labels[i : i + 1, :n], scores[i : i + 1, :n], lengths[i : i + 1], transitions
        np.testing.assert_allclose(loss(*alone), together[i : i + 1], rtol=1e-5)
        np.testing.assert_allclose(gradients(*alone, [1.0])[0][0], by_scores[i, :n], atol=1e-5)


def test_long_utterances_stay_precise():
    """Compare the sum over all paths of 6,000 frames with numpy in float64."""
    scores = (4 * rng.normal(size=(1, 6000, 5))).astype("float32")
    transitions = (2 * rng.normal(size=(5, 5))).astype("float32")
    labels = rng.integers(1, 6, size=(1, 6000)).astype("int32")
    total = scores[0, 0].astype("float64")
    for row in scores[0, 1:].astype("float64"):
        total = row + np.logaddexp.reduce(total[:, None] + transitions, axis=0)
    path = labels[0] - 1
    given = (
        scores[0].astype("float64")[range(6000), path].sum() + transitions.astype("float64")[path[:-1], path[1:]].sum()
    )
    expected = np.logaddexp.reduce(total) - given
    assert loss(labels, scores, [6000], transitions)[0] == pytest.approx(expected, rel=1e-5)


BACKEND = """
import sys, numpy as np, keras
from kerasrecipes.losses.crf import crf_loss
from kerasrecipes.losses.cross_entropy import framewise_cross_entropy
x = dict(np.load(sys.argv[1]))
labels, scores, lengths, transitions = (x[k] for k in ("labels", "scores", "lengths", "transitions"))
out = {"loss": crf_loss(labels, scores, lengths, transitions), "frames": framewise_cross_entropy(labels, scores, lengths)}
if keras.config.backend() == "torch":
    import torch
    s, t = (torch.tensor(v, requires_grad=True) for v in (scores, transitions))
    crf_loss(labels, s, lengths, t).sum().backward()
    out |= {"by_scores": s.grad, "by_transitions": t.grad}
else:
    import jax
    grads = jax.grad(lambda s, t: crf_loss(labels, s, lengths, t).sum(), (0, 1))(scores, transitions)
    out |= {"by_scores": grads[0], "by_transitions": grads[1]}
np.savez(sys.argv[2], **{k: keras.ops.convert_to_numpy(v) for k, v in out.items()})
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_backends_agree(backend, some, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    labels, scores, lengths, transitions = some
    np.savez(tmp_path / "in.npz", labels=labels, scores=scores, lengths=lengths, transitions=transitions)
    env = {**os.environ, "KERAS_BACKEND": backend}
    subprocess.run([sys.executable, "-c", BACKEND, tmp_path / "in.npz", tmp_path / "out.npz"], check=True, env=env)
    found = np.load(tmp_path / "out.npz")
    by_scores, by_transitions = gradients(labels, scores, lengths, transitions, np.ones(3, "float32"))
    np.testing.assert_allclose(found["loss"], loss(*some), rtol=1e-4)
    np.testing.assert_allclose(found["frames"], array(framewise_cross_entropy(labels, scores, lengths)), rtol=1e-4)
    np.testing.assert_allclose(found["by_scores"], by_scores, atol=1e-4)
    np.testing.assert_allclose(found["by_transitions"], by_transitions, atol=1e-3)
