"""Convolutions that share their weights less: locally connected and tiled ones (Goodfellow, Bengio and Courville, *Deep
Learning*, section 9.5, equations 9.9 and 9.10). Keras 3 has neither.
"""

import math
from itertools import product

import keras
from keras import ops

PADDINGS = ("valid", "same", "full")


def output_size(size: int, kernel: int, stride: int = 1, padding: str = "valid") -> int:
    """Places of a kernel along one axis: m - k + 1 for "valid", m for "same", m + k - 1 for "full", every `stride`-th of them."""
    return (size + sum(padding_amounts(kernel, padding)) - kernel) // stride + 1


def padding_amounts(kernel: int, padding: str) -> tuple[int, int]:
    """Zeros before and behind an axis; an even kernel's odd one lies behind."""
    if padding not in PADDINGS:
        raise ValueError(f"padding is {padding!r}: one of {', '.join(PADDINGS)}")
    before, behind = {"valid": (0, 0), "same": ((kernel - 1) // 2, kernel // 2), "full": (kernel - 1, kernel - 1)}[
        padding
    ]
    return before, behind


class BaseUnsharedConv(keras.layers.Layer):
    """What both have in common: sizes, padding, activation."""

    rank = 2

    def __init__(self, filters, kernel_size, strides=1, padding="valid", activation=None, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.padding, self.use_bias = filters, padding, use_bias
        self.kernel_size, self.strides = self.each(kernel_size), self.each(strides)
        self.activation = keras.activations.get(activation)
        padding_amounts(1, padding)

    def each(self, value):
        """One number for every axis, or one per axis."""
        return (value,) * self.rank if isinstance(value, int) else tuple(value)

    def around(self):
        return [(0, 0), *(padding_amounts(k, self.padding) for k in self.kernel_size), (0, 0)]

    def places(self, shape):
        """Outputs along each axis."""
        sizes = zip(shape[1:-1], self.kernel_size, self.strides, strict=True)
        return tuple(None if n is None else output_size(n, k, s, self.padding) for n, k, s in sizes)

    def compute_output_shape(self, shape):
        return (shape[0], *self.places(shape), self.filters)

    def get_config(self):
        return {
            **super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size, "strides": self.strides,
            "padding": self.padding, "activation": keras.activations.serialize(self.activation), "use_bias": self.use_bias,
        }  # fmt: skip


@keras.saving.register_keras_serializable("kerasrecipes")
class LocallyConnected2D(BaseUnsharedConv):
    """A convolution with weights of its own at every place, and a bias of its own (equation 9.9).

    `Z[j, k, i] = sum over l, m, n of V[j + m, k + n, l] w[j, k, m, n, l, i]`

    Args:
        filters, kernel_size, strides, activation, use_bias: as of `keras.layers.Conv2D`.
        padding: "valid", "same" or "full" (every pixel is visited by every weight of the kernel).

    Call: (batch, height, width, channels), of a size that is known when the layer is built -> (batch, rows, columns, filters).
    """

    def build(self, shape):
        places = self.places(shape)
        if None in places:
            raise ValueError(
                f"{type(self).__name__} has weights for every place: its input needs a fixed size, not {shape}"
            )
        inputs = math.prod(self.kernel_size) * shape[-1]
        # as of one place's inputs and outputs: Keras would count the places as part of the kernel
        limit = math.sqrt(6 / (inputs + math.prod(self.kernel_size) * self.filters))
        start = keras.initializers.RandomUniform(-limit, limit)
        self.kernel = self.add_weight((*places, inputs, self.filters), start, name="kernel")
        self.bias = self.add_weight((*places, self.filters), "zeros", name="bias") if self.use_bias else None

    def call(self, x):
        places = self.kernel.shape[: self.rank]
        x = ops.pad(x, self.around())
        parts = []
        for offset in product(*map(range, self.kernel_size)):  # rows, then columns; channels inside
            cut = tuple(slice(o, o + (n - 1) * s + 1, s) for o, n, s in zip(offset, places, self.strides, strict=True))
            parts.append(x[(slice(None), *cut)])
        patches = ops.concatenate(parts, axis=-1)  # (batch, *places, kernel * channels)
        y = ops.einsum("b...i,...if->b...f", patches, ops.cast(self.kernel, patches.dtype))
        return self.activation(y + ops.cast(self.bias, y.dtype) if self.use_bias else y)


@keras.saving.register_keras_serializable("kerasrecipes")
class LocallyConnected1D(LocallyConnected2D):
    """As `LocallyConnected2D`, along one axis: (batch, steps, channels) -> (batch, places, filters)."""

    rank = 1


@keras.saving.register_keras_serializable("kerasrecipes")
class TiledConv2D(BaseUnsharedConv):
    """A convolution that cycles through `tiles` kernels from place to place (equation 9.10).

    Neighbours have different weights, places `tiles` apart the same. One tile is an ordinary convolution, as many as there are
    places a locally connected layer. Biases are tiled as the kernels are.

    Args:
        filters, kernel_size, strides, activation, use_bias: as of `keras.layers.Conv2D`.
        tiles: kernels along each axis, one number or one per axis. padding: "valid", "same" or "full".

    Call: (batch, height, width, channels) -> (batch, rows, columns, filters).
    """

    def __init__(self, filters, kernel_size, tiles=2, **kwargs):
        super().__init__(filters, kernel_size, **kwargs)
        self.tiles = self.each(tiles)

    def build(self, shape):
        start = keras.initializers.GlorotUniform()
        self.kernels, self.biases = [], []
        for tile in product(*map(range, self.tiles)):
            name = "_".join(map(str, tile))
            self.kernels.append(
                self.add_weight((*self.kernel_size, shape[-1], self.filters), start, name=f"kernel_{name}")
            )
            if self.use_bias:
                self.biases.append(self.add_weight((self.filters,), "zeros", name=f"bias_{name}"))

    def call(self, x):
        sizes = ops.shape(x)[1:-1]
        places = [
            output_size(n, k, s, self.padding) for n, k, s in zip(sizes, self.kernel_size, self.strides, strict=True)
        ]
        steps = [t * s for t, s in zip(self.tiles, self.strides, strict=True)]
        around = self.around()  # and behind the end so much that every tile has as many places
        for axis in range(self.rank):
            k, s, t = self.kernel_size[axis], self.strides[axis], self.tiles[axis]
            needed = (-(-places[axis] // t) * t - 1) * s + k
            before, behind = around[axis + 1]
            around[axis + 1] = (before, max(needed - sizes[axis] - before, behind))
        x = ops.pad(x, around)
        found = []
        for number, tile in enumerate(product(*map(range, self.tiles))):
            begin, counts = [t * s for t, s in zip(tile, self.strides, strict=True)], []
            for axis in range(self.rank):
                counts.append(-(-places[axis] // self.tiles[axis]))
            cut = tuple(
                slice(b, b + (n - 1) * step + k)
                for b, n, step, k in zip(begin, counts, steps, self.kernel_size, strict=True)
            )
            y = ops.conv(
                x[(slice(None), *cut)], ops.cast(self.kernels[number], x.dtype), strides=tuple(steps), padding="valid"
            )
            found.append(y + ops.cast(self.biases[number], y.dtype) if self.use_bias else y)
        return self.activation(self._interleave(found, places))

    def _interleave(self, parts, places):
        """The tiles' outputs, each `tiles` places apart, as one map."""
        y = ops.stack(parts, axis=1)  # (batch, all tiles, *counts, filters)
        counts = ops.shape(y)[2:-1]
        y = ops.reshape(y, (-1, *self.tiles, *counts, self.filters))
        order = [0, *(a for axis in range(self.rank) for a in (1 + self.rank + axis, 1 + axis)), 2 * self.rank + 1]
        y = ops.transpose(y, order)  # (batch, count, tile, ..., filters)
        y = ops.reshape(y, (-1, *(c * t for c, t in zip(counts, self.tiles, strict=True)), self.filters))
        return y[(slice(None), *(slice(n) for n in places))]

    def get_config(self):
        return {**super().get_config(), "tiles": self.tiles}


@keras.saving.register_keras_serializable("kerasrecipes")
class TiledConv1D(TiledConv2D):
    """As `TiledConv2D`, along one axis: (batch, steps, channels) -> (batch, places, filters)."""

    rank = 1
