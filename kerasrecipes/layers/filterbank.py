"""Energies in bands: Deep Speech's linearly spaced ones, normalized by the training set, and OpenSeq2Seq's mel bands."""

from dataclasses import replace

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, zero_after_length
from kerasrecipes.layers.spectrogram import LogSpectrogram, mel_frequencies, windowed_dft
from kerasrecipes.layers.time_geometry import TimeGeometry

SMALLEST_ENERGY = float(np.finfo("float64").eps)  # of a band in python_speech_features, before the logarithm
SMALLEST_POWER = 1e-30  # of a bin
PEAK = 32767.0  # of 16-bit samples
SMALLEST_PEAK = 1e-30  # of an utterance, which is silent below it
BLOCK_FRAMES = 4096  # in memory at once, where numpy computes a spectrum


@keras.saving.register_keras_serializable("kerasrecipes")
class LinearFilterBank(LogSpectrogram):
    """Log energies in linearly spaced triangular bands (arXiv 1412.5567, section 5: 80 or 160 bands).

    Band i rises from center i - 1 to center i and falls to center i + 1. The centers are spaced evenly between 0 Hz and
    half the sample rate, both excluded.

    Args:
        n_filter: Number of bands.
        win_length: Samples of a frame.
        hop_length: Samples between frames.
        epsilon: Added to the energies before the logarithm.
        energy: Add the log energy of the whole frame as one more feature (section 5.1).

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, n_filter [+ 1]), (batch,).
    """

    def __init__(self, n_filter=160, win_length=320, hop_length=160, epsilon=1e-2, energy=False, **kwargs):
        super().__init__(win_length, hop_length, epsilon, **kwargs)
        self.n_filter, self.energy = n_filter, energy
        bins = np.arange(win_length // 2 + 1)
        centers = np.linspace(0, win_length / 2, n_filter + 2)
        width = centers[1] - centers[0]
        bands = np.maximum(0.0, 1 - np.abs(bins[:, None] - centers[None, 1:-1]) / max(width, 1.0))
        if energy:
            bands = np.concatenate([bands, np.ones((len(bins), 1))], axis=1)
        self.bands = bands.astype("float32")  # (win_length // 2 + 1, n_filter [+ 1])

    def output_feature_shape(self, shape):
        return (self.n_filter + bool(self.energy),)

    def call_padded(self, x):
        energies = ops.matmul(self.power(x), ops.convert_to_tensor(self.bands, dtype=x.dtype))
        return ops.log(energies + self.epsilon)


@keras.saving.register_keras_serializable("kerasrecipes")
class FeatureNormalization(SequenceLayer):
    """Subtract each feature's mean over the training set and divide by its deviation (arXiv 1412.5567, section 5.2).

    Training updates moving averages of both and normalizes by their current values.

    Args:
        momentum: Weight of the old averages in an update.
        epsilon: Added to the variance.

    Call: `x` (batch, frames, features), `length` (batch,).
    """

    def __init__(self, momentum: float = 0.999, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, x_shape, length_shape=None):
        def add(name, shape):
            return self.add_weight(shape, "zeros", name=name, trainable=False, autocast=False)

        self.sums, self.squares = add("sums", x_shape[-1:]), add("squares", x_shape[-1:])
        self.weight = add("weight", (1,))

    def call_unmasked(self, x, length, training=None):
        if training and self.trainable:
            x = ops.cast(x, "float32")
            count = ops.maximum(ops.cast(ops.sum(ops.minimum(length, ops.shape(x)[1])), "float32"), 1.0)
            valid, new = zero_after_length(x, length), 1 - self.momentum
            self.sums.assign(self.sums * self.momentum + new * ops.sum(valid, axis=(0, 1)) / count)
            self.squares.assign(self.squares * self.momentum + new * ops.sum(ops.square(valid), axis=(0, 1)) / count)
            self.weight.assign(self.weight * self.momentum + new)
        return self.call_padded(x)

    def call_padded(self, x):
        weight = ops.maximum(self.weight, 1e-12)
        mean = self.sums / weight
        variance = ops.where(self.weight > 0, self.squares / weight - ops.square(mean), 1.0)
        return (ops.cast(x, "float32") - mean) / ops.sqrt(ops.maximum(variance, 0.0) + self.epsilon)


def integer_mel_filterbank(n_mels: int, n_fft: int, sample_rate: float) -> np.ndarray:
    """Return triangles whose corners are evenly spaced on the mel scale and rounded down to bins of the DFT.

    Args:
        n_mels: Number of bands between 0 Hz and half the sample rate.
        n_fft: Size of the DFT in samples.
        sample_rate: In Hz.

    Returns:
        (n_fft // 2 + 1, n_mels) float64. Bands narrower than a bin are empty, or begin with their highest value.
    """
    frequency = mel_frequencies(n_mels, sample_rate)
    corners = np.floor((n_fft + 1) * frequency / sample_rate)
    bins, width = np.arange(n_fft // 2 + 1)[:, None], np.maximum(np.diff(corners), 1)
    rising = (bins - corners[:-2]) / width[:-1]
    falling = (corners[2:] - bins) / width[1:]
    return np.maximum(np.where(bins < corners[1:-1], rising, falling), 0)


class QuantizedSpectrogram(SequenceLayer):
    """Base class of features of 16-bit samples whose peak is 32767, as OpenSeq2Seq 18.09 and python_speech_features compute them.

    Samples are scaled by the peak of the utterance, lose their fractions, and are pre-emphasized. Zeros are added at the end until
    the number of frames is a multiple of `multiple`, and count as part of the utterance. Subclasses define `log_features`.

    Args:
        win_length: Samples of a frame.
        hop_length: Samples between frames.
        n_fft: Size of the DFT in samples; frames are extended by zeros.
        pre_emphasis: Factor of the previous sample, 0 for none.
        multiple: Number of frames whose multiples are computed.
    """

    whole_utterance = True  # its peak, and the end where zeros are added

    def __init__(self, win_length: int, hop_length: int, n_fft: int, pre_emphasis: float, multiple: int, **kwargs):
        super().__init__(**kwargs)
        self.win_length, self.hop_length, self.n_fft = win_length, hop_length, n_fft
        self.pre_emphasis, self.multiple = pre_emphasis, multiple
        self.geometry = TimeGeometry(win_length, hop_length, 0, hop_length - 1, multiple)
        self.window = self.make_window()
        self.kernels = windowed_dft(self.window, n_fft)

    def make_window(self) -> np.ndarray:
        """Return the weights of a frame's samples. Default: 1."""
        return np.ones(self.win_length)

    def log_features(self, power, backend):
        """Return the features of powers (..., n_fft // 2 + 1). `backend` is numpy or `keras.ops`."""
        raise NotImplementedError

    def end_of_emphasis(self, length):
        """Return after how many samples the emphasized signal is zero.

        That program adds whole multiples of frames before it emphasizes, so that one more sample differs from zero, and completes
        the last frame after it.
        """
        frames = replace(self.geometry, multiple=1).output_length(length)
        return length + (frames % self.multiple + self.multiple - 1) // self.multiple

    def call_unmasked(self, x, length, training=None):
        x, length = ops.cast(x, "float32"), ops.cast(length, "int32")
        frames = self.geometry.output_length(ops.shape(x)[1])
        x = zero_after_length(x, length)
        x = x / ops.maximum(ops.max(ops.abs(x), axis=1, keepdims=True), SMALLEST_PEAK) * PEAK
        x = ops.sign(x) * ops.floor(ops.abs(x))
        x = ops.pad(x, ((0, 0), (1, self.win_length + self.multiple * self.hop_length)))
        x = zero_after_length(x[:, 1:] - self.pre_emphasis * x[:, :-1], self.end_of_emphasis(length))
        spectrum = ops.conv(x[..., None], ops.convert_to_tensor(self.kernels), strides=self.hop_length, padding="valid")
        real, imaginary = ops.split(spectrum[:, :frames], 2, axis=-1)
        power = (ops.square(real) + ops.square(imaginary)) / self.n_fft
        return ops.cast(self.log_features(power, ops), self.compute_dtype)

    def call_numpy(self, x):
        frames, x = self.geometry.output_length(len(x)), x.astype("float32")
        x = np.trunc(x / max(np.abs(x).max(initial=0), SMALLEST_PEAK) * np.float32(PEAK))
        end, total = int(self.end_of_emphasis(len(x))), self.win_length + self.multiple * self.hop_length
        x = np.pad(x, (1, total)).astype("float64")
        x = x[1:] - self.pre_emphasis * x[:-1]
        x[end:] = 0
        windows = np.lib.stride_tricks.sliding_window_view(x, self.win_length)[:: self.hop_length][:frames]
        features = []
        for start in range(0, max(frames, 1), BLOCK_FRAMES):
            spectrum = np.fft.rfft(windows[start : start + BLOCK_FRAMES] * self.window, self.n_fft)
            features.append(self.log_features(np.square(np.abs(spectrum)) / self.n_fft, np).astype("float32"))
        return np.concatenate(features)


@keras.saving.register_keras_serializable("kerasrecipes")
class QuantizedLogMelSpectrogram(QuantizedSpectrogram):
    """Log energies in mel bands, as OpenSeq2Seq computes them for Wave2Letter+. Frames have no window.

    Args:
        n_mels: Number of mel bands.
        sample_rate: In Hz.
        win_length: Samples of a frame (320 = 20 ms at 16 kHz).
        hop_length: Samples between frames.
        n_fft: Size of the DFT in samples.
        pre_emphasis: Factor of the previous sample.
        multiple: Number of frames whose multiples are computed.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, n_mels), (batch,).
    """

    def __init__(
        self, n_mels=64, sample_rate=16000, win_length=320, hop_length=160, n_fft=512, pre_emphasis=0.97, multiple=8, **kwargs
    ):
        super().__init__(win_length, hop_length, n_fft, pre_emphasis, multiple, **kwargs)
        self.n_mels, self.sample_rate = n_mels, sample_rate
        self.bands = integer_mel_filterbank(n_mels, n_fft, sample_rate).astype("float32")

    def output_feature_shape(self, shape):
        return (self.n_mels,)

    def log_features(self, power, backend):
        energies = backend.matmul(power, self.bands if backend is np else ops.convert_to_tensor(self.bands))
        return backend.log(backend.maximum(energies, SMALLEST_ENERGY))


@keras.saving.register_keras_serializable("kerasrecipes")
class QuantizedLogSpectrogram(QuantizedSpectrogram):
    """Logarithms of the powers of the lowest bins, as OpenSeq2Seq computes them for Deep Speech 2. The window is a symmetric Hann window.

    Args:
        n_bins: Number of bins, the one of 0 Hz included.
        win_length: Samples of a frame, and size of the DFT (320 = 20 ms at 16 kHz).
        hop_length: Samples between frames.
        multiple: Number of frames whose multiples are computed.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, n_bins), (batch,).
    """

    def __init__(self, n_bins=160, win_length=320, hop_length=160, multiple=8, **kwargs):
        super().__init__(win_length, hop_length, win_length, 0.0, multiple, **kwargs)
        self.n_bins = n_bins

    def get_config(self):
        config = super().get_config()
        return {key: value for key, value in config.items() if key not in ("n_fft", "pre_emphasis")}

    def make_window(self):
        return np.hanning(self.win_length)

    def output_feature_shape(self, shape):
        return (self.n_bins,)

    def log_features(self, power, backend):
        return backend.log(backend.maximum(power[..., : self.n_bins], SMALLEST_POWER))
