"""Causal normalization compared with plain loops, and in chunks with the whole."""

import keras
import numpy as np
import pytest

from kerasrecipes.layers import CausalNormalization
from kerasrecipes.layers.running_normalization import exponential_moving_sum


@pytest.mark.parametrize("steps", [1, 63, 64, 65, 300])
def test_exponential_moving_sum_is_the_recurrence(steps):
    rng = np.random.default_rng(steps)
    x, start = rng.normal(size=(2, steps, 3)).astype("float32"), rng.normal(size=(2, 3)).astype("float32")
    since = np.array([0, min(2, steps)])
    x[1, : since[1]] = 0
    found = keras.ops.convert_to_numpy(exponential_moving_sum(x, 0.97, start, since))
    state = start.astype("float64")
    for t in range(steps):
        state = np.where((t >= since)[:, None], 0.97 * state + x[:, t], state)
        np.testing.assert_allclose(found[:, t], state, atol=2e-5)


def reference(x, mean, variance, decay, prior, epsilon):
    """Compute the layer's definition frame by frame in float64 for one utterance (frames, bins)."""
    keep, weight = np.exp(-1 / decay), float(prior)
    sums, squares, rows = prior * mean.astype("float64"), prior * float(variance), []
    for frame in x.astype("float64"):
        weight = keep * weight + 1
        sums = keep * sums + frame
        centered = frame - sums / weight
        squares = keep * squares + np.mean(centered**2)
        rows.append(centered / np.sqrt(squares / weight + epsilon))
    return np.array(rows)


def test_causal_normalization_is_its_definition():
    rng = np.random.default_rng(0)
    layer = CausalNormalization(decay=40.0, prior=10.0)
    x, length = rng.normal(2, 3, size=(2, 150, 5)).astype("float32"), np.array([150, 90], "int32")
    layer(x, length)
    layer.mean.assign(rng.normal(size=5))
    layer.variance.assign([4.0])
    y, _ = layer(x, length)
    y = keras.ops.convert_to_numpy(y)
    for i, frames in enumerate(length):
        expected = reference(x[i, :frames], np.array(layer.mean), 4.0, 40.0, 10.0, 1e-3)
        np.testing.assert_allclose(y[i, :frames], expected, atol=1e-4)
        assert not y[i, frames:].any()


def test_training_moves_the_statistics_towards_the_batch():
    x = np.random.default_rng(1).normal(5, 2, size=(3, 200, 4)).astype("float32")
    length = np.array([200, 100, 150], "int32")
    layer = CausalNormalization(momentum=0.5)
    for _ in range(12):
        layer(x, length, training=True)
    valid = np.concatenate([row[:n] for row, n in zip(x, length, strict=True)])
    np.testing.assert_allclose(np.array(layer.mean), valid.mean(0), atol=0.01)
    np.testing.assert_allclose(np.array(layer.variance), ((valid - valid.mean(0)) ** 2).mean(), rtol=0.01)


def test_it_does_not_look_ahead():
    layer = CausalNormalization()
    x = np.random.default_rng(2).normal(size=(1, 100, 3)).astype("float32")
    changed = x.copy()
    changed[0, 60:] += 5
    n = np.array([100], "int32")
    a, b = (keras.ops.convert_to_numpy(layer(v, n)[0]) for v in (x, changed))
    np.testing.assert_allclose(a[0, :60], b[0, :60], atol=1e-6)
    assert np.abs(a[0, 60:] - b[0, 60:]).max() > 1
