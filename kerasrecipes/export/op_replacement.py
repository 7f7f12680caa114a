"""Replacements of operations that the formats do not have, with the same values, while a network is traced for export.

Grouped convolutions, which Keras compiles with XLA on TensorFlow, become one convolution per group. The sorted search of
mu-law codes becomes a bisection in eight comparisons.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from kerasrecipes.layers.mu_law import MuLaw, quantization_edges


def ungroup_convolution(original: Any) -> Any:
    """Return a `keras.layers.Conv2D.convolution_op` that computes group by group."""

    def convolution_op(layer: Any, inputs: Any, kernel: Any) -> Any:
        if layer.groups == 1:
            return original(layer, inputs, kernel)
        options = {
            "strides": list(layer.strides), "padding": layer.padding, "data_format": layer.data_format,
            "dilation_rate": layer.dilation_rate,
        }  # fmt: skip
        axis = -1 if layer.data_format == "channels_last" else 1
        parts = zip(ops.split(inputs, layer.groups, axis), ops.split(kernel, layer.groups, axis=-1), strict=True)
        return ops.concatenate([ops.conv(x, k, **options) for x, k in parts], axis)

    return convolution_op


def mu_law_by_bisection(layer: MuLaw, audio: Any) -> Any:
    """Compute `MuLaw.call`, the number of edges up to an amplitude, by bisection."""
    channels = layer.quantization_channels
    edges, codes = ops.convert_to_tensor(quantization_edges(channels)), ops.zeros_like(audio, "int32")
    for bit in reversed(range((channels - 1).bit_length())):
        candidates = codes + (1 << bit)
        edge = ops.take(edges, ops.minimum(candidates, channels - 1) - 1)
        codes = ops.where(ops.logical_and(audio >= edge, candidates < channels), candidates, codes)
    return codes


@contextmanager
def exportable_ops() -> Iterator[None]:
    """Replace the operations above within the context."""
    convolution, search = keras.layers.Conv2D.convolution_op, MuLaw.call
    keras.layers.Conv2D.convolution_op = ungroup_convolution(convolution)
    MuLaw.call = mu_law_by_bisection  # type: ignore[method-assign]
    try:
        yield
    finally:
        keras.layers.Conv2D.convolution_op = convolution
        MuLaw.call = search  # type: ignore[method-assign]
