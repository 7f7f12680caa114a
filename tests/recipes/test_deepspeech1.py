"""Deep Speech 1 compared with the paper's parameter counts and a numpy version of its equations."""

import math

import keras
import numpy as np
import pytest
from torchaudio_weights import DEEPSPEECH, GOLDEN, LABELS, sample_deepspeech_weights

import kerasrecipes as kr
from kerasrecipes.layers import FeatureNormalization, LinearFilterBank


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 31_461_405),
        ({"n_filter": 80, "energy": True}, 28_387_357),
        ({"context": 5}, 28_839_965),
        ({"context": 7}, 30_150_685),
        ({"n_filter": 80, "energy": True, "context": 5}, 27_060_253),
        ({"n_filter": 80, "energy": True, "units": 2304}, 35_474_717),
        ({"units": 2560}, 47_191_069),
    ],
)
def test_parameters(changes, count):
    """F (2C+1) H + H + 2 (H^2 + H) + (H^2 + H) + 2 H^2 + (H^2 + H) + 29 H + 29: one W4 for both directions."""
    with keras.StatelessScope(initialize_variables=False):
        model = kr.get_recipe("deepspeech1").build(**changes)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == count


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = kr.load(
        "deepspeech1", weights=None, compile=False, units=6, n_filter=12, context=2, recurrent_clip=0.4, relu_clip=0.7
    )
    rng = np.random.default_rng(1)
    for v in model.trainable_variables:
        v.assign(rng.normal(size=v.shape) * 0.4)
    return model


def above(model, x):
    """Return the logits of normalized features (frames, bands)."""
    norm = next(layer for layer in model.layers if isinstance(layer, FeatureNormalization))
    part = keras.Model(norm.output, model.output)
    return keras.ops.convert_to_numpy(part([x[None], np.array([len(x)], "int32")]))[0]


def test_the_papers_equations(model):
    x = np.random.default_rng(2).normal(size=(21, 12)).astype("float32")
    conv, dense2, dense3, step, dense5, out = (
        [np.array(v) for v in model.get_layer(index=i).weights]
        for i, layer in enumerate(model.layers)
        if layer.trainable_weights
    )
    g = lambda z, limit=0.7: np.minimum(np.maximum(z, 0), limit)  # noqa: E731
    padded = np.pad(x, ((2, 2), (0, 0)))
    windows = np.stack([padded[t : t + 5].ravel() for t in range(0, 21, 2)])  # every second step sees 2 + 1 + 2 frames
    h = g(windows @ conv[0].reshape(60, 6) + conv[1])
    for kernel, bias in (dense2, dense3):
        h = g(h @ kernel + bias)
    w4, b4, forward, backward = step
    z, sums = h @ w4 + b4, np.zeros((11, 6))
    for recurrent, order in ((forward, range(11)), (backward, range(10, -1, -1))):
        state = np.zeros(6)
        for t in order:
            state = g(z[t] + state @ recurrent, 0.4)
            sums[t] += state
    expected = g(sums @ dense5[0] + dense5[1]) @ out[0] + out[1]
    found = above(model, x)
    assert (sums > 0.79).any() and found.shape == (11, 29)  # the recurrence's clip is reached
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_reversed_in_time(model):
    """Reversing the input, mirroring the windows and swapping the directions reverses the output (odd numbers of frames)."""
    x = np.random.default_rng(3).normal(size=(21, 12)).astype("float32")
    before = above(model, x)
    mirrored = kr.load(
        "deepspeech1", weights=None, compile=False, **{k: v for k, v in model.changes.items() if k != "vocab_size"}
    )
    mirrored.set_weights(model.get_weights())
    conv = next(layer for layer in mirrored.layers if "conv" in layer.name)
    conv.set_weights([conv.get_weights()[0][::-1], conv.get_weights()[1]])
    recurrent = next(layer for layer in mirrored.layers if "rnn" in layer.name)
    w, b, forward, backward = recurrent.get_weights()
    recurrent.set_weights([w, b, backward, forward])
    np.testing.assert_allclose(above(mirrored, x[::-1])[::-1], before, atol=1e-5)


