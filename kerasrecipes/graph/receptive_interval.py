"""Receptive intervals: which input positions each output position depends on, along one axis of the input.

Each position stores its first and last input position, so padding, strides, dilation, branches and edges are exact without
formulas. `span` and `stride` are the theoretical values for an input without edges.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

EMPTY_INTERVAL = (1 << 40, -1)  # low, high of a position that depends on padding only


@dataclass(frozen=True)
class ReceptiveInterval:
    """Receptive intervals of a tensor's positions along one axis of the input."""

    axis: int | None  # of the tensor (0 is the batch) along the input's axis; None if all positions share one interval
    low: np.ndarray  # (positions,) first input position, (1,) if `axis` is None
    high: np.ndarray  # (positions,) last input position
    span: int | None = 1  # length of an interval far from all edges; None for the whole input
    stride: Fraction | None = Fraction(1)  # input positions between two neighboring positions

    @property
    def num_positions(self) -> int:
        return len(self.low)


def input_interval(axis: int, size: int) -> ReceptiveInterval:
    """Return the intervals of the input itself."""
    return ReceptiveInterval(axis, np.arange(size), np.arange(size))


def gather_intervals(interval: ReceptiveInterval, index: np.ndarray, **changes) -> ReceptiveInterval:
    """Return output intervals from the positions that they read, index (positions, taps). Positions outside are padding."""
    inside = (index >= 0) & (index < interval.num_positions)
    safe = np.clip(index, 0, interval.num_positions - 1)
    low = np.where(inside, interval.low[safe], EMPTY_INTERVAL[0]).min(1)
    high = np.where(inside, interval.high[safe], EMPTY_INTERVAL[1]).max(1)
    return replace(interval, low=low, high=high, **changes)


def sliding_window(
    interval: ReceptiveInterval, size: int, kernel: int, stride: int = 1, dilation: int = 1, padding: int = 0
) -> ReceptiveInterval:
    """Apply a convolution or pooling with `size` outputs and `padding` zeros before the first input."""
    known = interval.span is not None and interval.stride is not None
    span = int(interval.span + (kernel - 1) * dilation * interval.stride) if known else None  # type: ignore[operator]
    length = stride * (size - 1) + (kernel - 1) * dilation + 1

    def pool(values: np.ndarray, fill_value: int, ufunc: np.ufunc) -> np.ndarray:
        padded = np.full(length, fill_value)
        inside = values[max(-padding, 0) : max(length - padding, 0)]
        padded[max(padding, 0) : max(padding, 0) + len(inside)] = inside
        return sliding_min_max(padded, kernel, dilation, ufunc)[::stride]

    low, high = pool(interval.low, EMPTY_INTERVAL[0], np.minimum), pool(interval.high, EMPTY_INTERVAL[1], np.maximum)
    return replace(
        interval, low=low, high=high, span=span, stride=None if interval.stride is None else interval.stride * stride
    )


def sliding_min_max(values: np.ndarray, kernel: int, dilation: int, ufunc: np.ufunc) -> np.ndarray:
    """Return the minimum or maximum of `kernel` values with distance `dilation`, from each position on.

    The window doubles in each step, so kernels of thousands of taps are fast.
    """
    width, result = 1, values
    while 2 * width <= kernel:
        result = ufunc(result[: len(result) - width * dilation], result[width * dilation :])
        width *= 2
    rest = (kernel - width) * dilation
    return ufunc(result[: len(result) - rest], result[rest:]) if rest else result


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Return the number of zeros before the first input of a "same" convolution or pooling."""
    outputs = -(-size // stride)
    return max((outputs - 1) * stride + (kernel - 1) * dilation + 1 - size, 0) // 2


def transposed_window(
    interval: ReceptiveInterval, size: int, kernel: int, stride: int, dilation: int, cropping: int
) -> ReceptiveInterval:
    """Apply a transposed convolution whose first `cropping` outputs are dropped."""
    from_input = np.arange(size)[:, None] + cropping - dilation * np.arange(kernel)[None, :]
    index = np.where(from_input % stride == 0, from_input // stride, -1)
    if interval.span is None or interval.stride is None:
        return gather_intervals(interval, index)
    max_taps = -(-((kernel - 1) * dilation + 1) // stride)
    span = int(interval.span + (max_taps - 1) * interval.stride)
    return gather_intervals(interval, index, span=span, stride=interval.stride / stride)


def upsample(interval: ReceptiveInterval, factor: int, linear: bool = False) -> ReceptiveInterval:
    """Upsample by an integer factor from the nearest position, or with `linear` between two (half-pixel centers)."""
    positions = np.arange(interval.num_positions * factor)
    if linear:
        left = np.floor((positions + 0.5) / factor - 0.5).astype(int)
        exact = (2 * positions + 1 - factor) % (2 * factor) == 0  # on a position: its neighbor has no weight
        index = np.stack([left, np.where(exact, left, left + 1)], axis=1).clip(0, interval.num_positions - 1)
    else:
        index = positions[:, None] // factor
    stride = None if interval.stride is None else interval.stride / factor
    span = interval.span
    if linear and span is not None and interval.stride is not None and factor > 1:
        span = int(span + interval.stride)
    return gather_intervals(interval, index, stride=stride, span=span)


def global_pool(interval: ReceptiveInterval) -> ReceptiveInterval:
    """Merge all positions into one: flattening, global pooling, dense layers over positions."""
    return ReceptiveInterval(None, np.array([interval.low.min()]), np.array([interval.high.max()]), None, None)


def full_context(interval: ReceptiveInterval) -> ReceptiveInterval:
    """Let each position depend on all: recurrences, attention, normalization over positions."""
    if interval.axis is None:
        return interval
    n = interval.num_positions
    low, high = np.full(n, interval.low.min()), np.full(n, interval.high.max())
    return ReceptiveInterval(interval.axis, low, high, None, interval.stride)


def union(intervals: list[ReceptiveInterval]) -> ReceptiveInterval:
    """Merge branches that are added, multiplied or concatenated along the channels."""
    axes = {r.axis for r in intervals if r.axis is not None}
    if len(axes) > 1:
        low, high = (np.concatenate([getattr(r, k) for r in intervals]) for k in ("low", "high"))
        return global_pool(ReceptiveInterval(None, low, high))
    n = max(r.num_positions for r in intervals)
    low = np.min([np.broadcast_to(r.low, n) for r in intervals], axis=0)
    high = np.max([np.broadcast_to(r.high, n) for r in intervals], axis=0)
    strides = {r.stride for r in intervals if r.axis is not None}
    spans = [r.span for r in intervals]
    span = None if None in spans else max(s for s in spans if s is not None)
    return ReceptiveInterval(
        axes.pop() if axes else None, low, high, span, strides.pop() if len(strides) == 1 else None
    )


def concatenate(intervals: list[ReceptiveInterval]) -> ReceptiveInterval:
    """Merge branches that are concatenated along this axis."""
    merged = union(
        [full_context(r) if r.axis is None else replace(r, low=r.low[:1], high=r.high[:1]) for r in intervals]
    )
    low, high = (np.concatenate([getattr(r, k) for r in intervals]) for k in ("low", "high"))
    return replace(merged, low=low, high=high)
