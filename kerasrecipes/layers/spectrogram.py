"""Deep Speech 2's front end inside the graph: audio -> power-normalized log spectrogram, normalized per utterance.

Paper: "log-spectrograms of power normalized audio clips, calculated on 20 ms windows" (arXiv 1512.02595, section 3.1).
The discrete Fourier transform is a convolution with windowed cosine and sine kernels, which every format exports.
"""

import math

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, UtteranceStatistics, zero_after_length
from kerasrecipes.layers.time_geometry import TimeGeometry


def mel_frequencies(n_mels: int, sample_rate: float) -> np.ndarray:
    """Return the corners of mel bands in Hz: (n_mels + 2,), evenly spaced on the scale 2595 log10(1 + f / 700) up to half the rate.

    Args:
        n_mels: Number of bands. The centers are the corners without the first and the last.
        sample_rate: Sample rate of the audio in Hz.
    """
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    return 700 * (10 ** (np.linspace(0, top, n_mels + 2) / 2595) - 1)


def windowed_dft(window: np.ndarray, n_fft: int) -> np.ndarray:
    """Return the kernels of a convolution that computes the discrete Fourier transform of windowed frames.

    Args:
        window: Weights of the samples of a frame.
        n_fft: Size of the transform in samples. Shorter frames are extended by zeros.

    Returns:
        (window length, 1, 2 * bins) float32: the cosines of the n_fft // 2 + 1 bins, then their negative sines.
    """
    # sample * bin is reduced modulo the size before it becomes an angle: exact to the last bit of a double
    angle = 2 * np.pi * (np.outer(np.arange(len(window)), np.arange(n_fft // 2 + 1)) % n_fft) / n_fft
    kernels = np.concatenate([np.cos(angle), -np.sin(angle)], axis=1) * window[:, None]
    return kernels[:, None, :].astype("float32")


def masked_mean(x, length, axes=(1,)):
    """Return the mean of `x` (batch, steps, ...) over valid steps and further `axes`, which stay with size 1.

    The weights are float32: the counts exceed what 16 bits hold.
    """
    weight = ops.cast(ops.maximum(length, 1), "float32")
    for _ in range(len(x.shape) - 1):
        weight = ops.expand_dims(weight, -1)
    others = 1
    for axis in axes:
        others *= 1 if axis == 1 else x.shape[axis]
    return ops.sum(x, axis=axes, keepdims=True) / (weight * others)


@keras.saving.register_keras_serializable("kerasrecipes")
class UtterancePowerNormalization(SequenceLayer):
    """Scale each clip to unit power over its valid samples: `x / sqrt(mean(x^2) + epsilon)`.

    Args:
        epsilon: Power below which a clip counts as silence and is not amplified.

    Call: `audio` (batch, samples) float, `length` (batch,) integer; returns the same shapes, zero after each length.
    """

    whole_utterance = needs_statistics = True

    def __init__(self, epsilon: float = 1e-8, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call_unmasked(self, x, length, training=None):
        x = zero_after_length(ops.cast(x, "float32"), length)
        return ops.cast(x / ops.sqrt(masked_mean(ops.square(x), length) + self.epsilon), self.compute_dtype)

    def call_numpy(self, x, statistics=None):
        statistics = statistics or UtteranceStatistics.of(x)
        return (x / np.sqrt(statistics.squares / max(statistics.count, 1) + self.epsilon)).astype("float32")


@keras.saving.register_keras_serializable("kerasrecipes")
class LogSpectrogram(SequenceLayer):
    """`log(|DFT(window * frame)|^2 + epsilon)` of overlapping frames, without padding.

    Frame k covers the samples k * hop_length ... k * hop_length + win_length - 1.

    Args:
        win_length: Samples of a frame (320 = 20 ms at 16 kHz), weighted by a periodic Hann window; also the DFT's size.
        hop_length: Samples between frames (160 = 10 ms).
        epsilon: Added to the power before the natural logarithm; at unit power a bin's mean power is `sum(window^2)`.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, win_length // 2 + 1), (batch,) with
    frames = (samples - win_length) // hop_length + 1.
    """

    def __init__(self, win_length: int = 320, hop_length: int = 160, epsilon: float = 1e-2, **kwargs):
        super().__init__(**kwargs)
        self.win_length, self.hop_length, self.epsilon = win_length, hop_length, epsilon
        self.geometry = TimeGeometry(win_length, hop_length)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_length) / win_length)
        self.kernels = windowed_dft(hann, win_length)

    def output_feature_shape(self, shape):
        return (self.win_length // 2 + 1,)

    def power(self, x):
        """Return |DFT|^2 of each windowed frame: (batch, frames, win_length // 2 + 1)."""
        kernels = ops.convert_to_tensor(self.kernels, dtype=x.dtype)
        spectrum = ops.conv(ops.expand_dims(x, -1), kernels, strides=self.hop_length, padding="valid")
        real, imaginary = ops.split(spectrum, 2, axis=-1)
        return ops.square(real) + ops.square(imaginary)

    def call_padded(self, x):
        return ops.log(self.power(x) + self.epsilon)


@keras.saving.register_keras_serializable("kerasrecipes")
class UtteranceNormalization(SequenceLayer):
    """Subtract each bin's mean over the utterance. Divide by the standard deviation of the whole utterance.

    All bins share one deviation, so that silent bins (above the band of a telephone recording) stay at zero instead of
    being amplified. Statistics cover valid frames only.

    Args:
        epsilon: Added to the variance.

    Call: `x` (batch, frames, bins), `length` (batch,).
    """

    whole_utterance = needs_statistics = True

    def __init__(self, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call_unmasked(self, x, length, training=None):
        x = ops.cast(x, "float32")
        centered = zero_after_length(x - masked_mean(x, length), length)
        scale = ops.sqrt(masked_mean(ops.square(centered), length, (1, 2)) + self.epsilon)
        return ops.cast(centered / scale, self.compute_dtype)

    def call_numpy(self, x, statistics=None):
        statistics = statistics or UtteranceStatistics.of(x)
        mean = statistics.mean()
        variance = statistics.deviations(mean) / max(statistics.count * mean.size, 1)
        return (x - mean.astype("float32")) / np.float32(np.sqrt(variance + self.epsilon))


@keras.saving.register_keras_serializable("kerasrecipes")
class UtteranceStandardization(SequenceLayer):
    """Subtract the mean of all valid values of an utterance and divide by their standard deviation.

    All features share one mean and one deviation: "normalized (mean 0, std 1) per input sequence", as the authors of
    Wav2Letter coded it (arXiv 1609.03193, section 3).

    Args:
        epsilon: Added to the variance.
        ddof: 1 divides by the number of values minus 1 in the variance, as torch's `std` does. Default: 0.

    Call: `x` (batch, samples) or (batch, frames, features), `length` (batch,).
    """

    whole_utterance = needs_statistics = True

    def __init__(self, epsilon: float = 1e-8, ddof: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.epsilon, self.ddof = epsilon, ddof

    def call_unmasked(self, x, length, training=None):
        x, axes = ops.cast(x, "float32"), tuple(range(1, len(x.shape)))
        centered = zero_after_length(x - masked_mean(zero_after_length(x, length), length, axes), length)
        variance = masked_mean(ops.square(centered), length, axes)
        if self.ddof:
            count = ops.cast(ops.maximum(length, 1), "float32") * math.prod(x.shape[2:])
            count = ops.reshape(count, (-1, *(1 for _ in axes)))
            variance = variance * (count / ops.maximum(count - self.ddof, 1.0))
        scale = ops.sqrt(variance + self.epsilon)
        return ops.cast(centered / scale, self.compute_dtype)

    def call_numpy(self, x, statistics=None):
        statistics = statistics or UtteranceStatistics.of(x)
        mean, size = np.mean(statistics.mean()), statistics.count * statistics.total.size
        variance = statistics.deviations(mean) / max(size - self.ddof, 1)
        return (x - np.float32(mean)) / np.float32(np.sqrt(variance + self.epsilon))
