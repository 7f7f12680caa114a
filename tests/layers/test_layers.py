"""Sequence layers: an utterance alone gives the same values as in a padded batch, and each layer equals its formula."""

import keras
import numpy as np
import pytest

from kerasrecipes import layers
from kerasrecipes.layers.time_geometry import TimeGeometry, compose

rng = np.random.default_rng(0)
LENGTHS = np.array([37, 20, 11], "int32")


def batch(*features):
    return rng.normal(size=(3, 37, *features)).astype("float32")  # noise after each length on purpose


CASES = {
    "mask": (lambda: layers.SequenceMask(), (5,)),
    "utterance_norm": (lambda: layers.UtteranceNormalization(), (5,)),
    "standardization": (lambda: layers.UtteranceStandardization(), (5,)),
    "deltas": (lambda: layers.Deltas(9), (5,)),
    "cepstra": (lambda: layers.MFCC(5, 6, win_length=8, hop_length=3, n_fft=64), ()),
    "conv1d": (lambda: layers.SequenceConv1D(4, 5, 2), (5,)),
    "conv1d_padded": (lambda: layers.SequenceConv1D(4, 8, 2, padding=5), (5,)),
    "conv1d_even": (lambda: layers.SequenceConv1D(4, 4, 3), (5,)),
    "conv2d": (lambda: layers.SequenceConv2D(3, (11, 5), (2, 2)), (9, 2)),
    "batch_norm": (lambda: layers.MaskedBatchNormalization(), (5,)),
    "row": (lambda: layers.RowConvolution(4), (5,)),
    "rnn": (lambda: layers.SequenceRNN(4), (5,)),
    "gru": (lambda: layers.SequenceRNN(4, "gru", None, batch_norm=False, shared_input=False), (5,)),
    "gru_forward": (lambda: layers.SequenceRNN(4, "gru", None, bidirectional=False, batch_norm=False), (5,)),
    "concat": (lambda: layers.SequenceRNN(4, "gru", merge_mode="concat"), (5,)),
}


@pytest.mark.parametrize("case", CASES)
def test_alone_equals_in_a_batch(case):
    make, features = CASES[case]
    layer, x = make(), batch(*features)
    if case not in ("mask", "utterance_norm"):  # only the first layers of a model get unmasked input
        x = np.where((np.arange(37) < LENGTHS[:, None]).reshape(3, 37, *[1] * len(features)), x, 0)
    if case == "utterance_norm":
        x = np.where((np.arange(37) < LENGTHS[:, None])[..., None], x, 0)
    together, n = (keras.ops.convert_to_numpy(v) for v in layer(x, LENGTHS))
    assert together.shape == tuple(
        layer.compute_output_spec(keras.KerasTensor(x.shape), keras.KerasTensor((3,)))[0].shape
    )
    for i, length in enumerate(LENGTHS):
        alone, m = (keras.ops.convert_to_numpy(v) for v in layer(x[i : i + 1, :length], LENGTHS[i : i + 1]))
        assert m[0] == n[i] == layer.geometry.output_length(int(length)) == alone.shape[1]
        np.testing.assert_allclose(together[i, : n[i]], alone[0], atol=2e-6)
        assert not together[i, n[i] :].any()


