"""How places of one tensor see places of another: windows, merges and collapses along one axis of the input.

Each place of an axis knows the first and the last input place that it sees. Padding, strides, dilation, branches and
edges are then exact without formulas; `span` and `stride` are the theoretical ones, as if the input had no edges.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

EMPTY_INTERVAL = (1 << 40, -1)  # low, high of what sees only padding


@dataclass(frozen=True)
class ReceptiveInterval:
    """What the places of a tensor see of one axis of the input.

    Args:
        axis: of the tensor (0 is the batch) that runs along the input's axis; None where all places see the same.
        low, high: (places,) first and last input place seen, (1,) where `axis` is None.
        span: places seen far from all edges; None where it is the whole input. stride: input places between two places.
    """

    axis: int | None
    low: np.ndarray
    high: np.ndarray
    span: int | None = 1
    stride: Fraction | None = Fraction(1)

    @property
    def places(self) -> int:
        return len(self.low)


def input_interval(axis: int, places: int) -> ReceptiveInterval:
    """Of the input itself."""
    return ReceptiveInterval(axis, np.arange(places), np.arange(places))


def gather_intervals(reach: ReceptiveInterval, index: np.ndarray, **changes) -> ReceptiveInterval:
    """Output places that see the input places index (places, taps); those outside are padding and see nothing."""
    inside = (index >= 0) & (index < reach.places)
    safe = np.clip(index, 0, reach.places - 1)
    low = np.where(inside, reach.low[safe], EMPTY_INTERVAL[0]).min(1)
    high = np.where(inside, reach.high[safe], EMPTY_INTERVAL[1]).max(1)
    return replace(reach, low=low, high=high, **changes)


def sliding_window(
    reach: ReceptiveInterval, places: int, kernel: int, stride: int = 1, dilation: int = 1, before: int = 0
) -> ReceptiveInterval:
    """A convolution or pooling with `before` zeros in front."""
    span = (
        None if reach.span is None or reach.stride is None else int(reach.span + (kernel - 1) * dilation * reach.stride)
    )
    needed = stride * (places - 1) + (kernel - 1) * dilation + 1

    def seen(values: np.ndarray, nothing: int, best: np.ufunc) -> np.ndarray:
        padded = np.full(needed, nothing)
        inside = values[max(-before, 0) : max(needed - before, 0)]
        padded[max(before, 0) : max(before, 0) + len(inside)] = inside
        return sliding_min_max(padded, kernel, dilation, best)[::stride]

    low, high = seen(reach.low, EMPTY_INTERVAL[0], np.minimum), seen(reach.high, EMPTY_INTERVAL[1], np.maximum)
    return replace(reach, low=low, high=high, span=span, stride=None if reach.stride is None else reach.stride * stride)


def sliding_min_max(values: np.ndarray, kernel: int, dilation: int, best: np.ufunc) -> np.ndarray:
    """The least or largest of `kernel` values, `dilation` apart, from each place on: by doubling, for kernels of thousands."""
    width, found = 1, values
    while 2 * width <= kernel:
        found = best(found[: len(found) - width * dilation], found[width * dilation :])
        width *= 2
    rest = (kernel - width) * dilation
    return best(found[: len(found) - rest], found[rest:]) if rest else found


def same_padding(places: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Zeros in front of "same" convolutions and poolings."""
    outputs = -(-places // stride)
    return max((outputs - 1) * stride + (kernel - 1) * dilation + 1 - places, 0) // 2


def transposed_window(
    reach: ReceptiveInterval, places: int, kernel: int, stride: int, dilation: int, before: int
) -> ReceptiveInterval:
    """A transposed convolution, `before` of whose outputs are cut off in front."""
    from_input = np.arange(places)[:, None] + before - dilation * np.arange(kernel)[None, :]
    index = np.where(from_input % stride == 0, from_input // stride, -1)
    if reach.span is None or reach.stride is None:
        return gather_intervals(reach, index)
    most = -(-((kernel - 1) * dilation + 1) // stride)
    step = reach.stride / stride
    return gather_intervals(reach, index, span=int(reach.span + (most - 1) * reach.stride), stride=step)


def upsample(reach: ReceptiveInterval, factor: int, linear: bool = False) -> ReceptiveInterval:
    """Upsampling by a whole factor: the nearest place, or `linear` between two (half-pixel centres)."""
    places = np.arange(reach.places * factor)
    if linear:
        left = np.floor((places + 0.5) / factor - 0.5).astype(int)
        exact = (2 * places + 1 - factor) % (2 * factor) == 0  # on a place: its neighbour weighs nothing
        index = np.stack([left, np.where(exact, left, left + 1)], axis=1).clip(0, reach.places - 1)
    else:
        index = places[:, None] // factor
    stride = None if reach.stride is None else reach.stride / factor
    span = reach.span
    if linear and span is not None and reach.stride is not None and factor > 1:
        span = int(span + reach.stride)
    return gather_intervals(reach, index, stride=stride, span=span)


def global_pool(reach: ReceptiveInterval) -> ReceptiveInterval:
    """Every place sees what all saw together: flattening, global pooling, dense layers over places."""
    return ReceptiveInterval(None, np.array([reach.low.min()]), np.array([reach.high.max()]), None, None)


def full_context(reach: ReceptiveInterval) -> ReceptiveInterval:
    """Places stay, and each sees what all saw together: recurrences, attention, normalisation over places."""
    if reach.axis is None:
        return reach
    n = reach.places
    return ReceptiveInterval(reach.axis, np.full(n, reach.low.min()), np.full(n, reach.high.max()), None, reach.stride)


def union(reaches: list[ReceptiveInterval]) -> ReceptiveInterval:
    """Branches that are added, multiplied or concatenated along the maps."""
    axes = {r.axis for r in reaches if r.axis is not None}
    if len(axes) > 1:
        return global_pool(
            ReceptiveInterval(None, np.concatenate([r.low for r in reaches]), np.concatenate([r.high for r in reaches]))
        )
    n = max(r.places for r in reaches)
    low = np.min([np.broadcast_to(r.low, n) for r in reaches], axis=0)
    high = np.max([np.broadcast_to(r.high, n) for r in reaches], axis=0)
    strides = {r.stride for r in reaches if r.axis is not None}
    spans = [r.span for r in reaches]
    span = None if None in spans else max(s for s in spans if s is not None)
    return ReceptiveInterval(
        axes.pop() if axes else None, low, high, span, strides.pop() if len(strides) == 1 else None
    )


def concatenate(reaches: list[ReceptiveInterval]) -> ReceptiveInterval:
    """Branches that are concatenated along this axis."""
    together = union(
        [full_context(r) if r.axis is None else replace(r, low=r.low[:1], high=r.high[:1]) for r in reaches]
    )
    low, high = (np.concatenate([getattr(r, k) for r in reaches]) for k in ("low", "high"))
    return replace(together, low=low, high=high)
