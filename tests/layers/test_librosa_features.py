"""Front ends of public checkpoints: numpy's reflection, FFT, fits and deviation, and librosa's features."""

from pathlib import Path

import keras
import numpy as np
import pytest
from speech_checkpoints import CLIPS, seeded_audio

from kerasrecipes import layers
from kerasrecipes.layers.librosa_features import cosine_window

GOLDENS = Path(__file__).parents[1] / "goldens"
LENGTHS = np.array([40, 23, 3, 1, 0], "int32")
AUDIO = np.random.default_rng(0).normal(size=(5, 40)).astype("float32") * (np.arange(40) < LENGTHS[:, None])


def call(layer, *inputs):
    return [keras.ops.convert_to_numpy(value) for value in layer(*inputs)]


def test_reflection_is_numpys_for_each_length_in_a_batch():
    layer = layers.ReflectPadding(7)
    values, lengths = call(layer, AUDIO, LENGTHS)
    assert lengths.tolist() == [54, 37, 17, 15, 0] and values.shape == (5, 54)
    for row, length, source in zip(values, LENGTHS, AUDIO, strict=True):
        expected = np.pad(source[:length], 7, mode="reflect") if length else np.zeros(0)
        np.testing.assert_array_equal(row, np.pad(expected, (0, 54 - len(expected))))
        np.testing.assert_array_equal(layer.call_numpy(source[:length]), expected)


@pytest.mark.parametrize("window, expected", [
    ("hann", np.hanning(9)[:8]), ("hamming", np.hamming(9)[:8]), ("hamming_symmetric", np.hamming(8)),
])  # fmt: skip
def test_spectrogram(window, expected):
    np.testing.assert_allclose(cosine_window(window, 8), expected, atol=1e-12)
    layer = layers.Log1pSpectrogram(8, 3, window)
    values, lengths = call(layer, AUDIO, LENGTHS)
    assert lengths.tolist() == [11, 6, 0, 0, 0] and values.shape == (5, 11, 5)
    frames = np.stack([AUDIO[0, start : start + 8] for start in range(0, 33, 3)])
    np.testing.assert_allclose(values[0], np.log1p(np.abs(np.fft.rfft(frames * expected))), atol=1e-6)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def test_unknown_windows_are_named():
    with pytest.raises(ValueError, match="no window 'kaiser': choose one of hann, hamming, hamming_symmetric"):
        layers.Log1pSpectrogram(8, 3, "kaiser")


def test_standardization_divides_by_one_value_less():
    x = np.random.default_rng(1).normal(size=(2, 6, 3)).astype("float32")
    layer = layers.UtteranceStandardization(1e-12, ddof=1)
    values, _ = call(layer, x, np.array([6, 2], "int32"))
    for row, source in ((values[0], x[0]), (values[1, :2], x[1, :2])):
        expected = (source - source.mean()) / source.std(ddof=1)
        np.testing.assert_allclose(row, expected, atol=1e-5)
        np.testing.assert_allclose(layer.call_numpy(source), expected, atol=1e-5)


def frames_in_a_batch(features=3):
    lengths = np.array([21, 9, 8, 14, 1, 0], "int32")
    x = np.random.default_rng(3).normal(size=(6, 21, features)).astype("float32") - 7
    return x * (np.arange(21)[:, None] < lengths[:, None, None]), lengths


def fit_derivatives(x, order):
    """Derivatives at the middle of each window of 9 frames, by numpy's least squares, repeated at the ends."""
    time = np.arange(-4, 5)
    rows = [order * np.polyfit(time, x[start : start + 9].astype("float64"), order)[0] for start in range(len(x) - 8)]
    return np.array([rows[0]] * 4 + rows + [rows[-1]] * 4)


def test_derivatives_are_those_of_fitted_polynomials():
    x, lengths = frames_in_a_batch()
    layer = layers.SavitzkyGolayDeltas()
    values, new_lengths = call(layer, x, lengths)
    assert new_lengths.tolist() == lengths.tolist() and values.shape == (6, 21, 9)
    for row, source, length in zip(values, x, lengths, strict=True):
        valid, zeros = source[:length], np.zeros((length, 3))
        derivatives = [fit_derivatives(valid, order) if length >= 9 else zeros for order in (1, 2)]
        expected = np.concatenate([valid, *derivatives], axis=1)
        np.testing.assert_allclose(row[:length], expected, atol=1e-5)
        assert not row[length:].any()
        np.testing.assert_allclose(layer.call_numpy(valid), expected, atol=1e-5)


@pytest.mark.parametrize("frames", [1, 3, 8])
def test_derivatives_of_an_array_shorter_than_a_window_are_zero(frames):
    x = np.ones((1, frames, 2), "float32")
    values, _ = call(layers.SavitzkyGolayDeltas(), x, np.array([frames], "int32"))
    np.testing.assert_array_equal(values, np.pad(x, ((0, 0), (0, 0), (0, 4))))


def test_bands_are_limited_below_the_loudest_of_each_utterance():
    x, lengths = frames_in_a_batch(8)
    x = 30 * x + 150 * (x != 0)  # most values are negative, so that padding would be the loudest
    layer = layers.DecibelMFCC(4, 50.0)
    values, _ = call(layer, x, lengths)
    cosines = np.sqrt(2 / 8) * np.cos(np.pi / 8 * np.outer(np.arange(8) + 0.5, np.arange(4)))
    cosines[:, 0] /= np.sqrt(2)
    for row, source, length in zip(values, x, lengths, strict=True):
        valid = source[:length].astype("float64")
        expected = np.maximum(valid, valid.max(initial=-1e9) - 50) @ cosines
        np.testing.assert_allclose(row[:length], expected, atol=1e-3)
        assert not row[length:].any()
        np.testing.assert_allclose(layer.call_numpy(source[:length]), expected, atol=1e-3)


def test_blocks_are_standardized_apart():
    x, lengths = frames_in_a_batch(6)
    x = x * np.repeat([1, 10, 100], 2).astype("float32")
    layer = layers.BlockStandardization()
    values, _ = call(layer, x, lengths)
    for row, source, length in zip(values[:4], x[:4], lengths[:4], strict=True):
        blocks = np.split(source[:length].astype("float64"), 3, axis=1)
        expected = np.concatenate([(block - block.mean()) / block.std() for block in blocks], axis=1)
        np.testing.assert_allclose(row[:length], expected, atol=1e-4)
        np.testing.assert_allclose(layer.call_numpy(source[:length]), expected, atol=1e-4)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def test_features_of_arms_wav2letter_are_librosas():
    golden = np.load(GOLDENS / "wav2letter_arm_import.npz")
    for number, clip in enumerate(CLIPS):
        x, n = seeded_audio(*clip)[None], np.array([clip[0]], "int32")
        for layer in (
            layers.ReflectPadding(256), layers.DecibelMelSpectrogram(), layers.DecibelMFCC(), layers.SavitzkyGolayDeltas(),
            layers.BlockStandardization(),
        ):  # fmt: skip
            x, n = layer(x, n)
            assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
        features = keras.ops.convert_to_numpy(x)[0]
        assert len(features) == 1 + clip[0] // 160
        np.testing.assert_allclose(features[::4], golden[f"features_{number}"], atol=2e-4)
