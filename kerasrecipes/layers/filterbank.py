"""Deep Speech's features: energies in linearly spaced bands, normalized by the statistics of the training set."""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, zero_after_length
from kerasrecipes.layers.spectrogram import LogSpectrogram


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
