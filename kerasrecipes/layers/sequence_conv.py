"""Convolutions over time that do not see what lies behind an utterance's end.

Padding is explicit and the convolution "valid": with `padding="same"` and a stride the result depends on the parity of
the padded length.
"""

import keras
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, torch_ops_or_none
from kerasrecipes.layers.time_geometry import TimeGeometry


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceConv1D(SequenceLayer):
    """1-D convolution over time, zero-padded by (kernel - 1) // 2 on the left and kernel // 2 on the right.

    Args:
        filters: output features.
        kernel: steps of the filter.
        stride: input steps per output step.
        bias: False where batch normalisation follows.
        padding: zero steps on each side instead of these, or (left, right).
        dilation: input steps between two taps of the filter; then `padding` must be given, and `stride` be 1.

    Call: `x` (batch, steps, features), `length` (batch,); returns (batch, ceil(steps / stride), filters), with `padding`
    (steps + left + right - (kernel - 1) * dilation - 1) // stride + 1 steps.
    """

    def __init__(
        self, filters: int, kernel: int, stride: int = 1, bias: bool = True, padding: int | tuple | None = None,
        dilation: int = 1, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        padding = padding if padding is None or isinstance(padding, int) else tuple(padding)
        self.settings = {
            "filters": filters, "kernel": kernel, "stride": stride, "bias": bias, "padding": padding, "dilation": dilation,
        }  # fmt: skip
        if padding is None:
            left, right = (kernel - 1) // 2, kernel // 2
        else:
            left, right = (padding, padding) if isinstance(padding, int) else padding
        self.geometry = TimeGeometry((kernel - 1) * dilation + 1, stride, left, right)
        self.convolution = keras.layers.Conv1D(
            filters, kernel, stride, "valid", dilation_rate=dilation, use_bias=bias, dtype=self.dtype_policy,
            name="convolution",
        )  # fmt: skip

    def build(self, x_shape, length_shape=None):
        self.convolution.build(x_shape)

    def apply(self, x):
        if fused := torch_ops_or_none(x):
            weights = self.convolution.kernel, self.convolution.bias if self.settings["bias"] else None
            x, kernel, bias = (None if t is None else ops.cast(t, self.compute_dtype) for t in (x, *weights))
            return fused.convolution(x, kernel, bias, self.settings["stride"], self.settings["dilation"])
        return self.convolution(x)

    def output_feature_shape(self, shape):
        return (self.settings["filters"],)

    def get_config(self):
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceConv2D(SequenceLayer):
    """2-D convolution over time and frequency, zero-padded by (k - 1) // 2 and k // 2 on both axes.

    Args:
        filters: output maps.
        kernel: (frames, bins) of the filter. The paper's table writes (bins, frames).
        stride: (frames, bins).
        bias: False where batch normalisation follows.

    Call: `x` (batch, frames, bins, maps), `length` (batch,);
    returns (batch, ceil(frames / stride[0]), ceil(bins / stride[1]), filters).
    """

    def __init__(self, filters: int, kernel: tuple, stride: tuple = (1, 1), bias: bool = True, **kwargs):
        super().__init__(**kwargs)
        kernel, stride = tuple(kernel), tuple(stride)
        self.settings = {"filters": filters, "kernel": kernel, "stride": stride, "bias": bias}
        self.geometry = TimeGeometry(kernel[0], stride[0], (kernel[0] - 1) // 2, kernel[0] // 2)
        self.bins = ((kernel[1] - 1) // 2, kernel[1] // 2)
        self.convolution = keras.layers.Conv2D(
            filters, kernel, stride, "valid", use_bias=bias, dtype=self.dtype_policy, name="convolution"
        )

    def build(self, x_shape, length_shape=None):
        self.convolution.build(x_shape)

    def apply(self, x):
        return self.convolution(ops.pad(x, ((0, 0), (0, 0), self.bins, (0, 0))))

    def output_feature_shape(self, shape):
        return (-(-shape[2] // self.settings["stride"][1]), self.settings["filters"])

    def get_config(self):
        return {**super().get_config(), **self.settings}
