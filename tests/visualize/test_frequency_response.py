"""Frequency responses of known filters."""

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import visualize
from kerasrecipes.cli import main
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.visualize.frequency_response import first_layer_kernels, frequency_responses, has_waveform_filters


def sinusoids(samples, frequencies):
    return np.stack([np.hanning(samples) * np.sin(2 * np.pi * f * np.arange(samples) / 16000) for f in frequencies])


def test_sinusoids_peak_at_their_frequency_and_are_sorted():
    peaks = [3000.0, 500.0, 7000.0, 1500.0]
    frequencies, magnitudes = frequency_responses(sinusoids(400, peaks), 16000, 4096)
    np.testing.assert_allclose(frequencies[magnitudes.argmax(axis=1)], sorted(peaks), atol=4)
    np.testing.assert_allclose(magnitudes.max(axis=1), 1)
    assert frequencies[-1] == 8000 and magnitudes[0][np.abs(frequencies - 500) > 200].max() < 0.01
    # one sample passes all frequencies equally, two of opposite sign pass nothing at 0 Hz
    flat, high = frequency_responses(np.array([[1.0, 0.0], [1.0, -1.0]]), 16000)[1]
    np.testing.assert_allclose(flat, 1)
    np.testing.assert_allclose(high, np.sin(np.pi * np.linspace(0, 8000, 513) / 16000), atol=1e-9)


@pytest.mark.parametrize("name", ["palaz_raw", "palaz_raw_window", "wav2letter_raw"])
def test_plot_of_a_models_filters(name, tmp_path, capsys):
    changes = {"normalization": "window"} if name.endswith("window") else {}
    name = name.removesuffix("_window")
    model = kr.load(name, weights=None, compile=False, **{**kr.get_recipe(name).tiny_config, **changes})
    layer = next(layer for layer in model.layers if "conv" in layer.name)
    kernels = first_layer_kernels(model)
    new_kernels = sinusoids(kernels.shape[1], np.linspace(7000, 1000, len(kernels)))
    layer.set_weights([new_kernels.T.reshape(layer.weights[0].shape), *layer.get_weights()[1:]])
    np.testing.assert_allclose(first_layer_kernels(model), new_kernels, atol=1e-6)
    model.save(tmp_path / "m.keras")
    assert main.main(["filters", str(tmp_path / "m.keras"), "--output", str(tmp_path / "new" / "f.png")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "new" / "f.png")
    assert (tmp_path / "new" / "f.png").read_bytes()[:4] == b"\x89PNG"
    responses = visualize.filter_responses(model)
    assert responses.samples == kernels.shape[1] and responses.magnitudes.max() == 1
    assert (np.diff(responses.center_frequencies) >= 0).all()
    command = ["visualize", str(tmp_path / "m.keras"), "--method", "filters", "--output", str(tmp_path)]
    assert main.main(command) == 0 and (tmp_path / "m_filters.png").stat().st_size > 3000


@pytest.mark.parametrize("name", ["palaz_mfcc_small", "wav2letter", "deepspeech2_small"])
def test_models_without_filters_say_so(name):
    model = kr.load(name, weights=None, compile=False, **kr.get_recipe(name).tiny_config)
    with pytest.raises(KerasRecipesError, match="does not begin with filters on the waveform"):
        first_layer_kernels(model)
    assert not has_waveform_filters(model)
