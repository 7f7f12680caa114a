"""MFCC of TensorFlow: the coefficients of its own operations, and the logarithm of silence."""

from pathlib import Path

import keras
import numpy as np
import pytest
import speech_checkpoints as checkpoints

from kerasrecipes import layers

GOLDEN = Path(__file__).parents[1] / "goldens" / "deepspeech1_mozilla_import.npz"


def test_coefficients_are_tensorflows():
    golden, layer = np.load(GOLDEN), layers.TensorFlowMFCC()
    for i, clip in enumerate(checkpoints.CLIPS):
        audio = checkpoints.seeded_audio(*clip)
        values, length = layer(audio[None], np.array([len(audio)], "int32"))
        expected = golden[f"mfcc_{i}"]
        assert int(length[0]) == len(expected) == (len(audio) - 512) // 320 + 1
        np.testing.assert_allclose(keras.ops.convert_to_numpy(values)[0], expected, atol=1e-4)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def test_silence_has_the_smallest_energy_in_each_band():
    values, _ = layers.TensorFlowMFCC()(np.zeros((1, 832), "float32"), np.array([832], "int32"))
    values = keras.ops.convert_to_numpy(values)[0]
    np.testing.assert_allclose(values[:, 0], np.sqrt(2 / 40) * 40 * np.log(1e-12), rtol=1e-5)
    np.testing.assert_allclose(values[:, 1:], 0, atol=1e-3)


def test_more_coefficients_than_bands_are_refused():
    with pytest.raises(ValueError, match="20 mel bands have no 26 coefficients"):
        layers.TensorFlowMFCC(26, 20)
