"""Layers of the image models: input scaling, response normalization and a limit on the filters' size."""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.base import ConfigLayer


@keras.saving.register_keras_serializable("kerasrecipes")
class SubtractChannelMeans(ConfigLayer):
    """Subtract each channel's mean from RGB values from 0 to 255, in the channel order that the weights were trained in.

    Args:
        means: Mean of each channel, 0 to 255, in the order of the output.
        bgr: Reverse the channels to blue, green, red, as Caffe reads images.

    Call: (batch, height, width, channels) -> the same shape.
    """

    def __init__(self, means: tuple[float, ...], bgr: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.means, self.bgr = tuple(means), bgr

    def call(self, x):
        return (ops.flip(x, axis=-1) if self.bgr else x) - ops.convert_to_tensor(np.array(self.means), x.dtype)


@keras.saving.register_keras_serializable("kerasrecipes")
class LocalResponseNormalization(ConfigLayer):
    """`x_i / (k + a * sum of x_j^2)^beta` over the `size` maps j around i (Krizhevsky et al., 2012, section 3.3).

    Args:
        size: Odd number of maps in the sum; fewer at both ends.
        alpha: Factor of the sum: a = alpha as in the paper, or alpha / size as in Caffe if `mean` is True.
        beta: Exponent.
        k: Constant added to the scaled sum.
        mean: Divide `alpha` by `size`.

    Call: (batch, height, width, maps) or (batch, maps) -> the same shape.
    """

    def __init__(self, size=5, alpha=1e-4, beta=0.75, k=2.0, mean=False, **kwargs):
        super().__init__(**kwargs)
        self.size, self.alpha, self.beta, self.k, self.mean = size, alpha, beta, k, mean

    def call(self, x):
        half, maps = self.size // 2, x.shape[-1]
        squares = ops.pad(ops.square(x), (*((0, 0) for _ in x.shape[1:]), (half, half)))
        total = sum(squares[..., i : i + maps] for i in range(self.size))
        return x * ops.power(self.k + self.alpha / (self.size if self.mean else 1) * total, -self.beta)


@keras.saving.register_keras_serializable("kerasrecipes")
class SpatialResponseNormalization(ConfigLayer):
    """`x / (1 + alpha * mean of x^2)^beta`, the mean over the window around a position in the same map (Caffe: WITHIN_CHANNEL).

    Args:
        size: Odd side of the window. Zeros beyond the border count.
        alpha: Factor of the mean.
        beta: Exponent.

    Call: (batch, height, width, maps) -> the same shape.
    """

    def __init__(self, size=3, alpha=5e-5, beta=0.75, **kwargs):
        super().__init__(**kwargs)
        self.size, self.alpha, self.beta = size, alpha, beta

    def call(self, x):
        half = self.size // 2
        squares = ops.pad(ops.square(x), ((0, 0), (half, half), (half, half), (0, 0)))
        mean = ops.average_pool(squares, self.size, 1, "valid", data_format="channels_last")
        return x * ops.power(1 + self.alpha * mean, -self.beta)


@keras.saving.register_keras_serializable("kerasrecipes")
class MaxFilterRMS(keras.constraints.Constraint):
    """Scale a filter down if its root mean square exceeds `max_value` (arXiv 1311.2901, section 3: 0.1).

    The mean of a kernel (height, width, inputs, filters) covers all axes but the filters.
    """

    def __init__(self, max_value: float = 0.1):
        self.max_value = max_value

    def __call__(self, w):
        rms = ops.sqrt(ops.mean(ops.square(w), axis=tuple(range(len(w.shape) - 1)), keepdims=True))
        return w * ops.minimum(1.0, self.max_value / ops.maximum(rms, 1e-12))

    def get_config(self):
        return {"max_value": self.max_value}
