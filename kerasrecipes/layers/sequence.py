"""Layers on sequences of unequal length in one batch: masks, padding and streaming."""

import os
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.base import ConfigLayer
from kerasrecipes.layers.time_geometry import TimeGeometry


def sequence_mask(x: Any, length: Any) -> Any:
    """Return True for the valid steps of `x` (batch, steps, ...): a boolean tensor (batch, steps)."""
    return ops.arange(ops.shape(x)[1])[None, :] < ops.cast(length, "int32")[:, None]


def zero_outside_range(x: Any, position: Any, length: Any) -> Any:
    """Set all steps of `x` (batch, steps, ...) but 0 ... length-1 to zero. Its first step has index `position` (batch,)."""
    index = position[:, None] + ops.arange(ops.shape(x)[1])[None, :]
    return _where_valid(ops.logical_and(index >= 0, index < length[:, None]), x)


def torch_enabled() -> bool:
    """Return True on the torch backend unless the environment variable `KERASRECIPES_FUSED=0` turns its fast kernels off."""
    return keras.config.backend() == "torch" and os.environ.get("KERASRECIPES_FUSED", "1") != "0"


def torch_ops_or_none(x: Any) -> Any:
    """Return the module of torch's fast operations if they support the tensor `x`, else None."""
    if not torch_enabled():
        return None
    from kerasrecipes.layers import torch_sequence_ops

    return torch_sequence_ops if torch_sequence_ops.is_supported(x) else None


def zero_after_length(x: Any, length: Any) -> Any:
    """Set every step of `x` (batch, steps, ...) after its item's length to zero."""
    if fused := torch_ops_or_none(x):
        return fused.zero_after_length_op(x, length)
    return _where_valid(sequence_mask(x, length), x)


def _where_valid(valid: Any, x: Any) -> Any:
    for _ in range(len(x.shape) - 2):
        valid = ops.expand_dims(valid, -1)
    return ops.where(valid, x, ops.zeros((), dtype=x.dtype))


class UtteranceStatistics:
    """Sums over all steps of one utterance, from which a layer normalizes it block by block.

    Attributes:
        count: Number of steps.
        total: Sum of the steps, of the shape of a step, float64.
        squares: Sum of their squares.
        maximum: Largest value.
    """

    def __init__(self) -> None:
        self.count, self.maximum = 0, -np.inf
        self.total: Any = np.float64(0)
        self.squares: Any = np.float64(0)

    @classmethod
    def of(cls, x: np.ndarray) -> "UtteranceStatistics":
        """Return the statistics of a whole utterance (steps, ...)."""
        statistics = cls()
        statistics.add(x)
        return statistics

    def add(self, x: np.ndarray) -> None:
        """Add the next steps (n, ...)."""
        self.count += len(x)
        self.total = self.total + x.sum(axis=0, dtype="float64")
        self.squares = self.squares + np.square(x, dtype="float64").sum(axis=0)
        self.maximum = max(self.maximum, float(x.max(initial=-np.inf)))

    def split(self, count: int) -> "list[UtteranceStatistics]":
        """Return the statistics of equal blocks of features."""
        parts = [UtteranceStatistics() for _ in range(count)]
        for part, total, squares in zip(parts, np.split(self.total, count), np.split(self.squares, count), strict=True):
            part.count, part.maximum, part.total, part.squares = self.count, self.maximum, total, squares
        return parts

    def mean(self) -> np.ndarray:
        """Return the mean of each feature."""
        return self.total / max(self.count, 1)

    def deviations(self, mean: Any) -> float:
        """Return the sum of all squared differences from `mean`, of each feature or of all."""
        return float(np.sum(self.squares - 2 * mean * self.total + self.count * np.square(mean)))


class StreamableLayer(ConfigLayer):
    """Base class of layers that mix time steps.

    `geometry` describes stride and padding; `stream` computes the same outputs chunk by chunk.
    """

    geometry = TimeGeometry()
    whole_utterance = False

    def stream_state_shapes(self, shape: tuple, start: int) -> list[tuple]:
        """Return the shapes of the states of `stream`, which start at zero.

        Args:
            shape: Shape of the inputs (batch, steps, ...).
            start: Index of the first step of the first chunk.
        """
        raise NotImplementedError

    def stream(self, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, Any, list]:
        """Compute the next chunk in inference mode.

        Args:
            x: (batch, whole strides, ...).
            position: (batch,) index of the first step of `x`.
            length: (batch,) steps of the utterances; a large number while it is unknown.
            states: Tensors of the shapes that `stream_state_shapes` returns.

        Returns:
            The outputs, their position, the outputs' length and the new states.
        """
        raise NotImplementedError

    def output_feature_shape(self, shape: tuple) -> tuple:
        """Return the output sizes after (batch, steps) for an input of `shape`. Unchanged unless overridden."""
        return tuple(shape[2:])