@pytest.mark.parametrize("case", CASES)
def test_config_rebuilds_the_layer(case):
    layer = CASES[case][0]()
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def test_config_names_the_arguments_of_all_constructors_as_keras_does():
    config = layers.SequenceConv1D(4, 5, 2, False, (1, 2)).get_config()
    values = {"filters": 4, "kernel_size": 5, "strides": 2, "use_bias": False, "padding": (1, 2), "dilation_rate": 1}
    assert {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")} == values
    assert layers.MFCC(n_mfcc=5, win_length=300).get_config().items() >= {
        "n_mfcc": 5, "lifter": 22.0, "n_mels": 20, "sample_rate": 16000, "win_length": 300, "hop_length": 160, "n_fft": 512,
    }.items()  # fmt: skip


def test_clipped_relu_is_keras_relu():
    x = batch(5) * 3
    for options in ({"max_value": 2.0}, {}, {"max_value": 2.0, "threshold": 1.0, "negative_slope": 0.1}):
        ours, keras_layer = layers.ReLU(**options), keras.layers.ReLU(**options)
        np.testing.assert_array_equal(ours(x), keras_layer(x))
        assert ours.get_config().keys() == keras_layer.get_config().keys()


def test_mask_removes_padding():
    x = batch(5)
    x[1, 20:] = np.nan
    y, _ = layers.SequenceMask()(x, LENGTHS)
    assert np.isfinite(keras.ops.convert_to_numpy(y)).all()


@pytest.mark.parametrize("padding", [0.0, -1000.0, np.nan])
def test_batch_norm_statistics_are_those_of_the_concatenated_valid_frames(padding):
    x = batch(4) * 3 + 2
    valid = np.concatenate([x[i, :n] for i, n in enumerate(LENGTHS)])
    x = np.where((np.arange(37) < LENGTHS[:, None])[..., None], x, padding)
    layer = layers.MaskedBatchNormalization(momentum=0.0, epsilon=0.0)
    y, _ = layer(x, LENGTHS, training=True)
    y = keras.ops.convert_to_numpy(y)
    np.testing.assert_allclose(layer.moving_mean, valid.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, valid.var(0), rtol=1e-4)
    out = np.concatenate([y[i, :n] for i, n in enumerate(LENGTHS)])
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(out.var(0), 1, rtol=1e-4)


def test_row_convolution_is_its_formula_and_looks_ahead_only():
    x, tau = batch(3)[:1], 4
    layer = layers.RowConvolution(tau)
    layer.build(x.shape)
    kernel = rng.normal(size=(tau + 1, 3)).astype("float32")
    layer.kernel.assign(kernel)
    padded = np.pad(x, ((0, 0), (0, tau), (0, 0)))
    expected = np.stack([(kernel * padded[0, t : t + tau + 1]).sum(0) for t in range(37)])
    run = lambda v: keras.ops.convert_to_numpy(layer(v, LENGTHS[:1])[0])[0]  # noqa: E731
    np.testing.assert_allclose(run(x), expected, atol=1e-5)
    changed = x.copy()
    changed[0, 20] += 1
    moved = np.flatnonzero(np.abs(run(changed) - run(x)).sum(1) > 1e-6)
    assert moved.min() == 20 - tau and moved.max() == 20
    layer.kernel.assign(np.eye(tau + 1, 1) * np.ones(3))
    np.testing.assert_allclose(run(x), x[0])  # the identity kernel is the identity
    assert layer.count_params() == 3 * (tau + 1)
    # chunks with tau future steps equal the whole
    chunks = [
        keras.ops.convert_to_numpy(layer(x[:, t : t + 10 + tau], np.array([10 + tau]))[0])[0, :10]
        for t in range(0, 20, 10)
    ]
    np.testing.assert_allclose(np.concatenate(chunks), run(x)[:20], atol=1e-6)


def numpy_recurrence(layer, x):
    """Compute one direction of one utterance (steps, features) step by step in float64."""
    kernel, bias = (np.asarray(v[0], "float64") for v in (layer.kernels, layer.biases))
    cell = layer.loops[0].cell
    u = np.asarray(cell.recurrent_kernel, "float64")
    c = np.asarray(cell.recurrent_bias, "float64") if cell.use_bias else 0.0
    units, act = layer.units, np.tanh if layer.max_value is None else (lambda v: np.clip(v, 0, layer.max_value))
    h, out = np.zeros(units), []
    for row in x:
        a, b = row @ kernel + bias, h @ u + c
        if layer.cell == "rnn":
            h = act(a + b)
        else:
            z, r = (1 / (1 + np.exp(-(a + b)[i * units : (i + 1) * units])) for i in (0, 1))
            h = z * h + (1 - z) * act(a[2 * units :] + r * b[2 * units :])
        out.append(h)
    return np.stack(out)


@pytest.mark.parametrize("cell", ["rnn", "gru"])
@pytest.mark.parametrize("limit", [None, 0.4])
def test_recurrence_is_its_formula(cell, limit):
    x = batch(5)[:1]
    layer = layers.SequenceRNN(4, cell, limit, bidirectional=False, batch_norm=False)
    y, _ = layer(x, LENGTHS[:1])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(y)[0], numpy_recurrence(layer, x[0].astype("float64")), atol=2e-5
    )


