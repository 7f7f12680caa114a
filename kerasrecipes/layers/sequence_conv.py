"""Convolutions over time whose outputs do not depend on the padding after an utterance's end.

Padding is explicit and the convolution "valid": with `padding="same"` and strides the result would depend on the parity
of the padded length.
"""

import keras
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, torch_ops_or_none
from kerasrecipes.layers.time_geometry import TimeGeometry, count_zeros


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceConv1D(SequenceLayer):
    """1-D convolution over time, zero-padded by (kernel_size - 1) // 2 on the left and kernel_size // 2 on the right.

    Args:
        filters: Number of output features.
        kernel_size: Steps of the filter.
        strides: Input steps per output step.
        use_bias: False where batch normalization follows.
        padding: Zero steps on each side instead of the above, or (left, right).
        dilation_rate: Input steps between two taps of the filter; above 1 it needs `padding` and `strides=1`.

    Call: `x` (batch, steps, features), `length` (batch,); returns (batch, ceil(steps / strides), filters), with `padding`
    (steps + left + right - (kernel_size - 1) * dilation_rate - 1) // strides + 1 steps.
    """

    def __init__(self, filters, kernel_size, strides=1, use_bias=True, padding=None, dilation_rate=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides, self.use_bias = filters, kernel_size, strides, use_bias
        self.padding = padding if padding is None or isinstance(padding, int) else tuple(padding)
        self.dilation_rate = dilation_rate
        if padding is None:
            padding = (kernel_size - 1) // 2, kernel_size // 2
        left, right = (padding, padding) if isinstance(padding, int) else padding
        self.geometry = TimeGeometry((kernel_size - 1) * dilation_rate + 1, strides, left, right)
        options = {"dilation_rate": dilation_rate, "use_bias": use_bias, "dtype": self.dtype_policy}
        self.convolution = keras.layers.Conv1D(filters, kernel_size, strides, "valid", **options, name="convolution")

    def build(self, x_shape, length_shape=None):
        self.convolution.build(x_shape)

    def call_padded(self, x):
        if fused := torch_ops_or_none(x):
            weights = self.convolution.kernel, self.convolution.bias if self.use_bias else None
            x, kernel, bias = (None if t is None else ops.cast(t, self.compute_dtype) for t in (x, *weights))
            return fused.convolution(x, kernel, bias, self.strides, self.dilation_rate)
        return self.convolution(x)

    def output_feature_shape(self, shape):
        return (self.filters,)


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceConv2D(SequenceLayer):
    """2-D convolution over time and frequency, zero-padded by (k - 1) // 2 and k // 2 on both axes, or as `padding` says.

    Args:
        filters: Number of output maps.
        kernel_size: (frames, bins) of the filter. The paper's table writes (bins, frames).
        strides: (frames, bins).
        use_bias: False where batch normalization follows.
        padding: "same", the zeros above, or another of `count_zeros`.

    Call: `x` (batch, frames, bins, maps), `length` (batch,);
    returns (batch, ceil(frames / strides[0]), ceil(bins / strides[1]), filters).
    """

    def __init__(self, filters: int, kernel_size: tuple, strides: tuple = (1, 1), use_bias=True, padding="same", **kwargs):
        super().__init__(**kwargs)
        self.filters, self.use_bias, self.padding = filters, use_bias, padding
        self.kernel_size, self.strides = tuple(kernel_size), tuple(strides)
        zeros, self.bin_padding = (count_zeros(padding, *sizes) for sizes in zip(self.kernel_size, self.strides, strict=True))
        self.geometry = TimeGeometry(self.kernel_size[0], self.strides[0], *zeros)
        options = {"use_bias": use_bias, "dtype": self.dtype_policy, "name": "convolution"}
        self.convolution = keras.layers.Conv2D(filters, self.kernel_size, self.strides, "valid", **options)

    def build(self, x_shape, length_shape=None):
        self.convolution.build((*x_shape[:2], x_shape[2] + sum(self.bin_padding), x_shape[3]))

    def call_padded(self, x):
        return self.convolution(ops.pad(x, ((0, 0), (0, 0), self.bin_padding, (0, 0))))

    def output_feature_shape(self, shape):
        return (-(-shape[2] // self.strides[1]), self.filters)
