"""Wav2Letter's features inside the graph: magnitude spectra, logarithms of mel bands, cepstra (MFCC) and their slopes.

The paper names the features and their framing (arXiv 1609.03193, sections 2.1 and 3); the arithmetic is that of its
authors' Torch package `speech`, which follows HTK. All of it is products with fixed matrices, which any format exports.
"""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, zero_after_length
from kerasrecipes.layers.time_geometry import TimeGeometry


@keras.saving.register_keras_serializable("kerasrecipes")
class MagnitudeSpectrogram(SequenceLayer):
    """`max(|DFT(window * frame)|, floor)` of overlapping frames of the pre-emphasised wave `x[t] - pre_emphasis x[t-1]`.

    What the paper calls the power spectrum: the authors' code takes the magnitude and neither squares nor logarithm.

    Args:
        window: samples of a frame (400 = 25 ms at 16 kHz), weighted by a symmetric Hann window.
        hop: samples between frames (160 = 10 ms).
        size: of the DFT, in samples; frames are extended by zeros.
        pre_emphasis: 0 for none.
        floor: smallest magnitude; the authors' is 1 for samples up to 32768.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, size // 2 + 1), (batch,) with
    frames = (samples - window) // hop + 1.

    Raises:
        ValueError: a frame is longer than the DFT.
    """

    def __init__(self, window=400, hop=160, size=512, pre_emphasis=0.97, floor=1 / 32768, **kwargs):
        super().__init__(**kwargs)
        if window > size:
            raise ValueError(f"A frame of {window} samples does not fit a DFT of {size}")
        self.settings = {"window": window, "hop": hop, "size": size, "pre_emphasis": pre_emphasis, "floor": floor}
        angle = 2 * np.pi * (np.outer(np.arange(window), np.arange(size // 2 + 1)) % size) / size
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / (window - 1))
        kernels = np.concatenate([np.cos(angle), -np.sin(angle)], axis=1) * hann[:, None]
        self.kernels = kernels[:, None, :].astype("float32")  # (window, 1, 2 * bins)
        before = int(pre_emphasis != 0)  # samples in front of a frame, zero before the first
        self.geometry = TimeGeometry(window + before, hop, before)

    def output_feature_shape(self, shape):
        return (self.settings["size"] // 2 + 1,)

    def apply(self, x):
        if self.settings["pre_emphasis"]:  # before the DFT, whose rounding errors grow with the loud low frequencies
            x = x[:, 1:] - self.settings["pre_emphasis"] * x[:, :-1]
        kernels = ops.convert_to_tensor(self.kernels, dtype=x.dtype)
        spectrum = ops.conv(x[..., None], kernels, strides=self.settings["hop"], padding="valid")
        real, imaginary = ops.split(spectrum, 2, axis=-1)
        return ops.sqrt(ops.maximum(ops.square(real) + ops.square(imaginary), self.settings["floor"] ** 2))

    def get_config(self):
        return {**super().get_config(), **self.settings}


def mel_filterbank(filters: int, bins: int, sample_rate: float) -> np.ndarray:
    """Triangles of height 1 whose corners lie evenly on the mel scale 2595 log10(1 + f / 700): (bins, filters) float64.

    Args:
        filters: bands between 0 Hz and half the sample rate. bins: of the spectrum, over the same range.
        sample_rate: in Hz.

    Raises:
        ValueError: a band is so narrow that no bin lies in it.
    """
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, filters + 2) / 2595) - 1)
    frequency = np.linspace(0, sample_rate / 2, bins)[:, None]
    rising = (frequency - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - frequency) / np.diff(corners)[1:]
    bands = np.maximum(np.minimum(rising, falling), 0)
    if not bands.any(axis=0).all():
        raise ValueError(f"{filters} mel bands are too many for {bins} bins: some hold none")
    return bands