def test_lstm_equals_keras_lstm():
    x = batch(5)
    theirs = keras.layers.LSTM(4, return_sequences=True)
    theirs(x)
    ours = layers.SequenceRNN(4, "lstm", None, bidirectional=False, batch_norm=False)
    ours(x, np.array([37] * 3))
    np.testing.assert_array_equal(ours.biases[0], theirs.get_weights()[2])  # ones for the forget gates
    kernel, recurrent, bias = (np.random.default_rng(3).normal(size=w.shape) * 0.5 for w in theirs.get_weights())
    theirs.set_weights([kernel, recurrent, bias])
    ours.kernels[0].assign(kernel)
    ours.biases[0].assign(bias)
    ours.loops[0].cell.recurrent_kernel.assign(recurrent)
    expected = keras.ops.convert_to_numpy(theirs(x))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours(x, np.array([37] * 3))[0]), expected, atol=1e-5)


def test_both_directions_are_the_sum_of_one_and_the_reversed_one():
    x = batch(5)[:1]
    both = layers.SequenceRNN(4, "gru", None, batch_norm=False)
    y, _ = both(x, LENGTHS[:1])
    one = layers.SequenceRNN(4, "gru", None, bidirectional=False, batch_norm=False)
    total = 0
    for i, direction in enumerate((1, -1)):
        one(x, LENGTHS[:1])
        one.kernels[0].assign(both.kernels[0])
        one.biases[0].assign(both.biases[0])
        one.loops[0].cell.recurrent_kernel.assign(both.loops[i].cell.recurrent_kernel)
        one.loops[0].cell.recurrent_bias.assign(both.loops[i].cell.recurrent_bias)
        total = total + keras.ops.convert_to_numpy(one(x[:, ::direction], LENGTHS[:1])[0])[:, ::direction]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(y), total, atol=1e-5)


def test_gru_equals_keras_gru():
    x = batch(5)
    theirs = keras.layers.GRU(4, return_sequences=True)
    expected = keras.ops.convert_to_numpy(theirs(x))
    ours = layers.SequenceRNN(4, "gru", None, bidirectional=False, batch_norm=False)
    ours(x, np.array([37] * 3))
    kernel, recurrent, bias = (keras.ops.convert_to_numpy(w) for w in theirs.get_weights())
    ours.kernels[0].assign(kernel)
    ours.biases[0].assign(bias[0])
    ours.loops[0].cell.recurrent_kernel.assign(recurrent)
    ours.loops[0].cell.recurrent_bias.assign(bias[1])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours(x, np.array([37] * 3))[0]), expected, atol=1e-5)


def test_spec_augment_masks_in_training_only_and_within_its_limits():
    x = np.ones((8, 100, 40), "float32")
    n = np.full(8, 100, "int32")
    layer = layers.SpecAugment(
        freq_masks=1, freq_mask_width=10, time_masks=1, time_mask_width=30, max_time_fraction=0.2, seed=1
    )
    np.testing.assert_array_equal(layer(x, n, training=False)[0], x)
    y = keras.ops.convert_to_numpy(layer(x, n, training=True)[0])
    assert 0 < (y == 0).mean() < 0.5
    assert ((y == 0).all(axis=2).sum(axis=1) <= 21).all()  # at most 20 % of the frames are fully masked
    assert ((y == 0).all(axis=1).sum(axis=1) <= 11).all()


@pytest.mark.parametrize(("mel", "bins"), [(False, 161), (True, 40)])
def test_frequency_warp_multiplies_the_frequencies_of_formants(mel, bins):
    """Each bin holds its own frequency, so that the output names the frequency that is read there."""
    mels = np.arange(1, bins + 1) / (bins + 1) * 2595 * np.log10(1 + 8000 / 700)
    hertz = 700 * (10 ** (mels / 2595) - 1) if mel else np.linspace(0, 8000, bins)
    x = np.broadcast_to(hertz, (50, 3, bins)).astype("float32")
    options = {"freq_masks": 0, "time_masks": 0, "max_frequency_warp": 0.2, "mel": mel, "seed": 1}
    layer = layers.SpecAugment(**options)
    np.testing.assert_array_equal(layer(x, np.full(50, 3), training=False)[0], x)
    y = keras.ops.convert_to_numpy(layer(x, np.full(50, 3), training=True)[0])
    np.testing.assert_array_equal(y[:, 0], y[:, 2])
    inside = (hertz > 500) & (hertz < 3900)
    factors = y[:, 0, inside] / hertz[inside]
    np.testing.assert_allclose(factors, factors[:, :1].repeat(inside.sum(), 1), rtol=4e-3 if mel else 1e-5)
    assert 0.8 <= factors.min() < 0.83 and 1.17 < factors.max() <= 1.205
    assert (np.diff(y[:, 0]) >= 0).all() and (np.abs(y[:, 0, -1] - hertz[-1]) < (200 if mel else 1e-2)).all()


