"""What a layer of one input does to places, by its class name: `RULES`, and the operations that reduce axes, `REDUCTIONS`."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph import receptive_interval as rc
from kerasrecipes.graph.receptive_interval import ReceptiveInterval
from kerasrecipes.layers.locally_connected import padding_amounts

ReceptiveIntervals = tuple[ReceptiveInterval, ...]  # one for each axis of places of the input


def _spatial(operation: Any, shape: Any) -> int:
    """The first axis of places that a layer slides over."""
    return 2 if getattr(operation, "data_format", None) == "channels_first" else 1


def _sliding_window(
    operation: Any,
    shape: Any,
    field: ReceptiveIntervals,
    output: Any,
    kernel: Any,
    strides: Any,
    dilation: Any,
    zeros: Any = None,
) -> ReceptiveIntervals:
    """A window slides over the axes of places; `zeros`: those in front of it, from its size, where they are not Keras's."""
    first = _spatial(operation, shape)

    def one(r: ReceptiveInterval) -> ReceptiveInterval:
        d = None if r.axis is None else r.axis - first
        if d is None or not 0 <= d < len(kernel):
            return rc.global_pool(r) if d is not None and "Depthwise" not in type(operation).__name__ else r
        k, s, e = kernel[d], strides[d], dilation[d]
        keras_own = {"valid": 0, "causal": (k - 1) * e}.get(operation.padding, rc.same_padding(shape[r.axis], k, s, e))
        return rc.sliding_window(r, output[r.axis], k, s, e, keras_own if zeros is None else zeros(k))

    return tuple(one(r) for r in field)


