"""What the filters of a first layer on the waveform have learned to hear: their frequency responses.

Palaz et al. show that such filters become a filter bank (Interspeech 2015 and arXiv 1312.2137's line of work).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.utils.files import atomic_write
from kerasrecipes.utils.plotting import Figure, new_figure

FFT_SIZE = 1024  # of the DFT, in samples: 15.6 Hz a bin at 16 kHz


@dataclass(frozen=True)
class FilterResponses(Figure):
    """How much of each frequency the filters of a first layer let through, sorted by the frequency that they let through most.

    Args:
        frequencies: (bins,) in Hz. magnitudes: (filters, bins), of which each filter's largest is 1.
        samples: of a filter.
    """

    frequencies: np.ndarray = field(repr=False)
    magnitudes: np.ndarray = field(repr=False)
    samples: int

    @property
    def center_frequencies(self) -> np.ndarray:
        """(filters,) the frequency, in Hz, that each lets through most."""
        return self.frequencies[self.magnitudes.argmax(axis=1)]

    def plot(self) -> Any:
        """Left each filter's response in decibels, right their centre frequencies."""
        decibels = 20 * np.log10(np.maximum(self.magnitudes, 1e-3))
        count, highest = len(decibels), self.frequencies[-1] / 1000
        drawn = new_figure(9, 4)
        left, right = drawn.subplots(1, 2)
        edges = (-0.5, count - 0.5, 0, highest)
        shown = left.imshow(decibels.T, origin="lower", aspect="auto", extent=edges, cmap="magma", vmin=-40, vmax=0)
        left.set(xlabel="filter, by centre frequency", ylabel="kHz", title=f"{count} filters of {self.samples} samples")
        drawn.colorbar(shown, ax=left, label="dB below its largest")
        right.plot(np.arange(count), self.center_frequencies / 1000, color="#3f51b5")
        right.set(xlabel="filter", ylabel="centre frequency, kHz", xlim=edges[:2], ylim=edges[2:])
        return drawn


def has_waveform_filters(model: Any) -> bool:
    """Whether a model of sound begins with filters on the waveform."""
    return hasattr(model, "sample_rate") and _kernels(model) is not None


def first_layer_kernels(model: Any) -> np.ndarray:
    """The filters of a model's first convolution over samples: (filters, samples) float64.

    Raises:
        KerasRecipesError: the model begins with spectra or cepstra, not with learned filters.
    """
    kernels = _kernels(model)
    if kernels is None:
        raise KerasRecipesError(
            f"{model.name} does not begin with filters on the waveform; palaz_raw and wav2letter_raw do"
        )
    return kernels


def _kernels(model: Any) -> np.ndarray | None:
    convolutions = [getattr(layer, "convolution", layer) for layer in model.layers]
    first = next((c for c in convolutions if getattr(c, "kernel", None) is not None and len(c.kernel.shape) > 2), None)
    shape = () if first is None else tuple(first.kernel.shape)
    # (samples, 1, filters), or (1, samples, 1, filters) where windows lie side by side
    if first is not None and (len(shape) == 3 or shape[:1] == (1,)) and shape[-2] == 1:
        return np.array(first.get_weights()[0], "float64").reshape(-1, shape[-1]).T
    return None


def frequency_responses(kernels: np.ndarray, sample_rate: int, size: int = FFT_SIZE) -> tuple[np.ndarray, np.ndarray]:
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


def filter_responses(model: Any) -> FilterResponses:
    """The responses of a model's first filters.

    Args:
        model: a recogniser on the waveform.

    Raises:
        KerasRecipesError: the model has no such filters.

    Example:
        >>> filter_responses(kerasrecipes.load("palaz_raw_small")).save("filters.png")
    """
    kernels = first_layer_kernels(model)
    return FilterResponses(*frequency_responses(kernels, model.sample_rate), kernels.shape[1])


def save_filter_responses(model: Any, path: str | Path) -> Path:
    """Draw `filter_responses` into a file.

    Args:
        model: a recogniser on the waveform. path: of the picture; its suffix names the format.

    Raises:
        KerasRecipesError: the model has no such filters, or matplotlib is missing.

    Example:
        >>> draw_filters(kerasrecipes.load("palaz_raw_small", weights="mine.weights.h5"), "filters.png")
    """
    picture = filter_responses(model).plot()
    kind = Path(path).suffix[1:].lower()
    if kind not in picture.canvas.get_supported_filetypes():
        raise KerasRecipesError(f"{path}: write a .png, .jpg, .svg or .pdf file")
    return atomic_write(path, lambda file: picture.savefig(file, format=kind, dpi=110))
