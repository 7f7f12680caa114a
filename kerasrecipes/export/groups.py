"""Convolutions in groups as one convolution per group: Keras has XLA compile them on TensorFlow, which no format takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras


@contextmanager
def parted() -> Iterator[None]:
    """Within, `keras.layers.Conv2D` with groups runs group by group and gives the same values."""
    plain = keras.layers.Conv2D.convolution_op

    def convolution_op(layer: Any, inputs: Any, kernel: Any) -> Any:
        if layer.groups == 1:
            return plain(layer, inputs, kernel)
        options = {
            "strides": list(layer.strides), "padding": layer.padding, "data_format": layer.data_format,
            "dilation_rate": layer.dilation_rate,
        }  # fmt: skip
        axis = -1 if layer.data_format == "channels_last" else 1
        parts = zip(
            keras.ops.split(inputs, layer.groups, axis), keras.ops.split(kernel, layer.groups, axis=-1), strict=True
        )
        return keras.ops.concatenate([keras.ops.conv(x, k, **options) for x, k in parts], axis)

    keras.layers.Conv2D.convolution_op = convolution_op
    try:
        yield
    finally:
        keras.layers.Conv2D.convolution_op = plain