def test_without_recurrence_a_step_sees_exactly_its_window(model):
    still = kr.load(
        "deepspeech1", weights=None, compile=False, **{k: v for k, v in model.changes.items() if k != "vocab_size"}
    )
    still.set_weights(model.get_weights())
    recurrent = next(layer for layer in still.layers if "rnn" in layer.name)
    w, b, forward, backward = recurrent.get_weights()
    recurrent.set_weights([w, b, 0 * forward, 0 * backward])
    x = np.random.default_rng(4).normal(size=(31, 12)).astype("float32")
    base = above(still, x)
    for frame in range(31):
        y = x.copy()
        y[frame] += 20
        moved = np.flatnonzero(np.abs(above(still, y) - base).max(1) > 1e-6)
        assert all(abs(2 * t - frame) <= 2 for t in moved)
    y = x.copy()
    y[10:] = 9
    assert np.abs(above(still, y) - base)[4:].max() > 1e-3 and np.abs(above(still, y) - base)[:4].max() < 1e-6


def test_bands_are_evenly_spaced_and_a_tone_peaks_in_its_band():
    layer = LinearFilterBank(20, energy=True)
    np.testing.assert_allclose(
        layer.bands[8:153, :20].sum(1), 1, atol=1e-6
    )  # triangles add up to one between the outer centers
    t = np.arange(3200) / 16000
    for i in (2, 9, 17):
        center = 8000 * (i + 1) / 21
        tone = np.sin(2 * np.pi * center * t).astype("float32")[None]
        y = keras.ops.convert_to_numpy(layer(tone, np.array([3200], "int32"))[0])[0]
        assert (y[:, :20].argmax(1) == i).all() and y.shape == (19, 21)


def test_training_set_normalization_measures_every_batch():
    rng = np.random.default_rng(0)
    layer = FeatureNormalization(momentum=0.5)
    batches = [rng.normal(3 + k, 2, size=(2, 50, 4)).astype("float32") for k in range(3)]
    for x in batches:
        layer(x, np.array([50, 20], "int32"), training=True)
    means = [np.concatenate([x[0], x[1, :20]]).mean(0) for x in batches]
    squares = [(np.concatenate([x[0], x[1, :20]]) ** 2).mean(0) for x in batches]
    weights = np.array([0.25, 0.5, 1.0])[:, None] / 1.75
    mean, square = (weights * means).sum(0), (weights * squares).sum(0)
    found = keras.ops.convert_to_numpy(layer(batches[0], np.array([50, 50], "int32"))[0])
    np.testing.assert_allclose(found, (batches[0] - mean) / np.sqrt(square - mean**2 + 1e-3), atol=1e-4)


def torchaudio_net():
    """Return the recipe as torchaudio's model without its features: one input transform per direction, no recurrent clip."""
    features, hidden, labels = DEEPSPEECH.values()
    variant = {"context": 0, "stride": 1, "shared_input": False, "recurrent_clip": math.inf}
    network = kr.get_recipe("deepspeech1").build(vocab_size=labels, units=hidden, n_filter=features, **variant)
    p = sample_deepspeech_weights()[0]
    dense = [[p[i].T, p[i + 1]] for i in (0, 2, 4)]
    dense[0][0] = dense[0][0][None]  # the first layer is a convolution over one frame
    forward, backward = p[6:10], p[10:14]
    biases = [forward[2] + forward[3], backward[2] + backward[3]]
    step = [forward[0].T, backward[0].T, *biases, forward[1].T, backward[1].T]
    values = [*dense, step, [p[14].T, p[15]], [p[16].T, p[17]]]
    for layer, arrays in zip([v for v in network.layers if v.trainable_weights], values, strict=True):
        layer.set_weights(arrays)
    norm = next(v for v in network.layers if isinstance(v, FeatureNormalization))
    return keras.Model(norm.output, network.output)


def test_weights_of_torchaudio_give_its_logits():
    x = sample_deepspeech_weights()[1]
    found = keras.ops.convert_to_numpy(torchaudio_net()([x[None], np.array([len(x)], "int32")]))[0]
    expected = np.load(GOLDEN / "torchaudio_deepspeech.npz")["log_probabilities"]
    assert found.shape == expected.shape == (40, LABELS) and expected.std() > 0.1
    found = found - found.max(-1, keepdims=True)
    np.testing.assert_allclose(found - np.log(np.exp(found).sum(-1, keepdims=True)), expected, rtol=1e-5, atol=1e-5)
