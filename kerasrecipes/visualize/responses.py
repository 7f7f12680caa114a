"""What the filters of a first layer on the waveform have learned to hear: their frequency responses.

Palaz et al. show that such filters become a filter bank (Interspeech 2015 and arXiv 1312.2137's line of work).
"""

from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.visualize.drawing import figure, write_whole

SIZE = 1024  # of the DFT, in samples: 15.6 Hz a bin at 16 kHz


def first_kernels(model: Any) -> np.ndarray:
    """The filters of a model's first convolution over samples: (filters, samples) float64.

    Raises:
        KerasRecipesError: the model begins with spectra or cepstra, not with learned filters.
    """
    convolutions = [getattr(layer, "convolution", layer) for layer in model.layers]
    first = next((c for c in convolutions if getattr(c, "kernel", None) is not None and len(c.kernel.shape) > 2), None)
    shape = () if first is None else tuple(first.kernel.shape)
    # (samples, 1, filters), or (1, samples, 1, filters) where windows lie side by side
    if first is not None and (len(shape) == 3 or shape[:1] == (1,)) and shape[-2] == 1:
        return np.array(first.get_weights()[0], "float64").reshape(-1, shape[-1]).T
    raise KerasRecipesError(
        f"{model.name} does not begin with filters on the waveform; palaz_raw and wav2letter_raw do"
    )


def responses(kernels: np.ndarray, sample_rate: int, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """How much of each frequency every filter lets through, sorted by the frequency that it lets through most.

    Args:
        kernels: (filters, samples). sample_rate: in Hz. size: of the DFT, in samples.

    Returns:
        frequencies (bins,) in Hz, and magnitudes (filters, bins) of which each filter's largest is 1; filters that are all
        zero stay zero and come first.
    """
    size = max(size, 1 << (kernels.shape[1] - 1).bit_length())
    magnitudes = np.abs(np.fft.rfft(kernels, size, axis=1))
    magnitudes /= np.maximum(magnitudes.max(axis=1, keepdims=True), 1e-30)
    return np.fft.rfftfreq(size, 1 / sample_rate), magnitudes[np.argsort(magnitudes.argmax(axis=1), kind="stable")]


def draw_filters(model: Any, path: str | Path) -> Path:
    """Draw the responses of a model's first filters: left each filter's in decibels, right their centre frequencies.

    Args:
        model: a recogniser on the waveform. path: of the picture; its suffix names the format.

    Raises:
        KerasRecipesError: the model has no such filters, or matplotlib is missing.

    Example:
        >>> draw_filters(kerasrecipes.load("palaz_raw_small", weights="mine.weights.h5"), "filters.png")
    """
    kernels = first_kernels(model)
    frequencies, magnitudes = responses(kernels, model.sample_rate)
    decibels = 20 * np.log10(np.maximum(magnitudes, 1e-3))
    picture = figure(9, 4)
    left, right = picture.subplots(1, 2)
    edges = (-0.5, len(kernels) - 0.5, 0, frequencies[-1] / 1000)
    shown = left.imshow(decibels.T, origin="lower", aspect="auto", extent=edges, cmap="magma", vmin=-40, vmax=0)
    left.set(
        xlabel="filter, by centre frequency",
        ylabel="kHz",
        title=f"{len(kernels)} filters of {kernels.shape[1]} samples",
    )
    picture.colorbar(shown, ax=left, label="dB below its largest")
    right.plot(np.arange(len(kernels)), frequencies[magnitudes.argmax(axis=1)] / 1000, color="#3f51b5")
    right.set(xlabel="filter", ylabel="centre frequency, kHz", xlim=edges[:2], ylim=edges[2:])
    kind = Path(path).suffix[1:].lower()
    if kind not in picture.canvas.get_supported_filetypes():
        raise KerasRecipesError(f"{path}: write a .png, .jpg, .svg or .pdf file")
    return write_whole(path, lambda file: picture.savefig(file, format=kind, dpi=110))
