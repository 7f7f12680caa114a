"""What layers do to time: receptive fields, strides, lengths. Needs no Keras, so that every engine can use it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes._lazy import keras


@dataclass(frozen=True)
class TimeGeometry:
    """How a layer maps its input steps to its output steps.

    Args:
        span: input steps that one output step sees (receptive field); None where it sees the whole sequence.
        stride: input steps between two output steps.
        left, right: zero steps that are put before and behind each item.
    """

    span: int | None = 1
    stride: int = 1
    left: int = 0
    right: int = 0

    def output_length(self, length: Any) -> Any:
        """Output steps of `length` input steps (an int, an array or a tensor), never negative; of nothing comes nothing."""
        steps = (length + self.left + self.right - (self.span or 1)) // self.stride + 1
        if self.left + self.right >= (self.span or 1):  # padding alone would give some
            steps = steps * (
                length > 0
                if isinstance(length, int | np.ndarray | np.integer)
                else keras.ops.cast(length > 0, length.dtype)
            )
        if isinstance(steps, int):
            return max(steps, 0)
        return np.maximum(steps, 0) if isinstance(steps, np.ndarray | np.integer) else keras.ops.maximum(steps, 0)

    def memory(self, start: int = 0) -> int:
        """Past steps that running in pieces keeps, so that pieces of whole strides give whole strides of output.

        Args:
            start: index of the first piece's first step; negative behind layers that lag.
        """
        span = self.span or 1
        least = span - self.stride
        # at least the padding in front, which may be wider than the span
        kept = max(least + (self.left + start - least) % self.stride, self.left + start)
        if kept < 0:
            raise NotImplementedError(f"{self} skips steps: it cannot run in pieces that begin at step {start}")
        return kept


def compose(geometries: list[TimeGeometry]) -> TimeGeometry:
    """The geometry of layers applied one after the other (first listed = nearest the input)."""
    span: int | None = 1
    stride, left, right = 1, 0, 0
    for g in geometries:
        span = None if span is None or g.span is None else span + (g.span - 1) * stride
        left, right = left + g.left * stride, right + g.right * stride
        stride *= g.stride
    return TimeGeometry(span, stride, left, right)


def output_length(geometries: list[TimeGeometry], length: Any) -> Any:
    """Output steps of layers applied one after the other."""
    for geometry in geometries:
        length = geometry.output_length(length)
    return length
