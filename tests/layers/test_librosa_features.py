"""Front ends of public checkpoints: numpy's reflection, a spectrogram by numpy's FFT, and numpy's deviation."""

import keras
import numpy as np
import pytest

from kerasrecipes import layers
from kerasrecipes.layers.librosa_features import cosine_window

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
