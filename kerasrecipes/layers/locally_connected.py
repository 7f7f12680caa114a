"""Locally connected and tiled convolutions, which Keras 3 does not have.

Goodfellow, Bengio and Courville, *Deep Learning*, section 9.5, equations 9.9 and 9.10.
"""

import math
from itertools import product

import keras
from keras import ops

from kerasrecipes.layers.base import ConfigLayer

PADDINGS = ("valid", "same", "full")


def output_size(size: int, kernel_size: int, stride: int = 1, padding: str = "valid") -> int:
    """Return the number of kernel positions along an axis of `size` m.

    A stride of 1 gives m - k + 1 positions for "valid", m for "same" and m + k - 1 for "full".
    """
    return (size + sum(padding_amounts(kernel_size, padding)) - kernel_size) // stride + 1


def padding_amounts(kernel_size: int, padding: str) -> tuple[int, int]:
    """Return the zeros before and after an axis. An even kernel has one more after it."""
    k = kernel_size
    if padding not in PADDINGS:
        raise ValueError(f"padding is {padding!r}: one of {', '.join(PADDINGS)}")
    return {"valid": (0, 0), "same": ((k - 1) // 2, k // 2), "full": (k - 1, k - 1)}[padding]


class BaseUnsharedConv(ConfigLayer):
    """Sizes, padding and activation of the layers below."""

    rank = 2

    def __init__(self, filters, kernel_size, strides=1, padding="valid", activation=None, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.padding, self.use_bias = filters, padding, use_bias
        self.kernel_size, self.strides = self._ntuple(kernel_size), self._ntuple(strides)
        self.activation = keras.activations.get(activation)
        padding_amounts(1, padding)

    def _ntuple(self, value):
        """Return one number per axis."""
        return (value,) * self.rank if isinstance(value, int) else tuple(value)

    def _padding(self):
        return [(0, 0), *(padding_amounts(k, self.padding) for k in self.kernel_size), (0, 0)]

    def _output_size(self, shape):
        """Return the number of outputs along each axis, None where it is unknown."""
        sizes = zip(shape[1:-1], self.kernel_size, self.strides, strict=True)
        return tuple(None if n is None else output_size(n, k, s, self.padding) for n, k, s in sizes)

    def compute_output_shape(self, shape):
        return (shape[0], *self._output_size(shape), self.filters)

    def get_config(self):
        return {**super().get_config(), "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable("kerasrecipes")
class LocallyConnected2D(BaseUnsharedConv):
    """A convolution with its own weights and bias at every output position (equation 9.9).

    `Z[j, k, i] = sum over l, m, n of V[j + m, k + n, l] w[j, k, m, n, l, i]`

    Args:
        filters: As in `keras.layers.Conv2D`, like `kernel_size`, `strides`, `activation` and `use_bias`.
        padding: "valid", "same" or "full" (every weight of the kernel sees every pixel).

    Call: (batch, height, width, channels) of a size that is known at build time -> (batch, rows, columns, filters).
    """

    def build(self, shape):
        sizes = self._output_size(shape)
        if None in sizes:
            raise ValueError(
                f"{type(self).__name__} has weights for every position: its input needs a fixed size, not {shape}"
            )
        inputs = math.prod(self.kernel_size) * shape[-1]
        # Glorot's limit of one position: Keras would count the positions as part of the kernel
        limit = math.sqrt(6 / (inputs + math.prod(self.kernel_size) * self.filters))
        initializer = keras.initializers.RandomUniform(-limit, limit)
        self.kernel = self.add_weight((*sizes, inputs, self.filters), initializer, name="kernel")
        self.bias = self.add_weight((*sizes, self.filters), "zeros", name="bias") if self.use_bias else None

    def call(self, x):
        sizes, x = self.kernel.shape[: self.rank], ops.pad(x, self._padding())
        patches = []
        for offset in product(*map(range, self.kernel_size)):  # rows, then columns; channels inside
            starts = zip(offset, sizes, self.strides, strict=True)
            patches.append(x[(slice(None), *(slice(b, b + (n - 1) * s + 1, s) for b, n, s in starts))])
        x = ops.concatenate(patches, axis=-1)  # (batch, *sizes, kernel * channels)
        y = ops.einsum("b...i,...if->b...f", x, ops.cast(self.kernel, x.dtype))
        return self.activation(y + ops.cast(self.bias, y.dtype) if self.use_bias else y)


@keras.saving.register_keras_serializable("kerasrecipes")
class LocallyConnected1D(LocallyConnected2D):
    """`LocallyConnected2D` along one axis: (batch, steps, channels) -> (batch, positions, filters)."""

    rank = 1


@keras.saving.register_keras_serializable("kerasrecipes")
class TiledConv2D(BaseUnsharedConv):
    """A convolution that cycles through `tiles` kernels from position to position (equation 9.10).

    Positions `tiles` apart share their weights, neighbors do not. One tile is an ordinary convolution; as many tiles as
    positions are a locally connected layer. Biases are tiled like kernels.

    Args:
        filters: As in `keras.layers.Conv2D`, like `kernel_size`, `strides`, `activation` and `use_bias`.
        tiles: Number of kernels along each axis, one number or one per axis.
        padding: "valid", "same" or "full".

    Call: (batch, height, width, channels) -> (batch, rows, columns, filters).
    """

    def __init__(self, filters, kernel_size, tiles=2, **kwargs):
        super().__init__(filters, kernel_size, **kwargs)
        self.tiles = self._ntuple(tiles)

    def build(self, shape):
        initializer = keras.initializers.GlorotUniform()
        self.kernels, self.biases = [], []
        for tile in product(*map(range, self.tiles)):
            name, kernel_shape = "_".join(map(str, tile)), (*self.kernel_size, shape[-1], self.filters)
            self.kernels.append(self.add_weight(kernel_shape, initializer, name=f"kernel_{name}"))
            if self.use_bias:
                self.biases.append(self.add_weight((self.filters,), "zeros", name=f"bias_{name}"))

    def call(self, x):
        sizes, padding, counts = ops.shape(x)[1:-1], self._padding(), []
        steps = tuple(t * s for t, s in zip(self.tiles, self.strides, strict=True))
        outputs = [
            output_size(n, k, s, self.padding) for n, k, s in zip(sizes, self.kernel_size, self.strides, strict=True)
        ]
        for axis in range(self.rank):  # pad the end so that every tile has as many positions
            k, s, t = self.kernel_size[axis], self.strides[axis], self.tiles[axis]
            counts.append(-(-outputs[axis] // t))
            before, after = padding[axis + 1]
            padding[axis + 1] = (before, max((counts[axis] * t - 1) * s + k - sizes[axis] - before, after))
        x, results = ops.pad(x, padding), []
        for number, tile in enumerate(product(*map(range, self.tiles))):
            extent = zip(tile, self.strides, counts, steps, self.kernel_size, strict=True)
            window = tuple(slice(t * s, t * s + (n - 1) * step + k) for t, s, n, step, k in extent)
            kernel = ops.cast(self.kernels[number], x.dtype)
            y = ops.conv(x[(slice(None), *window)], kernel, strides=steps, padding="valid")
            results.append(y + ops.cast(self.biases[number], y.dtype) if self.use_bias else y)
        return self.activation(self._interleave(results, outputs))

    def _interleave(self, parts, sizes):
        """Combine the tiles' outputs, which lie `tiles` positions apart, into one map of `sizes`."""
        y = ops.stack(parts, axis=1)  # (batch, all tiles, *counts, filters)
        counts = ops.shape(y)[2:-1]
        y = ops.reshape(y, (-1, *self.tiles, *counts, self.filters))
        order = [0, *(a for axis in range(self.rank) for a in (1 + self.rank + axis, 1 + axis)), 2 * self.rank + 1]
        y = ops.transpose(y, order)  # (batch, count, tile, ..., filters)
        y = ops.reshape(y, (-1, *(c * t for c, t in zip(counts, self.tiles, strict=True)), self.filters))
        return y[(slice(None), *(slice(n) for n in sizes))]


@keras.saving.register_keras_serializable("kerasrecipes")
class TiledConv1D(TiledConv2D):
    """`TiledConv2D` along one axis: (batch, steps, channels) -> (batch, positions, filters)."""

    rank = 1
