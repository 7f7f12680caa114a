"""Wav2Letter's features inside the graph: magnitude spectrograms, log-mel spectrograms, MFCC and their deltas.

The paper names the features and their framing (arXiv 1609.03193, sections 2.1 and 3). The formulas are those of its
authors' Torch package `speech`, which follows HTK. All are products with fixed matrices, which every format exports.
"""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, zero_after_length
from kerasrecipes.layers.spectrogram import mel_frequencies, windowed_dft
from kerasrecipes.layers.time_geometry import TimeGeometry

SMALLEST_MAGNITUDE = 1e-18  # its square is a normal number of float32, and the derivative of the root stays finite
SMALLEST_ENERGY = 1e-12  # of a band, before the logarithm
LOWEST_FREQUENCY = 20.0  # in Hz: the first corner of TensorFlow's bands


@keras.saving.register_keras_serializable("kerasrecipes")
class MagnitudeSpectrogram(SequenceLayer):
    """`max(|DFT(window * frame)|, epsilon)` of overlapping frames of the signal `x[t] - pre_emphasis x[t-1]`.

    The paper calls it the power spectrum; the authors' code takes the magnitude, without square or logarithm.

    Args:
        win_length: Samples of a frame (400 = 25 ms at 16 kHz), weighted by a symmetric Hann window.
        hop_length: Samples between frames (160 = 10 ms).
        n_fft: Size of the DFT in samples; frames are extended by zeros.
        pre_emphasis: Factor of the previous sample, 0 for none.
        epsilon: Smallest magnitude; the authors use 1 for samples up to 32768.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, n_fft // 2 + 1), (batch,) with
    frames = (samples - win_length) // hop_length + 1.

    Raises:
        ValueError: A frame is longer than the DFT.
    """

    def __init__(self, win_length=400, hop_length=160, n_fft=512, pre_emphasis=0.97, epsilon=1 / 32768, **kwargs):
        super().__init__(**kwargs)
        if win_length > n_fft:
            raise ValueError(f"A frame of {win_length} samples does not fit a DFT of {n_fft}")
        self.win_length, self.hop_length, self.n_fft = win_length, hop_length, n_fft
        self.pre_emphasis, self.epsilon = pre_emphasis, epsilon
        self.kernels = windowed_dft(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_length) / (win_length - 1)), n_fft)
        before = int(pre_emphasis != 0)  # samples before a frame, zero before the first one
        self.geometry = TimeGeometry(win_length + before, hop_length, before)

    def output_feature_shape(self, shape):
        return (self.n_fft // 2 + 1,)

    def call_padded(self, x):
        if self.pre_emphasis:  # before the DFT, whose rounding errors grow with the loud low frequencies
            x = x[:, 1:] - self.pre_emphasis * x[:, :-1]
        kernels = ops.convert_to_tensor(self.kernels, dtype=x.dtype)
        spectrum = ops.conv(ops.expand_dims(x, -1), kernels, strides=self.hop_length, padding="valid")
        real, imaginary = ops.split(spectrum, 2, axis=-1)
        return ops.sqrt(ops.maximum(ops.square(real) + ops.square(imaginary), self.epsilon**2))


def triangular_bands(position: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the heights at positions (n, 1) of triangles of height 1 over each three neighboring corners: (n, corners - 2)."""
    rising = (position - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - position) / np.diff(corners)[1:]
    return np.maximum(np.minimum(rising, falling), 0)


def mel_filterbank(n_mels: int, bins: int, sample_rate: float) -> np.ndarray:
    """Return triangles of height 1 whose corners are evenly spaced on the mel scale 2595 log10(1 + f / 700).

    Args:
        n_mels: Number of bands between 0 Hz and half the sample rate.
        bins: Number of bins of the spectrum over the same range.
        sample_rate: In Hz.

    Returns:
        (bins, n_mels) float64.

    Raises:
        ValueError: A band is so narrow that it contains no bin.
    """
    corners = mel_frequencies(n_mels, sample_rate)
    frequency = np.linspace(0, sample_rate / 2, bins)[:, None]
    bands = triangular_bands(frequency, corners)
    if not bands.any(axis=0).all():
        raise ValueError(f"{n_mels} mel bands are too many for {bins} bins: some bands contain no bin")
    return bands


@keras.saving.register_keras_serializable("kerasrecipes")
class LogMelSpectrogram(MagnitudeSpectrogram):
    """Twice the logarithm of magnitudes summed over mel bands (the authors' MFSC).

    Args:
        n_mels: Number of mel bands.
        sample_rate: In Hz.
        kwargs: Arguments of `MagnitudeSpectrogram`.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, n_mels), (batch,).
    """

    def __init__(self, n_mels: int = 40, sample_rate: int = 16000, **kwargs):
        super().__init__(**kwargs)
        self.n_mels, self.sample_rate = n_mels, sample_rate
        self.bands = mel_filterbank(n_mels, self.n_fft // 2 + 1, sample_rate).astype("float32")

    def output_feature_shape(self, shape):
        return (self.n_mels,)

    def call_padded(self, x):
        magnitudes = super().call_padded(x)
        return 2 * ops.log(ops.matmul(magnitudes, ops.convert_to_tensor(self.bands, dtype=magnitudes.dtype)))


@keras.saving.register_keras_serializable("kerasrecipes")
class MFCC(LogMelSpectrogram):
    """Mel frequency cepstral coefficients: the first cosine components of the log mel bands, weighted by a sine lifter.

    Args:
        n_mfcc: Number of coefficients, the zeroth included (paper: 13).
        n_mels: Number of mel bands (the authors' 20).
        lifter: L of `1 + L / 2 sin(pi k / L)`, the weight of coefficient k.
        kwargs: Arguments of `LogMelSpectrogram`.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, n_mfcc), (batch,).
    """

    def __init__(self, n_mfcc: int = 13, n_mels: int = 20, lifter: float = 22.0, **kwargs):
        super().__init__(n_mels, **kwargs)
        self.n_mfcc, self.lifter = n_mfcc, lifter
        k = np.arange(n_mfcc)
        cosines = np.sqrt(2 / n_mels) * np.cos(np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, k))
        self.cosines = (cosines * (1 + lifter / 2 * np.sin(np.pi * k / lifter))).astype("float32")

    def output_feature_shape(self, shape):
        return (self.n_mfcc,)

    def call_padded(self, x):
        bands = super().call_padded(x)
        return ops.matmul(bands, ops.convert_to_tensor(self.cosines, dtype=bands.dtype))


def tensorflow_mel_filterbank(n_mels: int, bins: int, sample_rate: float) -> np.ndarray:
    """Return triangles of height 1 between 20 Hz and half the sample rate, whose sides are straight over log(1 + f / 700).

    Args:
        n_mels: Number of bands.
        bins: Number of bins of the spectrum from 0 Hz to half the sample rate.
        sample_rate: In Hz.

    Returns:
        (bins, n_mels) float64. A band that is narrower than a bin may be empty.
    """
    corners = np.linspace(np.log1p(LOWEST_FREQUENCY / 700), np.log1p(sample_rate / 1400), n_mels + 2)
    frequency = np.linspace(0, sample_rate / 2, bins)
    mel = np.log1p(frequency / 700)[:, None]
    first = int(1.5 + LOWEST_FREQUENCY / frequency[1])  # TensorFlow leaves out the bin next to 20 Hz, too
    return triangular_bands(mel, corners) * (np.arange(bins) >= first)[:, None]


@keras.saving.register_keras_serializable("kerasrecipes")
class TensorFlowMFCC(MagnitudeSpectrogram):
    """Mel frequency cepstral coefficients of TensorFlow's operations `audio_spectrogram` and `mfcc`, which Mozilla DeepSpeech reads.

    The window is a periodic Hann window. Magnitudes (not their squares) are summed over the bands. There is no lifter.

    Args:
        n_mfcc: Number of coefficients, the zeroth included (Mozilla DeepSpeech: 26).
        n_mels: Number of mel bands (TensorFlow's default: 40).
        win_length: Samples of a frame (512 = 32 ms at 16 kHz). The DFT has the next power of two.
        hop_length: Samples between frames (320 = 20 ms at 16 kHz).
        sample_rate: In Hz.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, n_mfcc), (batch,).

    Raises:
        ValueError: There are more coefficients than bands.
    """

    def __init__(self, n_mfcc=26, n_mels=40, win_length=512, hop_length=320, sample_rate=16000, **kwargs):
        if n_mfcc > n_mels:
            raise ValueError(f"{n_mels} mel bands have no {n_mfcc} coefficients: choose at most as many coefficients as bands")
        n_fft = 1 << (win_length - 1).bit_length()
        options = {"n_fft": n_fft, "pre_emphasis": 0.0, "epsilon": SMALLEST_MAGNITUDE}
        super().__init__(win_length, hop_length, **{**options, **kwargs})
        self.n_mfcc, self.n_mels, self.sample_rate = n_mfcc, n_mels, sample_rate
        self.kernels = windowed_dft(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_length) / win_length), self.n_fft)
        self.bands = tensorflow_mel_filterbank(n_mels, self.n_fft // 2 + 1, sample_rate).astype("float32")
        cosines = np.cos(np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, np.arange(n_mfcc)))
        self.cosines = (np.sqrt(2 / n_mels) * cosines).astype("float32")

    def output_feature_shape(self, shape):
        return (self.n_mfcc,)

    def call_padded(self, x):
        energies = ops.matmul(super().call_padded(x), ops.convert_to_tensor(self.bands, dtype=x.dtype))
        logs = ops.log(ops.maximum(energies, SMALLEST_ENERGY))
        return ops.matmul(logs, ops.convert_to_tensor(self.cosines, dtype=logs.dtype))


@keras.saving.register_keras_serializable("kerasrecipes")
class Deltas(SequenceLayer):
    """Append each feature's first and second derivative over time: `sum_d d (x[t+d] - x[t-d]) / (2 sum_d d^2)`.

    The first and last frame of the utterance repeat beyond its ends, as in HTK.

    Args:
        delta_width: Largest d, in frames (the authors' 9).

    Call: `x` (batch, frames, features), `length` (batch,); returns (batch, frames, 3 * features), (batch,).
    """

    whole_utterance = True  # the last frame repeats, so its position must be known

    def __init__(self, delta_width: int = 9, **kwargs):
        super().__init__(**kwargs)
        self.delta_width, self.numpy_context = delta_width, 2 * delta_width

    def output_feature_shape(self, shape):
        return (3 * shape[-1],)

    def delta(self, x, steps, first, last, concatenate):
        """Return the derivative of `x` (..., steps, features), whose ends `first` and `last` repeat."""
        w = self.delta_width
        x = concatenate([first] * w + [x] + [last] * w)
        total = sum(d * (x[..., w + d : w + d + steps, :] - x[..., w - d : w - d + steps, :]) for d in range(1, w + 1))
        return total / (w * (w + 1) * (2 * w + 1) / 3)

    def call_unmasked(self, x, length, training=None):
        steps = ops.shape(x)[1]
        after = ops.arange(steps)[None, :, None] >= length[:, None, None]
        end = ops.maximum(length - 1, 0)[:, None, None]
        features = [zero_after_length(x, length)]
        for _ in range(2):
            x = features[-1]
            last = ops.take_along_axis(x, ops.broadcast_to(end, (ops.shape(x)[0], 1, x.shape[2])), axis=1)
            delta = self.delta(ops.where(after, last, x), steps, x[:, :1], last, lambda v: ops.concatenate(v, axis=1))
            features.append(zero_after_length(delta, length))
        return ops.concatenate(features, axis=-1)

    def call_numpy(self, x, statistics=None):
        features = [x]
        for _ in range(2):
            x = features[-1]
            features.append(self.delta(x, len(x), x[:1], x[-1:], np.concatenate).astype("float32"))
        return np.concatenate(features, axis=-1)
