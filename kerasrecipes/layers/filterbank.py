"""Deep Speech's features: energies in linearly spaced bands, and normalisation by the training set's statistics."""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, zero_after_length
from kerasrecipes.layers.spectrogram import LogSpectrogram


@keras.saving.register_keras_serializable("kerasrecipes")
class LinearFilterBank(LogSpectrogram):
    """Logarithms of the energies in linearly spaced triangular bands (arXiv 1412.5567, section 5: 80 or 160 of them).

    Band i rises from centre i - 1 to centre i and falls to centre i + 1; the centres lie evenly between 0 Hz and half
    the sample rate, both left out.

    Args:
        filters: bands. energy: add the logarithm of the frame's whole energy as one more feature (section 5.1).
        window, hop, floor: as of `LogSpectrogram`.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, filters [+ 1]), (batch,).
    """

    def __init__(self, filters: int = 160, window: int = 320, hop: int = 160, floor=1e-2, energy=False, **kwargs):
        super().__init__(window, hop, floor, **kwargs)
        self.filters, self.energy = filters, energy
        bins = np.arange(window // 2 + 1)
        centres = np.linspace(0, window / 2, filters + 2)
        width = centres[1] - centres[0]
        bands = np.maximum(0.0, 1 - np.abs(bins[:, None] - centres[None, 1:-1]) / max(width, 1.0))
        if energy:
            bands = np.concatenate([bands, np.ones((len(bins), 1))], axis=1)
        self.bands = bands.astype("float32")  # (window // 2 + 1, filters [+ 1])

    def output_feature_shape(self, shape):
        return (self.filters + bool(self.energy),)

    def apply(self, x):
        energies = ops.matmul(self.power(x), ops.convert_to_tensor(self.bands, dtype=x.dtype))
        return ops.log(energies + self.floor)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "energy": self.energy}


@keras.saving.register_keras_serializable("kerasrecipes")
class FeatureNormalization(SequenceLayer):
    """Subtract each feature's mean over the training set and divide by its deviation (arXiv 1412.5567, section 5.2).

    Training measures both as it goes, with slowly fading weights, and normalises by what it has measured so far.

    Args:
        momentum: share of the old averages that a batch leaves.
        epsilon: added to the variance.

    Call: `x` (batch, frames, features), `length` (batch,).
    """

    def __init__(self, momentum: float = 0.999, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, x_shape, length_shape=None):
        def add(name, shape):
            return self.add_weight(shape, "zeros", name=name, trainable=False, autocast=False)

        self.sums, self.squares, self.weight = (
            add("sums", x_shape[-1:]),
            add("squares", x_shape[-1:]),
            add("weight", (1,)),
        )

    def compute(self, x, length, training=None):
        if training and self.trainable:
            x = ops.cast(x, "float32")
            count = ops.maximum(ops.cast(ops.sum(ops.minimum(length, ops.shape(x)[1])), "float32"), 1.0)
            valid, new = zero_after_length(x, length), 1 - self.momentum
            self.sums.assign(self.sums * self.momentum + new * ops.sum(valid, axis=(0, 1)) / count)
            self.squares.assign(self.squares * self.momentum + new * ops.sum(ops.square(valid), axis=(0, 1)) / count)
            self.weight.assign(self.weight * self.momentum + new)
        return self.apply(x)

    def apply(self, x):
        weight = ops.maximum(self.weight, 1e-12)
        mean = self.sums / weight
        variance = ops.where(self.weight > 0, self.squares / weight - ops.square(mean), 1.0)
        return (ops.cast(x, "float32") - mean) / ops.sqrt(ops.maximum(variance, 0.0) + self.epsilon)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}
