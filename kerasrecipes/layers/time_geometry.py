"""Receptive fields, strides and lengths of layers over time. Does not import Keras, so that every engine can use it."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kerasrecipes._lazy import keras


@dataclass(frozen=True)
class TimeGeometry:
    """Mapping of the input steps of a layer to its output steps.

    Args:
        receptive_field: Input steps that one output step depends on; None for the whole sequence.
        stride: Input steps between two output steps.
        left: Zero steps added before each item.
        right: Zero steps added after each item.
        multiple: The output is extended to a multiple of so many steps, as if more zeros were added after the item.
    """

    receptive_field: int | None = 1
    stride: int = 1
    left: int = 0
    right: int = 0
    multiple: int = 1

    def output_length(self, length: Any) -> Any:
        """Return the number of output steps for `length` input steps (an int, an array or a tensor).

        Zero input steps give zero output steps, whatever the padding.
        """
        concrete, field = isinstance(length, int | np.ndarray | np.integer), self.receptive_field or 1
        steps = (length + self.left + self.right - field) // self.stride + 1
        if self.left + self.right >= field:  # the padding alone would give some
            steps = steps * (length > 0 if concrete else keras.ops.cast(length > 0, length.dtype))
        if self.multiple > 1:
            steps = (steps + self.multiple - 1) // self.multiple * self.multiple
        if isinstance(steps, int):
            return max(steps, 0)
        return np.maximum(steps, 0) if concrete else keras.ops.maximum(steps, 0)

    def context_steps(self, start: int = 0) -> int:
        """Return the past steps that streaming keeps, so that chunks of whole strides give whole strides of output.

        Args:
            start: Index of the first step of the first chunk; negative after layers that lag.
        """
        minimum = (self.receptive_field or 1) - self.stride
        # at least the padding before the first step, which may be wider than the receptive field
        context = max(minimum + (self.left + start - minimum) % self.stride, self.left + start)
        if context < 0:
            raise NotImplementedError(f"{self} skips steps: it cannot run in chunks that begin at step {start}")
        return context


def compose(geometries: list[TimeGeometry]) -> TimeGeometry:
    """Return the geometry of layers applied one after the other, without their multiples. The first one is nearest to the input."""
    field: int | None = 1
    stride, left, right = 1, 0, 0
    for g in geometries:
        field = None if field is None or g.receptive_field is None else field + (g.receptive_field - 1) * stride
        left, right = left + g.left * stride, right + g.right * stride
        stride *= g.stride
    return TimeGeometry(field, stride, left, right)


def output_length(geometries: list[TimeGeometry], length: Any) -> Any:
    """Return the number of output steps of layers applied one after the other."""
    for geometry in geometries:
        length = geometry.output_length(length)
    return length


def first_center(geometries: list[TimeGeometry]) -> float:
    """Return the input step in the middle of the first output step's receptive field. Each further one is a stride later.

    Layers that depend on the whole sequence count as layers of one step, because their steps stand at the same times.
    """
    geometry = compose([replace(g, receptive_field=g.receptive_field or 1) for g in geometries])
    return ((geometry.receptive_field or 1) - 1) / 2 - geometry.left


def count_zeros(padding: str, span: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after the input of a convolution.

    Args:
        padding: "symmetric": as many on both sides as give ceil(length / stride) steps; "same": span - 1, the smaller half before,
            or "same_multiple": the ones that TensorFlow's "same" adds to an input whose length is a multiple of the stride.
        span: Input steps from the first to the last tap of the filter.
        stride: Input steps between two output steps.
    """
    totals = {"symmetric": 2 * math.ceil((span - stride) / 2), "same": span - 1, "same_multiple": max(span - stride, 0)}
    total = totals[padding]
    return total // 2, total - total // 2