class CausalLayer(StreamableLayer):
    """A layer on `x` alone that sees `context_steps` past steps, zeros before the first one, and no future step.

    Padding after an item's length cannot influence earlier steps, so neither lengths nor masks are needed.
    """

    context_steps = 0

    @property
    def geometry(self) -> TimeGeometry:  # type: ignore[override]
        """Geometry with as many output steps as input steps."""
        return TimeGeometry(1 + self.context_steps, 1, self.context_steps)

    def stream_value_shapes(self, shape: tuple) -> list[tuple]:
        """Return the shapes of the states of `stream_values` for inputs of `shape` (batch, steps, ...)."""
        raise NotImplementedError

    def stream_values(self, x: Any, past: list) -> tuple[Any, list]:
        """Return the outputs of steps that follow `past`, and the past of the next chunk."""
        raise NotImplementedError

    def stream_state_shapes(self, shape: tuple, start: int) -> list[tuple]:
        if start:
            raise NotImplementedError(f"{type(self).__name__} supports no steps before the first: it cannot lag")
        return self.stream_value_shapes(shape)

    def stream(self, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, Any, list]:
        y, states = self.stream_values(x, states)
        return y, position, length, states


class SequenceLayer(StreamableLayer):
    """A layer on `(x, length)` that returns `(y, new length)`. Subclasses set `geometry` and `call_padded`.

    Layers that see the whole utterance set `whole_utterance` and define `call_numpy`, so that a long one runs in blocks. Those that
    normalize it set `needs_statistics`. Those that treat its ends in a way of their own set `numpy_context`. When streaming, steps
    outside the utterance become zero.
    """

    needs_statistics = False
    numpy_context = 0  # steps on both sides of a block that its outputs depend on

    def call_numpy(self, x: np.ndarray, statistics: UtteranceStatistics | None = None) -> np.ndarray:
        """Compute the layer on steps (n, ...) float32 of one utterance in numpy.

        Args:
            x: The utterance, or a block of it.
            statistics: Those of the whole utterance, for a layer that needs them. Default: those of `x`.
        """
        raise NotImplementedError

    def call_padded(self, x: Any) -> Any:
        """Compute the layer on steps that already include their padding."""
        raise NotImplementedError

    def call_unmasked(self, x: Any, length: Any, training: bool | None = None) -> Any:
        """Compute the outputs of whole utterances before masking: `call_padded` on padded steps unless overridden."""
        g = self.geometry
        if g.left or g.right:
            x = ops.pad(x, [(0, 0), (g.left, g.right)] + [(0, 0)] * (len(x.shape) - 2))
        return self.call_padded(x)

    def stream_state_shapes(self, shape: tuple, start: int) -> list[tuple]:
        if self.whole_utterance or self.geometry.receptive_field is None:
            raise NotImplementedError(f"{type(self).__name__} sees the whole utterance: it cannot run in chunks")
        context = self.geometry.context_steps(start)
        return [(context, *shape[2:])] if context else []

    def stream(self, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, Any, list]:
        context, g = states[0].shape[1] if states else 0, self.geometry
        if context:
            x = ops.concatenate([states[0], x], axis=1)
            states = [x[:, -context:]]
            minimum = (g.receptive_field or 1) - g.stride
            lag = context - minimum - (context - minimum) % g.stride  # steps that wait after a wide padding
            x = x[:, :-lag] if lag > 0 else x
        position = (position - context + g.left) // g.stride
        length = g.output_length(length)
        return zero_outside_range(self.call_padded(x), position, length), position, length, states

    def compute_output_spec(self, x: Any, length: Any, training: bool | None = None) -> tuple[Any, Any]:
        steps = None if x.shape[1] is None else self.geometry.output_length(x.shape[1])
        shape = (x.shape[0], steps, *self.output_feature_shape(x.shape))
        return keras.KerasTensor(shape, dtype=self.compute_dtype), keras.KerasTensor(length.shape, dtype="int32")

    def call(self, x: Any, length: Any, training: bool | None = None) -> tuple[Any, Any]:
        new_length = ops.cast(self.geometry.output_length(ops.cast(length, "int32")), "int32")
        return zero_after_length(self.call_unmasked(x, length, training), new_length), new_length


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceMask(SequenceLayer):
    """Set all steps after each item's length to zero, so padding never influences later layers.

    Call: `x` (batch, steps, ...), `length` (batch,) integer.
    """

    def call_padded(self, x):
        return x
