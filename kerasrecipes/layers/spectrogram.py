"""Deep Speech 2's front end inside the graph: waveform -> power-normalised log-spectrogram, normalised per utterance.

Paper: "log-spectrograms of power normalised audio clips, calculated on 20 ms windows" (arXiv 1512.02595, section 3.1).
The discrete Fourier transform is a convolution with windowed cosine and sine kernels: it exports to any format.
"""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, zero_after_length
from kerasrecipes.layers.time_geometry import TimeGeometry


def masked_mean(x, length, axes=(1,)):
    """Mean over the valid steps of `x` (batch, steps, ...), in float32 (counts are beyond what 16 bits hold), and the given further
    axes, which are kept."""
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
        epsilon: power below which a clip counts as silence and is not blown up.

    Call: `audio` (batch, samples) float, `length` (batch,) integer; returns the same shapes, zero behind each length.
    """

    whole_utterance = True

    def __init__(self, epsilon: float = 1e-8, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def compute(self, x, length, training=None):
        x = zero_after_length(ops.cast(x, "float32"), length)
        return ops.cast(x / ops.sqrt(masked_mean(ops.square(x), length) + self.epsilon), self.compute_dtype)

    def over_whole(self, x):
        return (x / np.sqrt(np.mean(np.square(x, dtype="float64")) + self.epsilon)).astype("float32")

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("kerasrecipes")
class LogSpectrogram(SequenceLayer):
    """`log(|DFT(window * frame)|^2 + floor)` of overlapping frames; no padding: frame k covers samples k*hop ... k*hop+window-1.

    Args:
        window: samples of a frame (320 = 20 ms at 16 kHz), weighted by a periodic Hann window; also the DFT's size.
        hop: samples between frames (160 = 10 ms).
        floor: added to the power before the logarithm (natural); at unit power a bin's mean power is `sum(window^2)`.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, window // 2 + 1), (batch,) with
    frames = (samples - window) // hop + 1.
    """

    def __init__(self, window: int = 320, hop: int = 160, floor: float = 1e-2, **kwargs):
        super().__init__(**kwargs)
        self.window, self.hop, self.floor = window, hop, floor
        self.geometry = TimeGeometry(span=window, stride=hop)
        n = np.arange(window)
        bins = np.arange(window // 2 + 1)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / window)
        # n * k is reduced modulo the window before it becomes an angle: exact to the last bit of a double
        angle = 2 * np.pi * (np.outer(n, bins) % window) / window
        kernels = np.concatenate([np.cos(angle), -np.sin(angle)], axis=1) * hann[:, None]
        self.kernels = kernels[:, None, :].astype("float32")  # (window, 1, 2 * bins)

    def output_feature_shape(self, shape):
        return (self.window // 2 + 1,)

    def power(self, x):
        """|DFT|^2 of each windowed frame: (batch, frames, window // 2 + 1)."""
        spectrum = ops.conv(
            x[..., None], ops.convert_to_tensor(self.kernels, dtype=x.dtype), strides=self.hop, padding="valid"
        )
        real, imaginary = ops.split(spectrum, 2, axis=-1)
        return ops.square(real) + ops.square(imaginary)

    def apply(self, x):
        return ops.log(self.power(x) + self.floor)

    def get_config(self):
        return {**super().get_config(), "window": self.window, "hop": self.hop, "floor": self.floor}


@keras.saving.register_keras_serializable("kerasrecipes")
class UtteranceNormalization(SequenceLayer):
    """Subtract each bin's mean over the utterance; divide by the standard deviation of the whole utterance.

    One deviation for all bins, so that bins without sound (above the band of a telephone recording) stay at zero
    instead of being blown up. Statistics cover valid frames only.

    Args:
        epsilon: added to the variance.

    Call: `x` (batch, frames, bins), `length` (batch,).
    """

    whole_utterance = True

    def __init__(self, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def compute(self, x, length, training=None):
        x = ops.cast(x, "float32")
        centred = zero_after_length(x - masked_mean(x, length), length)
        scale = ops.sqrt(masked_mean(ops.square(centred), length, (1, 2)) + self.epsilon)
        return ops.cast(centred / scale, self.compute_dtype)

    def over_whole(self, x):
        x = x - x.mean(axis=0, dtype="float64").astype("float32")
        x /= np.sqrt(np.mean(np.square(x), dtype="float64") + self.epsilon)
        return x

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("kerasrecipes")
class UtteranceStandardization(SequenceLayer):
    """Subtract the mean of all valid values of an utterance and divide by their standard deviation.

    One mean and one deviation for all features: "normalized (mean 0, std 1) per input sequence", as the authors of
    Wav2Letter coded it (arXiv 1609.03193, section 3).

    Args:
        epsilon: added to the variance.

    Call: `x` (batch, samples) or (batch, frames, features), `length` (batch,).
    """

    whole_utterance = True

    def __init__(self, epsilon: float = 1e-8, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def compute(self, x, length, training=None):
        x, axes = ops.cast(x, "float32"), tuple(range(1, len(x.shape)))
        centred = zero_after_length(x - masked_mean(zero_after_length(x, length), length, axes), length)
        scale = ops.sqrt(masked_mean(ops.square(centred), length, axes) + self.epsilon)
        return ops.cast(centred / scale, self.compute_dtype)

    def over_whole(self, x):
        x = x - np.mean(x, dtype="float64").astype("float32")
        return x / np.sqrt(np.mean(np.square(x), dtype="float64") + self.epsilon).astype("float32")

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
