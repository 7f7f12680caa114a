"""Front end of OpenSeq2Seq: features of its own program and of python_speech_features' formulas, alone, in batches, and in numpy."""

from pathlib import Path

import keras
import numpy as np
import pytest
import speech_checkpoints as checkpoints

from kerasrecipes import layers
from kerasrecipes.layers.filterbank import integer_mel_filterbank
from kerasrecipes.layers.time_geometry import TimeGeometry, count_zeros

GOLDENS = Path(__file__).parents[1] / "goldens"


@pytest.mark.parametrize("kind, name, step", [
    (layers.QuantizedLogMelSpectrogram, "wave2letter_plus", 4), (layers.QuantizedLogSpectrogram, "deepspeech2_openseq2seq", 8),
])  # fmt: skip
def test_features_are_those_of_the_original_program(kind, name, step):
    golden, layer = np.load(GOLDENS / f"{name}_import.npz"), kind()
    clips = [checkpoints.seeded_audio(*clip) for clip in checkpoints.CLIPS]
    for i, audio in enumerate(clips):
        x, n = layers.UtteranceStandardization()(*layer(audio[None], np.array([len(audio)], "int32")))
        expected, values = golden[f"features_{i}"], layer.call_numpy(audio)
        assert len(values) == int(n[0]) == (56, 40)[i]
        np.testing.assert_allclose(keras.ops.convert_to_numpy(x)[0, ::step], expected, atol=2e-4)
        np.testing.assert_allclose(((values - values.mean()) / values.std())[::step], expected, atol=1e-5)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("length", [0, 1, 160, 161, 320, 321, 1440, 1441, 2720, 2721, 2900])
@pytest.mark.parametrize("kind", [layers.QuantizedLogMelSpectrogram, layers.QuantizedLogSpectrogram])
def test_any_length_in_a_longer_array_is_numpys(kind, length):
    """Frames are whole blocks of 8. What stands after the utterance does not matter, nor does its level."""
    layer = kind()
    audio = np.random.default_rng(length).normal(size=2900).astype("float32")
    values, frames = layer(0.01 * audio[None], np.array([length], "int32"))
    expected = layer.call_numpy(audio[:length])
    assert int(frames[0]) == len(expected) == (8 * -(-(length - 160) // 1280) if length > 160 else 0)
    values = keras.ops.convert_to_numpy(values)[0]
    np.testing.assert_allclose(values[: len(expected)], expected, atol=2e-2)  # 1 % of the energy where it is least
    assert abs(values[: len(expected)] - expected).mean() < 1e-3 if length > 160 else not values.any()


def test_silence_has_the_smallest_energy():
    values, _ = layers.QuantizedLogMelSpectrogram()(np.zeros((1, 1000), "float32"), np.array([1000], "int32"))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(values), np.full((1, 8, 64), np.log(2.0**-52)), rtol=1e-6)
    values, _ = layers.QuantizedLogSpectrogram()(np.zeros((1, 1000), "float32"), np.array([1000], "int32"))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(values), np.full((1, 8, 160), np.log(1e-30)), rtol=1e-6)


def test_bands_are_triangles_between_whole_bins():
    """The formula of python_speech_features, bin by bin."""
    bands = integer_mel_filterbank(64, 512, 16000)
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 66)
    corners = [int(513 * 700 * (10 ** (m / 2595) - 1) / 16000) for m in mel]
    for number, (low, middle, high) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        expected = np.zeros(257)
        for i in range(low, middle):
            expected[i] = (i - low) / (middle - low)
        for i in range(middle, high):
            expected[i] = (high - i) / (high - middle)
        np.testing.assert_allclose(bands[:, number], expected, atol=1e-12)
    assert min(np.diff(corners)) == 0  # a band that begins with 1


def test_lengths_are_rounded_up_to_a_multiple():
    geometry = TimeGeometry(320, 160, 0, 159, 8)
    lengths = np.array([0, 160, 161, 1440, 1441])
    assert geometry.output_length(lengths).tolist() == [0, 0, 8, 8, 16]
    assert [geometry.output_length(int(n)) for n in lengths] == [0, 0, 8, 8, 16]
    assert keras.ops.convert_to_numpy(geometry.output_length(keras.ops.convert_to_tensor(lengths))).tolist() == [0, 0, 8, 8, 16]


@pytest.mark.parametrize("kernel, stride, dilation", [(11, 2, 1), (11, 1, 1), (29, 1, 2), (8, 4, 1), (1, 1, 1), (1, 2, 1)])
def test_zeros_are_those_of_kerass_padding(kernel, stride, dilation):
    length = 80 * stride
    x = np.random.default_rng(0).normal(size=(1, length, 2)).astype("float32")
    reference = keras.layers.Conv1D(3, kernel, stride, "same", dilation_rate=dilation)
    expected = reference(x)
    zeros = count_zeros("same_multiple", (kernel - 1) * dilation + 1, stride)
    layer = layers.SequenceConv1D(3, kernel, stride, padding=zeros, dilation_rate=dilation)
    layer(x, np.array([length], "int32"))
    layer.convolution.set_weights(reference.get_weights())
    values, _ = layer(x, np.array([length], "int32"))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(values), keras.ops.convert_to_numpy(expected), atol=1e-5)


@pytest.mark.parametrize("strides", [(2, 2), (1, 2)])
def test_zeros_on_both_axes_are_those_of_kerass_padding(strides):
    x = np.random.default_rng(0).normal(size=(1, 24, 20, 2)).astype("float32")
    reference = keras.layers.Conv2D(3, (11, 7), strides, "same", use_bias=False)
    expected, length = reference(x), np.array([24], "int32")
    layer = layers.SequenceConv2D(3, (11, 7), strides, False, "same_multiple")
    layer(x, length)
    layer.convolution.set_weights(reference.get_weights())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x, length)[0]), keras.ops.convert_to_numpy(expected), atol=1e-5)
