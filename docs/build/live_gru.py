"""Write the weights, inputs and word times of a GRU of deepspeech2_small for the page A recurrent cell."""

from pathlib import Path
from typing import Any

import numpy as np
from live_packing import pack

ROOT = Path(__file__).parents[2]
RECIPE = "deepspeech2_small"
CLIP = ROOT / "tests/fixtures/LibriSpeech/dev-mini/1919/142785/1919-142785-0015.mp3"
TEXT = "when it is sufficiently thick take it off as it should not boil"
BINS = 3  # neighboring bins of the spectrogram that the page shows as one


def write_cell(path: Path) -> None:
    """Write the forward GRU of the first recurrent layer of the released network, on a clip of the tests."""
    import kerasrecipes

    pack_cell(kerasrecipes.load(RECIPE, compile=False), path)


def pack_cell(model: Any, path: Path, clip: Path = CLIP, text: str = TEXT) -> None:
    """Write a recognizer's first GRU in the format that docs/live/gru_cell.js reads.

    Arrays, whose gates are in Keras's order (update, reset, candidate):
        kernel: (features, 3 * units).
        recurrent: (units, 3 * units).
        bias, recurrent_bias: (3 * units,).
        inputs: (steps, features), the input of the layer: normalized outputs of the convolutions.
        spectrogram: (frames, bands), 0 to 255.
    """
    import keras

    from kerasrecipes import layers, load_audio

    wave = load_audio(clip)
    gru = next(layer for layer in model.layers if isinstance(layer, layers.SequenceRNN))
    spectrum = next(layer for layer in model.layers if isinstance(layer, layers.LogSpectrogram))
    inside = keras.Model(model.inputs, [gru.input[0], spectrum.output[0]])
    feeds = {"audio": wave[None], "length": np.array([len(wave)], "int32")}
    inputs, frames = (keras.ops.convert_to_numpy(v)[0] for v in inside(feeds))
    bands = frames[:, : frames.shape[1] // BINS * BINS].reshape(len(frames), -1, BINS).mean(-1)
    low, high = np.percentile(bands, (1, 99.8))
    cell = gru.loops[0].cell
    arrays = {
        "kernel": gru.kernels[0], "recurrent": cell.recurrent_kernel, "bias": gru.biases[0], "recurrent_bias": cell.recurrent_bias,
        "inputs": inputs, "spectrogram": np.clip(255 * (bands - low) / (high - low), 0, 255).round(),
    }  # fmt: skip
    words = [{"text": w.text, "start": w.start, "end": w.end} for w in model.align(wave, text, model.sample_rate).words]
    header = {"units": gru.units, "seconds": len(wave) / model.sample_rate, "step": model.stride / model.sample_rate, "words": words}
    pack(path, header, {name: keras.ops.convert_to_numpy(array) for name, array in arrays.items()})
