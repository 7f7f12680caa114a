"""Frequency responses of learned filters on the waveform.

Palaz et al. show that such filters become a filter bank (Interspeech 2015 and papers related to arXiv 1312.2137).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.utils.plotting import Figure, new_figure, save_figure

FFT_SIZE = 1024  # samples: 15.6 Hz a bin at 16 kHz


@dataclass(frozen=True)
class FilterResponses(Figure):
    """Frequency responses of a first layer's filters, sorted by center frequency.

    Args:
        frequencies: (bins,) in Hz.
        magnitudes: (filters, bins); the maximum of each filter is 1.
        samples: Length of a filter.
    """

    frequencies: np.ndarray = field(repr=False)
    magnitudes: np.ndarray = field(repr=False)
    samples: int

    @property
    def center_frequencies(self) -> np.ndarray:
        """(filters,) frequency of the maximum, in Hz."""
        return self.frequencies[self.magnitudes.argmax(axis=1)]

    def plot(self) -> Any:
        """Plot each filter's response in decibels on the left and the center frequencies on the right."""
        decibels = 20 * np.log10(np.maximum(self.magnitudes, 1e-3))
        count, highest = len(decibels), self.frequencies[-1] / 1000
        figure = new_figure(9, 4)
        left, right = figure.subplots(1, 2)
        edges = (-0.5, count - 0.5, 0, highest)
        image = left.imshow(decibels.T, origin="lower", aspect="auto", extent=edges, cmap="magma", vmin=-40, vmax=0)
        left.set(xlabel="filter, by center frequency", ylabel="kHz", title=f"{count} filters of {self.samples} samples")
        figure.colorbar(image, ax=left, label="dB below its maximum")
        right.plot(np.arange(count), self.center_frequencies / 1000, color="#3f51b5")
        right.set(xlabel="filter", ylabel="center frequency, kHz", xlim=edges[:2], ylim=edges[2:])
        return figure


def has_waveform_filters(model: Any) -> bool:
    """Return whether an audio model begins with filters on the waveform."""
    return hasattr(model, "sample_rate") and _kernels(model) is not None


def first_layer_kernels(model: Any) -> np.ndarray:
    """Return the filters of a model's first convolution over samples, (filters, samples) float64."""
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
    # (samples, 1, filters), or (1, samples, 1, filters) of a convolution over windows
    if first is not None and (len(shape) == 3 or shape[:1] == (1,)) and shape[-2] == 1:
        return np.array(first.get_weights()[0], "float64").reshape(-1, shape[-1]).T
    return None


def frequency_responses(kernels: np.ndarray, sample_rate: int, size: int = FFT_SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Compute the frequency responses of filters, sorted by center frequency.

    Args:
        kernels: (filters, samples).
        sample_rate: In Hz.
        size: Length of the DFT in samples; at least that of the filters is used.

    Returns:
        Frequencies (bins,) in Hz, and magnitudes (filters, bins) with a maximum of 1 for each filter. Filters of zeros stay
        zero and come first.
    """
    size = max(size, 1 << (kernels.shape[1] - 1).bit_length())
    magnitudes = np.abs(np.fft.rfft(kernels, size, axis=1))
    magnitudes /= np.maximum(magnitudes.max(axis=1, keepdims=True), 1e-30)
    return np.fft.rfftfreq(size, 1 / sample_rate), magnitudes[np.argsort(magnitudes.argmax(axis=1), kind="stable")]


def filter_responses(model: Any) -> FilterResponses:
    """Compute the frequency responses of the first filters of a recognizer on the waveform.

    Raises:
        KerasRecipesError: The model has no such filters.

    Example:
        >>> filter_responses(kerasrecipes.load("palaz_raw_small")).save("filters.png")
    """
    kernels = first_layer_kernels(model)
    return FilterResponses(*frequency_responses(kernels, model.sample_rate), kernels.shape[1])


def save_filter_responses(model: Any, path: str | Path) -> Path:
    """Plot `filter_responses` to a file, whose suffix is the format.

    Raises:
        KerasRecipesError: The model has no such filters, or matplotlib is not installed.

    Example:
        >>> save_filter_responses(kerasrecipes.load("palaz_raw_small", weights="mine.weights.h5"), "filters.png")
    """
    return save_figure(filter_responses(model).plot(), path, dpi=110)
