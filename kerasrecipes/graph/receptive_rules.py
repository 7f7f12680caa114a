"""Receptive intervals through layers with one input, by class name: `LAYER_RULES`, and `REDUCTIONS` for operations over axes.

A rule takes the operation, its input shape, the interval of the input along one axis of the model's input, and the output shape. It
returns the interval of the output.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph import receptive_interval as rc
from kerasrecipes.graph.receptive_interval import ReceptiveInterval
from kerasrecipes.layers.locally_connected import padding_amounts

ReceptiveIntervals = tuple[ReceptiveInterval, ...]  # one for each spatial axis of the model's input


def _first_axis(operation: Any) -> int:
    """Return the first spatial axis."""
    return 2 if getattr(operation, "data_format", None) == "channels_first" else 1


def _spatial_axes(operation: Any, shape: Any) -> range:
    return range(2, len(shape)) if _first_axis(operation) == 2 else range(1, len(shape) - 1)


def _per_axis(value: Any, count: int) -> tuple[int, ...]:
    return (value,) * count if isinstance(value, int) else tuple(value)


def _sliding_window(
    operation: Any, shape: Any, r: ReceptiveInterval, output: Any, kernel: Any, strides: Any, dilation: Any,
    padding: Callable[[int], int] | None = None,
) -> ReceptiveInterval:  # fmt: skip
    """Slide a window over the spatial axes. `padding` gives the zeros before the input where they are not Keras's."""
    d = None if r.axis is None else r.axis - _first_axis(operation)
    if d is None or not 0 <= d < len(kernel):
        return rc.global_pool(r) if d is not None and "Depthwise" not in type(operation).__name__ else r
    k, s, e = kernel[d], strides[d], dilation[d]
    same = rc.same_padding(shape[r.axis], k, s, e)
    zeros = padding(k) if padding else {"valid": 0, "causal": (k - 1) * e}.get(operation.padding, same)
    return rc.sliding_window(r, output[r.axis], k, s, e, zeros)