def test_geometry_of_composed_layers():
    g = compose([TimeGeometry(320, 160), TimeGeometry(11, 2, 5, 5), TimeGeometry(7, 2, 3, 3)])
    assert (g.stride, g.receptive_field) == (640, 320 + 10 * 160 + 6 * 320)
    assert compose([g, TimeGeometry(None)]).receptive_field is None
    assert TimeGeometry(11, 2, 5, 5).output_length(100) == 50 and TimeGeometry(11, 2, 5, 5).output_length(101) == 51


def test_random_low_pass_equals_a_filter_on_the_audio():
    from kerasrecipes.data.audio_augmentation import band_limit

    layer = layers.RandomLowPass(prob=1.0, min_cutoff=0.5, fill_value=float(np.log(1e-2)), seed=2)
    wave = np.random.default_rng(0).normal(size=(40, 4000)).astype("float32")
    n = np.full(40, 4000, "int32")
    spectrum = layers.LogSpectrogram()
    x, frames = spectrum(wave, n)
    y = keras.ops.convert_to_numpy(layer(x, frames, training=True)[0])
    np.testing.assert_array_equal(layer(x, frames, training=False)[0], x)
    lost = (y == np.float32(np.log(1e-2))).all(1)
    edges = np.where(lost.any(1), lost.argmax(1), 161)  # the first removed bin
    assert len(set(edges)) > 20 and edges.min() >= 80 and lost[:, 160].mean() > 0.9
    for i in (0, 1, 2):
        assert lost[i, edges[i] :].all() and (y[i, :, : edges[i]] == np.array(x)[i, :, : edges[i]]).all()
        filtered = band_limit(wave[i], edges[i] * 50 - 550).astype("float32")
        real = keras.ops.convert_to_numpy(spectrum(filtered[None], n[:1])[0])[0]
        assert np.abs(real[1:-1, edges[i] + 1 :] - y[i, 1:-1, edges[i] + 1 :]).max() < 0.5
    cut = layers.RandomLowPass(prob=0.3, seed=1)(np.repeat(x, 10, 0), np.repeat(frames, 10), training=True)[0]
    assert 0.2 < (np.array(cut)[:, 0, 160] == np.float32(-4.6)).mean() < 0.4


@pytest.mark.parametrize(
    ("layer", "features"),
    [("UtterancePowerNormalization", 0), ("UtteranceNormalization", 100), ("UtteranceStandardization", 100)],
)
def test_statistics_of_long_items_in_half_precision(layer, features):
    """Counts beyond 65504 and small epsilons do not fit in 16 bits."""
    x = (1e-2 * rng.normal(size=(1, 80000 if not features else 1000, *([features] if features else [])))).astype(
        "float32"
    )
    half, whole = (getattr(layers, layer)(dtype=policy) for policy in ("mixed_float16", "float32"))
    found, expected = (keras.ops.convert_to_numpy(each(x, np.array([x.shape[1]]))[0]) for each in (half, whole))
    assert found.dtype == "float16" and expected.std() > 0.1
    np.testing.assert_allclose(found.astype("float32"), expected, atol=5e-3 * np.abs(expected).max())


def test_a_filter_may_be_wider_than_the_spectrum():
    x = rng.normal(size=(2, 12, 17, 1)).astype("float32")
    layer = layers.SequenceConv2D(3, (11, 41), (2, 2))
    y, length = layer(x, np.array([12, 7]))
    kernel, bias = (keras.ops.convert_to_numpy(v) for v in layer.convolution.weights)
    padded = np.pad(x, ((0, 0), (5, 5), (20, 20), (0, 0)))
    expected = (padded[0, 2:13, 4:45] * kernel[..., 1]).sum() + bias[1]  # frame 1, bin 2
    assert y.shape == (2, 6, 9, 3) and list(length) == [6, 4]
    np.testing.assert_allclose(y[0, 1, 2, 1], expected, rtol=1e-4)
