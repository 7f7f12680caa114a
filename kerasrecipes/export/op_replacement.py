"""Operations that formats do not take, in other words for the same values, while a network is traced for export.

Convolutions in groups: Keras has XLA compile them on TensorFlow; here one convolution per group. Sorted search (mu-law
codes): eight comparisons with the halves of the table.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from kerasrecipes.layers.mu_law import MuLaw, quantization_edges


def ungroup_convolution(plain: Any) -> Any:
    """`keras.layers.Conv2D.convolution_op`, group by group."""

    def convolution_op(layer: Any, inputs: Any, kernel: Any) -> Any:
        if layer.groups == 1:
            return plain(layer, inputs, kernel)
        options = {
            "strides": list(layer.strides), "padding": layer.padding, "data_format": layer.data_format,
            "dilation_rate": layer.dilation_rate,
        }  # fmt: skip
        axis = -1 if layer.data_format == "channels_last" else 1
        parts = zip(ops.split(inputs, layer.groups, axis), ops.split(kernel, layer.groups, axis=-1), strict=True)
        return ops.concatenate([ops.conv(x, k, **options) for x, k in parts], axis)

    return convolution_op


def mu_law_by_bisection(layer: MuLaw, audio: Any) -> Any:
    """`MuLaw.call`: how many thresholds an amplitude reaches, by halving."""
    edges, found = ops.convert_to_tensor(quantization_edges(layer.levels)), ops.zeros_like(audio, "int32")
    for bit in reversed(range((layer.levels - 1).bit_length())):
        tried = found + (1 << bit)
        edge = ops.take(edges, ops.minimum(tried, layer.levels - 1) - 1)
        reached = ops.logical_and(audio >= edge, tried < layer.levels)
        found = ops.where(reached, tried, found)
    return found


@contextmanager
def exportable_ops() -> Iterator[None]:
    """Within, the layers named above compute as formats can hold it, with the same values."""
    convolution, search = keras.layers.Conv2D.convolution_op, MuLaw.call
    keras.layers.Conv2D.convolution_op = ungroup_convolution(convolution)
    MuLaw.call = mu_law_by_bisection  # type: ignore[method-assign]
    try:
        yield
    finally:
        keras.layers.Conv2D.convolution_op = convolution
        MuLaw.call = search  # type: ignore[method-assign]