def _conv(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    strides = _per_axis(operation.strides, len(operation.kernel_size))
    return _sliding_window(operation, shape, r, output, operation.kernel_size, strides, operation.dilation_rate)


def _locally_connected(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    """Locally connected and tiled convolutions have the intervals of convolutions with their own padding."""
    sizes, zeros = operation.kernel_size, lambda kernel: padding_amounts(kernel, operation.padding)[0]
    return _sliding_window(operation, shape, r, output, sizes, operation.strides, (1,) * len(sizes), zeros)


def _pool(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    sizes = _per_axis(operation.pool_size, len(shape) - 2)
    strides = sizes if operation.strides is None else _per_axis(operation.strides, len(sizes))
    return _sliding_window(operation, shape, r, output, sizes, strides, (1,) * len(sizes))


def _spatial_normalization(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    return _sliding_window(operation, shape, r, output, (operation.size,) * 2, (1, 1), (1, 1), lambda size: size // 2)


def _adaptive(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    """Cell i of m over n positions reads floor(i n / m) to ceil((i + 1) n / m). The span is that of the widest cell."""
    if r.axis not in _spatial_axes(operation, shape):
        return r
    n, m = shape[r.axis], output[r.axis]
    start, end = np.arange(m) * n // m, -(-(np.arange(m) + 1) * n // m)
    widest = int((end - start).max())
    index = np.minimum(start[:, None] + np.arange(widest), end[:, None] - 1)
    if r.span is None or r.stride is None:
        return rc.gather_intervals(r, index, stride=None)
    span = int(r.span + (widest - 1) * r.stride)
    return rc.gather_intervals(r, index, span=span, stride=r.stride * Fraction(n, m))


def _reduce(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    """Reduce some axes (None: all) to a mean, sum or maximum. Later axes move up unless `keepdims` is set."""
    axis = range(len(shape)) if operation.axis is None else operation.axis
    axes = {a % len(shape) for a in ([axis] if isinstance(axis, int) else axis)}
    if r.axis is None or r.axis in axes:
        return r if r.axis is None else rc.global_pool(r)
    removed = 0 if getattr(operation, "keepdims", False) else sum(a < r.axis for a in axes)
    return replace(r, axis=r.axis - removed)


def _transpose(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    if r.axis is None:
        return r
    d = r.axis - _first_axis(operation)
    k, s, e = operation.kernel_size[d], operation.strides[d], operation.dilation_rate[d]
    cropping = max((k - 1) * e + 1 - s, 0) // 2 if operation.padding == "same" else 0
    return rc.transposed_window(r, output[r.axis], k, s, e, cropping)


def _pad(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    sign = -1 if hasattr(operation, "cropping") else 1
    if hasattr(operation, "pad_width"):  # keras.ops.pad
        amounts = dict(enumerate(operation.pad_width))
        if getattr(operation, "mode", "constant") != "constant":
            raise KerasRecipesError("Receptive fields through ops.pad are known for constant padding only")
    else:
        padding = operation.cropping if sign < 0 else operation.padding
        pairs = [padding] if isinstance(padding[0], int) else padding
        amounts = dict(enumerate(pairs, _first_axis(operation)))
    if r.axis is None:
        return r
    return rc.sliding_window(r, output[r.axis], 1, 1, 1, sign * int(amounts.get(r.axis, (0, 0))[0]))


def _upsample(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    mode = getattr(operation, "interpolation", "nearest")
    if mode not in ("nearest", "bilinear"):
        raise KerasRecipesError(f"Receptive fields through {mode} upsampling are not known: nearest and bilinear are")
    if r.axis is None:
        return r
    factors = operation.size if isinstance(operation.size, tuple | list) else (operation.size,)
    return rc.upsample(r, factors[r.axis - _first_axis(operation)], mode == "bilinear")


def _flatten(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    return rc.global_pool(r)


def _dense(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    return rc.global_pool(r) if r.axis == len(shape) - 1 else r


def _global_pooling(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    return rc.global_pool(r) if r.axis in _spatial_axes(operation, shape) else r


def _reshape(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    unchanged = 0  # number of leading axes with the same size before and after
    while unchanged < min(len(shape), len(output)) and shape[unchanged] == output[unchanged]:
        unchanged += 1
    return r if r.axis is not None and r.axis < unchanged else rc.global_pool(r)


def _permute(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    return r if r.axis is None else replace(r, axis=(0, *operation.dims).index(r.axis))


def _recurrent(operation: Any, shape: Any, r: ReceptiveInterval, output: Any) -> ReceptiveInterval:
    return rc.full_context(r) if len(output) > 2 and r.axis == 1 else rc.global_pool(r)


LAYER_RULES: dict[str, Any] = {
    **dict.fromkeys([f"{k}Conv{n}D" for k in ("", "Depthwise", "Separable") for n in (1, 2, 3)], _conv),
    **dict.fromkeys([f"Conv{n}DTranspose" for n in (1, 2, 3)], _transpose),
    **dict.fromkeys([f"{k}Pooling{n}D" for k in ("Max", "Average") for n in (1, 2, 3)], _pool),
    **dict.fromkeys([f"Adaptive{k}Pooling{n}D" for k in ("Max", "Average") for n in (1, 2, 3)], _adaptive),
    **dict.fromkeys([f"{k}{n}D" for k in ("LocallyConnected", "TiledConv") for n in (1, 2)], _locally_connected),
    **dict.fromkeys([f"Global{k}Pooling{n}D" for k in ("Max", "Average") for n in (1, 2, 3)], _global_pooling),
    **dict.fromkeys([f"{k}{n}D" for k in ("ZeroPadding", "Cropping") for n in (1, 2, 3)] + ["Pad"], _pad),
    **dict.fromkeys([f"UpSampling{n}D" for n in (1, 2, 3)], _upsample),
    **dict.fromkeys(["LSTM", "GRU", "SimpleRNN", "Bidirectional", "RNN"], _recurrent),
    "SpatialResponseNormalization": _spatial_normalization,
    "Flatten": _flatten, "Dense": _dense, "Reshape": _reshape, "Permute": _permute,
}  # fmt: skip

_REDUCTIONS = "Mean Sum Max Min Amax Amin Prod Std Var Any All Median Average Argmax Argmin Logsumexp"  # of keras.ops
REDUCTIONS = dict.fromkeys(_REDUCTIONS.split(), _reduce)  # the layer Average, a merge, has no axis
