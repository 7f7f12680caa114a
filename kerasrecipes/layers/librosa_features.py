"""Front ends of public checkpoints whose authors computed features with librosa: log(1 + magnitude), and MFCC with derivatives.

librosa centers frame k at the sample k * hop_length, so half a frame before the first sample and after the last one is filled with
the reflected signal (`librosa.stft` with `center=True`, whose default was reflection until version 0.10).
"""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.mfcc import MagnitudeSpectrogram, triangular_bands
from kerasrecipes.layers.sequence import SequenceLayer, UtteranceStatistics, sequence_mask
from kerasrecipes.layers.spectrogram import UtteranceStandardization, windowed_dft
from kerasrecipes.layers.time_geometry import TimeGeometry

SMALLEST_POWER = 1e-10  # of librosa.power_to_db
HAMMING = 0.54, 0.46
WINDOWS = {"hann": (0.5, 0.5), "hamming": HAMMING, "hamming_symmetric": HAMMING}


def cosine_window(name: str, length: int) -> np.ndarray:
    """Return a window `a - b cos(2 pi n / N)` as float64, with N = length, or length - 1 for a symmetric one.

    Args:
        name: A key of `WINDOWS`.
        length: Number of samples.

    Raises:
        ValueError: There is no such window.
    """
    if name not in WINDOWS:
        raise ValueError(f"There is no window {name!r}: choose one of {', '.join(WINDOWS)}")
    a, b = WINDOWS[name]
    return a - b * np.cos(2 * np.pi * np.arange(length) / (length - name.endswith("_symmetric")))


