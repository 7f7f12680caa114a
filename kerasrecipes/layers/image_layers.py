"""Layers of the nets for pictures: their input's scale, contrast normalisation, and the limit on a filter's size."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasrecipes")
class SubtractChannelMeans(keras.layers.Layer):
    """Red, green, blue from 0 to 255 -> minus each channel's mean, in the order that the weights were trained in.

    Args:
        means: of the channels, in the output's order, 0 to 255. bgr: blue first, as Caffe reads pictures.

    Call: (batch, height, width, channels) -> the same shape.
    """

    def __init__(self, means: tuple[float, ...], bgr: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.means, self.bgr = tuple(means), bgr

    def call(self, x):
        return (ops.flip(x, axis=-1) if self.bgr else x) - ops.convert_to_tensor(np.array(self.means), x.dtype)

    def get_config(self):
        return {**super().get_config(), "means": self.means, "bgr": self.bgr}


@keras.saving.register_keras_serializable("kerasrecipes")
class LocalResponseNormalization(keras.layers.Layer):
    """`x_i / (k + a * sum of x_j^2)^beta` over the `size` maps j around i (Krizhevsky et al., 2012, section 3.3).

    Args:
        size: maps in the sum, an odd number; fewer at the ends. beta: power. k: where it starts.
        alpha: factor of the sum; Caffe divides it by `size`, the paper does not: a = alpha, or alpha / size with `mean`.

    Call: (batch, height, width, maps) -> the same shape.
    """

    def __init__(
        self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0, mean: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.settings = {"size": size, "alpha": alpha, "beta": beta, "k": k, "mean": mean}

    def call(self, x):
        s, reach = self.settings, self.settings["size"] // 2
        maps = x.shape[-1]
        squares = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (reach, reach)))
        total = sum(squares[..., i : i + maps] for i in range(s["size"]))
        return x * ops.power(s["k"] + s["alpha"] / (s["size"] if s["mean"] else 1) * total, -s["beta"])

    def get_config(self):
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable("kerasrecipes")
class MaxFilterRMS(keras.constraints.Constraint):
    """A filter whose root mean square exceeds `limit` is scaled down to it (arXiv 1311.2901, section 3: 0.1).

    Kernels (height, width, inputs, filters): the mean is over all but the filters.
    """

    def __init__(self, limit: float = 0.1):
        self.limit = limit

    def __call__(self, w):
        rms = ops.sqrt(ops.mean(ops.square(w), axis=tuple(range(len(w.shape) - 1)), keepdims=True))
        return w * ops.minimum(1.0, self.limit / ops.maximum(rms, 1e-12))

    def get_config(self):
        return {"limit": self.limit}
