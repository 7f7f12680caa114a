"""Sequences of unequal length in one batch: masks, and what a layer does to time."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops


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
        """Output steps of `length` input steps (an int, an array or a tensor), never negative."""
        steps = (length + self.left + self.right - (self.span or 1)) // self.stride + 1
        if isinstance(steps, int):
            return max(steps, 0)
        return np.maximum(steps, 0) if isinstance(steps, np.ndarray | np.integer) else ops.maximum(steps, 0)


def chain(geometries: list[TimeGeometry]) -> TimeGeometry:
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


def mask(x: Any, length: Any) -> Any:
    """True for the valid steps of `x` (batch, steps, ...): a boolean tensor (batch, steps)."""
    return ops.arange(ops.shape(x)[1])[None, :] < ops.cast(length, "int32")[:, None]


def zero_behind(x: Any, length: Any) -> Any:
    """`x` (batch, steps, ...) with every step behind its item's length set to zero."""
    valid = mask(x, length)
    for _ in range(len(x.shape) - 2):
        valid = ops.expand_dims(valid, -1)
    return ops.where(valid, x, ops.zeros((), dtype=x.dtype))


class SequenceLayer(keras.layers.Layer):
    """A layer on `(x, length)` that returns `(y, new length)`; subclasses set `geometry` and `compute`."""

    geometry = TimeGeometry()

    def compute(self, x: Any, length: Any, training: bool | None = None) -> Any:
        """The values, not yet masked."""
        raise NotImplementedError

    def trailing_shape(self, shape: tuple) -> tuple:
        """Sizes behind (batch, steps) that come out where `shape` goes in; unchanged unless overridden."""
        return tuple(shape[2:])

    def compute_output_spec(self, x: Any, length: Any, training: bool | None = None) -> tuple[Any, Any]:
        steps = None if x.shape[1] is None else self.geometry.output_length(x.shape[1])
        shape = (x.shape[0], steps, *self.trailing_shape(x.shape))
        return keras.KerasTensor(shape, dtype=self.compute_dtype), keras.KerasTensor(length.shape, dtype="int32")

    def call(self, x: Any, length: Any, training: bool | None = None) -> tuple[Any, Any]:
        new_length = ops.cast(self.geometry.output_length(ops.cast(length, "int32")), "int32")
        return zero_behind(self.compute(x, length, training), new_length), new_length


@keras.saving.register_keras_serializable("kerasrecipes")
class Mask(SequenceLayer):
    """Set everything behind each item's length to zero: whatever lies there reaches no layer above.

    Args of the call: `x` (batch, steps, ...), `length` (batch,) integer.
    """

    def compute(self, x, length, training=None):
        return x