@keras.saving.register_keras_serializable("kerasrecipes")
class ReflectPadding(SequenceLayer):
    """Add the reflected signal before the first sample and after each item's last sample, as `numpy.pad(mode="reflect")` does.

    Args:
        padding: Samples on each side. They are reflected again and again where an item is shorter.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, samples + 2 * padding), length + 2 * padding. An item
    without samples stays without.
    """

    whole_utterance = True  # the position of the last sample must be known

    def __init__(self, padding: int, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding
        self.numpy_context = padding + 1
        self.geometry = TimeGeometry(1, 1, padding, padding)

    def call_unmasked(self, x, length, training=None):
        position = ops.abs(ops.arange(ops.shape(x)[1] + 2 * self.padding) - self.padding)  # ONNX's remainders of negatives differ
        period = ops.maximum(2 * (ops.cast(length, "int32") - 1), 1)[:, None]
        position = ops.mod(position[None, :], period)
        return ops.take_along_axis(x, ops.minimum(position, period - position), axis=1)

    def call_numpy(self, x, statistics=None):
        return np.pad(x, self.padding, mode="reflect") if len(x) else x


@keras.saving.register_keras_serializable("kerasrecipes")
class Log1pSpectrogram(MagnitudeSpectrogram):
    """`log(1 + |DFT(window * frame)|)` of overlapping frames, as deepspeech.pytorch computes it.

    Args:
        win_length: Samples of a frame, and size of the DFT.
        hop_length: Samples between frames.
        window: "hamming" (periodic), "hamming_symmetric" or "hann".

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, win_length // 2 + 1), (batch,) with
    frames = (samples - win_length) // hop_length + 1.
    """

    def __init__(self, win_length: int = 320, hop_length: int = 160, window: str = "hamming", **kwargs):
        options = {"n_fft": win_length, "pre_emphasis": 0.0, "epsilon": 1e-10}
        super().__init__(win_length, hop_length, **{**options, **kwargs})
        self.window = window
        self.kernels = windowed_dft(cosine_window(window, win_length), win_length)

    def call_padded(self, x):
        return ops.log(super().call_padded(x) + 1.0)  # ONNX has no log1p


def slaney_filterbank(n_mels: int, bins: int, sample_rate: float) -> np.ndarray:
    """Return the triangles of `librosa.filters.mel`, whose areas are equal.

    The mel scale of Slaney's Auditory Toolbox is linear up to 1,000 Hz and logarithmic above.

    Args:
        n_mels: Number of bands between 0 Hz and half the sample rate.
        bins: Number of bins of the spectrum over the same range.
        sample_rate: In Hz.

    Returns:
        (bins, n_mels) float64.
    """
    width, corner, step = 200 / 3, 1000.0, np.log(6.4) / 27  # a mel is 66.7 Hz below the corner and 7 % of a frequency above
    top = sample_rate / 2
    top_mel = top / width if top < corner else corner / width + np.log(top / corner) / step
    mels = np.linspace(0, top_mel, n_mels + 2)
    corners = np.where(mels < corner / width, width * mels, corner * np.exp(step * (mels - corner / width)))
    frequency = np.linspace(0, top, bins)[:, None]
    return triangular_bands(frequency, corners) * 2 / (corners[2:] - corners[:-2])


@keras.saving.register_keras_serializable("kerasrecipes")
class DecibelMelSpectrogram(Log1pSpectrogram):
    """Powers summed over Slaney's mel bands, in decibels: `10 log10(max(power, 1e-10))`, as in librosa.

    Args:
        n_mels: Number of mel bands.
        sample_rate: In Hz.
        win_length: Samples of a frame, and size of the DFT.
        hop_length: Samples between frames.
        window: As in `Log1pSpectrogram`.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, n_mels), (batch,).
    """

    def __init__(self, n_mels=128, sample_rate=16000, win_length=512, hop_length=160, window="hann", **kwargs):
        super().__init__(win_length, hop_length, window, **kwargs)
        self.n_mels, self.sample_rate = n_mels, sample_rate
        self.bands = slaney_filterbank(n_mels, win_length // 2 + 1, sample_rate).astype("float32")

    def output_feature_shape(self, shape):
        return (self.n_mels,)

    def call_padded(self, x):
        power = ops.square(MagnitudeSpectrogram.call_padded(self, x))
        bands = ops.matmul(power, ops.convert_to_tensor(self.bands, dtype=power.dtype))
        return ops.log(ops.maximum(bands, SMALLEST_POWER)) * (10 / np.log(10))


@keras.saving.register_keras_serializable("kerasrecipes")
class DecibelMFCC(SequenceLayer):
    """The first cosine components of mel bands in decibels, at most 80 dB below the loudest band of the utterance.

    Args:
        n_mfcc: Number of coefficients, the zeroth included.
        top_db: Range below the loudest value, in decibels.

    Call: `x` (batch, frames, bands), `length` (batch,); returns (batch, frames, n_mfcc), (batch,).
    """

    whole_utterance = needs_statistics = True

    def __init__(self, n_mfcc: int = 13, top_db: float = 80.0, **kwargs):
        super().__init__(**kwargs)
        self.n_mfcc, self.top_db = n_mfcc, top_db

    def output_feature_shape(self, shape):
        return (self.n_mfcc,)

    def cosines(self, n_mels: int) -> np.ndarray:
        """Return the orthonormal cosine transform (n_mels, n_mfcc) as float32."""
        k = np.arange(self.n_mfcc)
        cosines = np.cos(np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, k)) * np.sqrt(np.where(k, 2, 1) / n_mels)
        return cosines.astype("float32")

    def call_unmasked(self, x, length, training=None):
        silence = 10 * np.log10(SMALLEST_POWER)  # no valid value is below it
        valid = ops.where(sequence_mask(x, length)[:, :, None], x, ops.full((), silence, dtype=x.dtype))
        x = ops.maximum(x, ops.max(valid, axis=(1, 2), keepdims=True) - self.top_db)
        return ops.matmul(x, ops.convert_to_tensor(self.cosines(x.shape[-1]), dtype=x.dtype))

    def call_numpy(self, x, statistics=None):
        maximum = np.float32((statistics or UtteranceStatistics.of(x)).maximum)
        return np.maximum(x, maximum - np.float32(self.top_db)) @ self.cosines(x.shape[-1])


@keras.saving.register_keras_serializable("kerasrecipes")
class SavitzkyGolayDeltas(SequenceLayer):
    """Append each feature's first and second derivative: those of a line and a parabola fitted to the frames around.

    Within half a window of the ends, the derivative of the first or last whole window is repeated, as in `librosa.feature.delta`.
    Utterances shorter than a window have zeros, where librosa raises an error.

    Args:
        width: Frames of the window, an odd number.

    Call: `x` (batch, frames, features), `length` (batch,); returns (batch, frames, 3 * features), (batch,).
    """

    whole_utterance = True  # the last window's place must be known

    def __init__(self, width: int = 9, **kwargs):
        super().__init__(**kwargs)
        self.width = self.numpy_context = width
        time = np.arange(width) - width // 2
        fits = [np.linalg.pinv(np.vander(time, order + 1, increasing=True))[order] * order for order in (1, 2)]
        self.kernels = np.stack(fits).astype("float32")  # (2, width), where factorials of 1 and 2 are 1 and 2

    def output_feature_shape(self, shape):
        return (3 * shape[-1],)

    def call_unmasked(self, x, length, training=None):
        steps, half = ops.shape(x)[1], self.width // 2
        padded = ops.pad(x, ((0, 0), (half, half), (0, 0)))
        shifted = [padded[:, k : k + steps] for k in range(self.width)]
        length = ops.cast(length, "int32")[:, None, None]
        position = ops.minimum(ops.maximum(ops.arange(steps)[None, :, None], half), ops.maximum(length - half - 1, half))
        position = ops.broadcast_to(ops.minimum(position, steps - 1), ops.shape(x))
        whole = ops.cast(length >= self.width, x.dtype)
        features = [x]
        for kernel in self.kernels:
            derivative = sum(float(weight) * frame for weight, frame in zip(kernel, shifted, strict=True))
            features.append(whole * ops.take_along_axis(derivative, position, axis=1))
        return ops.concatenate(features, axis=-1)

    def call_numpy(self, x, statistics=None):
        if len(x) < self.width:
            return np.concatenate([x, np.zeros_like(x), np.zeros_like(x)], axis=-1)
        half = self.width // 2
        windows = np.lib.stride_tricks.sliding_window_view(x, self.width, axis=0)  # (frames - width + 1, features, width)
        ends = ((half, half), (0, 0))
        return np.concatenate([x, *(np.pad(windows @ kernel, ends, mode="edge") for kernel in self.kernels)], axis=-1)


@keras.saving.register_keras_serializable("kerasrecipes")
class BlockStandardization(UtteranceStandardization):
    """Standardize equal blocks of features, each with one mean and one deviation for the utterance.

    Args:
        blocks: Number of blocks.
        kwargs: Arguments of `UtteranceStandardization`.

    Call: `x` (batch, frames, features), `length` (batch,).
    """

    def __init__(self, blocks: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.blocks = blocks

    def call_unmasked(self, x, length, training=None):
        parts = ops.split(x, self.blocks, axis=-1)
        return ops.concatenate([super(BlockStandardization, self).call_unmasked(part, length) for part in parts], axis=-1)

    def call_numpy(self, x, statistics=None):
        parts = zip(np.split(x, self.blocks, axis=-1), (statistics or UtteranceStatistics.of(x)).split(self.blocks), strict=True)
        return np.concatenate([super(BlockStandardization, self).call_numpy(*part) for part in parts], axis=-1)