def _conv(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    strides = operation.strides
    strides = (strides,) * len(operation.kernel_size) if isinstance(strides, int) else strides
    return _sliding_window(operation, shape, field, output, operation.kernel_size, strides, operation.dilation_rate)


def _unshared(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    """Locally connected and tiled convolutions: the places of ordinary ones, with other zeros in front."""

    def zeros(kernel: int) -> int:
        return padding_amounts(kernel, operation.padding)[0]

    sizes = operation.kernel_size
    return _sliding_window(operation, shape, field, output, sizes, operation.strides, (1,) * len(sizes), zeros)


def _adaptive(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    """Cell i of m along n places sees those from floor(i n / m) to ceil((i + 1) n / m); the span is that of the widest cell."""
    axes = range(2, len(shape)) if _spatial(operation, shape) == 2 else range(1, len(shape) - 1)

    def one(r: ReceptiveInterval) -> ReceptiveInterval:
        if r.axis not in axes:
            return r
        n, m = shape[r.axis], output[r.axis]
        begin, end = np.arange(m) * n // m, -(-(np.arange(m) + 1) * n // m)
        widest = int((end - begin).max())
        index = np.minimum(begin[:, None] + np.arange(widest), end[:, None] - 1)
        if r.span is None or r.stride is None:
            return rc.gather_intervals(r, index, stride=None)
        return rc.gather_intervals(
            r, index, span=int(r.span + (widest - 1) * r.stride), stride=r.stride * Fraction(n, m)
        )

    return tuple(map(one, field))


def _reduced(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    """A mean, sum or maximum over some axes (None: all); those behind them move up unless they are kept with one place."""
    given = range(len(shape)) if operation.axis is None else operation.axis
    axes = {a % len(shape) for a in ([given] if isinstance(given, int) else given)}

    def one(r: ReceptiveInterval) -> ReceptiveInterval:
        if r.axis is None:
            return r
        if r.axis in axes:
            return rc.global_pool(r)
        gone = 0 if getattr(operation, "keepdims", False) else sum(a < r.axis for a in axes)
        return replace(r, axis=r.axis - gone)

    return tuple(map(one, field))


def _pool(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    sizes = operation.pool_size
    sizes = (sizes,) * (len(shape) - 2) if isinstance(sizes, int) else sizes
    strides = operation.strides if operation.strides is not None else sizes
    strides = (strides,) * len(sizes) if isinstance(strides, int) else strides
    return _sliding_window(operation, shape, field, output, sizes, strides, (1,) * len(sizes))


def _transpose(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    first = _spatial(operation, shape)

    def one(r: ReceptiveInterval) -> ReceptiveInterval:
        if r.axis is None:
            return r
        d = r.axis - first
        k, s, e = operation.kernel_size[d], operation.strides[d], operation.dilation_rate[d]
        before = max((k - 1) * e + 1 - s, 0) // 2 if operation.padding == "same" else 0
        return rc.transposed_window(r, output[r.axis], k, s, e, before)

    return tuple(one(r) for r in field)


def _pad(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    if hasattr(operation, "pad_width"):  # keras.ops.pad
        amounts = dict(enumerate(operation.pad_width))
        if getattr(operation, "mode", "constant") != "constant":
            raise KerasRecipesError("Receptive fields through ops.pad are known for constant padding only")
    else:
        padding = operation.cropping if hasattr(operation, "cropping") else operation.padding
        pairs = [padding] if isinstance(padding[0], int) else padding
        amounts = {axis + _spatial(operation, shape): pair for axis, pair in enumerate(pairs)}
    sign = -1 if hasattr(operation, "cropping") else 1
    return tuple(
        r
        if r.axis is None
        else rc.sliding_window(r, output[r.axis], 1, 1, 1, sign * int(amounts.get(r.axis, (0, 0))[0]))
        for r in field
    )


def _upsample(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    linear = getattr(operation, "interpolation", "nearest")
    if linear not in ("nearest", "bilinear"):
        raise KerasRecipesError(f"Receptive fields through {linear} upsampling are not known: nearest and bilinear are")
    factors = operation.size if isinstance(operation.size, tuple | list) else (operation.size,)
    first = _spatial(operation, shape)
    return tuple(r if r.axis is None else rc.upsample(r, factors[r.axis - first], linear == "bilinear") for r in field)


def _collapse(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    return tuple(rc.global_pool(r) for r in field)


def _dense(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    return tuple(rc.global_pool(r) if r.axis == len(shape) - 1 else r for r in field)


def _global_pooling(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    axes = range(2, len(shape)) if _spatial(operation, shape) == 2 else range(1, len(shape) - 1)
    return tuple(rc.global_pool(r) if r.axis in axes else r for r in field)


def _reshape(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    kept = 0  # leading axes that stay as they are
    while kept < min(len(shape), len(output)) and shape[kept] == output[kept]:
        kept += 1
    return tuple(r if r.axis is not None and r.axis < kept else rc.global_pool(r) for r in field)


def _permute(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    order = (0, *operation.dims)
    return tuple(
        r if r.axis is None else ReceptiveInterval(order.index(r.axis), r.low, r.high, r.span, r.stride) for r in field
    )


def _recurrent(operation: Any, shape: Any, field: ReceptiveIntervals, output: Any) -> ReceptiveIntervals:
    keeps = len(output) > 2
    return tuple(rc.full_context(r) if keeps and r.axis == 1 else rc.global_pool(r) for r in field)


LAYER_RULES: dict[str, Any] = {
    **dict.fromkeys([f"{k}Conv{n}D" for k in ("", "Depthwise", "Separable") for n in (1, 2, 3)], _conv),
    **dict.fromkeys([f"Conv{n}DTranspose" for n in (1, 2, 3)], _transpose),
    **dict.fromkeys([f"{k}Pooling{n}D" for k in ("Max", "Average") for n in (1, 2, 3)], _pool),
    **dict.fromkeys([f"Adaptive{k}Pooling{n}D" for k in ("Max", "Average") for n in (1, 2, 3)], _adaptive),
    **dict.fromkeys([f"{k}{n}D" for k in ("LocallyConnected", "TiledConv") for n in (1, 2)], _unshared),
    **dict.fromkeys([f"Global{k}Pooling{n}D" for k in ("Max", "Average") for n in (1, 2, 3)], _global_pooling),
    **dict.fromkeys([f"{k}{n}D" for k in ("ZeroPadding", "Cropping") for n in (1, 2, 3)] + ["Pad"], _pad),
    **dict.fromkeys([f"UpSampling{n}D" for n in (1, 2, 3)], _upsample),
    **dict.fromkeys(["LSTM", "GRU", "SimpleRNN", "Bidirectional", "RNN"], _recurrent),
    "Flatten": _collapse, "Dense": _dense, "Reshape": _reshape, "Permute": _permute,
}  # fmt: skip

_REDUCTIONS = "Mean Sum Max Min Amax Amin Prod Std Var Any All Median Average Argmax Argmin Logsumexp"  # of keras.ops
REDUCTIONS = dict.fromkeys(_REDUCTIONS.split(), _reduced)  # the layer Average, a merge, has no axis