@keras.saving.register_keras_serializable("kerasrecipes")
class LogMelSpectrogram(MagnitudeSpectrogram):
    """Twice the logarithm of magnitudes summed in mel bands (the authors' MFSC).

    Args:
        filters: bands. sample_rate: in Hz.
        kwargs: of `MagnitudeSpectrum`.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, filters), (batch,).
    """

    def __init__(self, filters: int = 40, sample_rate: int = 16000, **kwargs):
        super().__init__(**kwargs)
        self.settings |= {"filters": filters, "sample_rate": sample_rate}
        self.bands = mel_filterbank(filters, self.settings["size"] // 2 + 1, sample_rate).astype("float32")

    def output_feature_shape(self, shape):
        return (self.settings["filters"],)

    def apply(self, x):
        magnitudes = super().apply(x)
        return 2 * ops.log(ops.matmul(magnitudes, ops.convert_to_tensor(self.bands, dtype=magnitudes.dtype)))


@keras.saving.register_keras_serializable("kerasrecipes")
class MFCC(LogMelSpectrogram):
    """Mel frequency cepstral coefficients: the first cosine components of the log mel bands, weighted by a sine lifter.

    Args:
        coefficients: how many, with the zeroth (paper: 13).
        filters: mel bands (the authors' 20).
        lifter: L of `1 + L / 2 sin(pi k / L)`, the weight of coefficient k.
        kwargs: of `LogMelBands`.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, coefficients), (batch,).
    """

    def __init__(self, coefficients: int = 13, filters: int = 20, lifter: float = 22.0, **kwargs):
        super().__init__(filters, **kwargs)
        self.settings |= {"coefficients": coefficients, "lifter": lifter}
        k = np.arange(coefficients)
        cosines = np.sqrt(2 / filters) * np.cos(np.pi / filters * np.outer(np.arange(filters) + 0.5, k))
        self.cosines = (cosines * (1 + lifter / 2 * np.sin(np.pi * k / lifter))).astype("float32")

    def output_feature_shape(self, shape):
        return (self.settings["coefficients"],)

    def apply(self, x):
        bands = super().apply(x)
        return ops.matmul(bands, ops.convert_to_tensor(self.cosines, dtype=bands.dtype))


@keras.saving.register_keras_serializable("kerasrecipes")
class Deltas(SequenceLayer):
    """Append each feature's slope over time, and the slope of the slope: `sum_d d (x[t+d] - x[t-d]) / (2 sum_d d^2)`.

    Before the first and behind the last frame of the utterance these frames repeat, as in HTK.

    Args:
        reach: largest d, in frames (the authors' 9).

    Call: `x` (batch, frames, features), `length` (batch,); returns (batch, frames, 3 * features), (batch,).
    """

    whole_utterance = True  # its end must be known: the last frame repeats

    def __init__(self, reach: int = 9, **kwargs):
        super().__init__(**kwargs)
        self.reach = reach

    def output_feature_shape(self, shape):
        return (3 * shape[-1],)

    def slope(self, x, steps, first, last, join):
        """The slope of `x` (..., steps, features) whose ends `first` and `last` repeat; `join` concatenates over time."""
        r = self.reach
        x = join([first] * r + [x] + [last] * r)
        total = sum(d * (x[..., r + d : r + d + steps, :] - x[..., r - d : r - d + steps, :]) for d in range(1, r + 1))
        return total / (r * (r + 1) * (2 * r + 1) / 3)

    def compute(self, x, length, training=None):
        steps = ops.shape(x)[1]
        behind = ops.arange(steps)[None, :, None] >= length[:, None, None]
        end = ops.maximum(length - 1, 0)[:, None, None]
        found = [zero_after_length(x, length)]
        for _ in range(2):
            x = found[-1]
            last = ops.take_along_axis(x, ops.broadcast_to(end, (ops.shape(x)[0], 1, x.shape[2])), axis=1)
            slope = self.slope(ops.where(behind, last, x), steps, x[:, :1], last, lambda v: ops.concatenate(v, axis=1))
            found.append(zero_after_length(slope, length))
        return ops.concatenate(found, axis=-1)

    def over_whole(self, x):
        found = [x]
        for _ in range(2):
            x = found[-1]
            found.append(self.slope(x, len(x), x[:1], x[-1:], np.concatenate).astype("float32"))
        return np.concatenate(found, axis=-1)

    def get_config(self):
        return {**super().get_config(), "reach": self.reach}
