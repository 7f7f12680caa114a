"""Sequences of unequal length in one batch: masks, and what a layer does to time."""

import os
from typing import Any

import keras
from keras import ops

from kerasrecipes.layers.time_geometry import TimeGeometry, compose, output_length

__all__ = [
    "CausalLayer", "SequenceMask", "SequenceLayer", "TimeGeometry", "StreamableLayer", "compose", "torch_ops_or_none", "sequence_mask", "output_length", "zero_after_length",
    "zero_outside_range",
]  # fmt: skip


def sequence_mask(x: Any, length: Any) -> Any:
    """True for the valid steps of `x` (batch, steps, ...): a boolean tensor (batch, steps)."""
    return ops.arange(ops.shape(x)[1])[None, :] < ops.cast(length, "int32")[:, None]


def zero_outside_range(x: Any, position: Any, length: Any) -> Any:
    """`x` (batch, steps, ...), whose first step has the index `position` (batch,), with all but 0 ... length-1 set to zero."""
    index = position[:, None] + ops.arange(ops.shape(x)[1])[None, :]
    valid = ops.logical_and(index >= 0, index < length[:, None])
    for _ in range(len(x.shape) - 2):
        valid = ops.expand_dims(valid, -1)
    return ops.where(valid, x, ops.zeros((), dtype=x.dtype))


def torch_ops_or_none(x: Any) -> Any:
    """The module of torch's fast steps where they serve the tensor `x`, else None; `KERASRECIPES_FUSED=0` turns them off."""
    if keras.config.backend() != "torch" or os.environ.get("KERASRECIPES_FUSED", "1") == "0":
        return None
    from kerasrecipes.layers import torch_sequence_ops

    return torch_sequence_ops if torch_sequence_ops.is_supported(x) else None


def zero_after_length(x: Any, length: Any) -> Any:
    """`x` (batch, steps, ...) with every step behind its item's length set to zero."""
    if fused := torch_ops_or_none(x):
        return fused.zero_behind(x, length)
    valid = sequence_mask(x, length)
    for _ in range(len(x.shape) - 2):
        valid = ops.expand_dims(valid, -1)
    return ops.where(valid, x, ops.zeros((), dtype=x.dtype))


class StreamableLayer(keras.layers.Layer):
    """A layer that mixes steps: `geometry` says what it does to time, `advance` gives the same values piece by piece."""

    geometry = TimeGeometry()
    whole_utterance = False

    def state_shapes(self, shape: tuple, start: int) -> list[tuple]:
        """What `advance` carries for inputs of `shape` (batch, steps, ...) that begin at step `start`; zeros at first."""
        raise NotImplementedError

    def advance(self, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, Any, list]:
        """The next piece in inference: `x` (batch, whole strides, ...), whose first step has the index `position` (batch,).

        Args:
            length: (batch,) steps of the utterances; a large number while it is not known.
            states: as `state_shapes` has them.

        Returns:
            The outputs, their position, the outputs' length, the new states.
        """
        raise NotImplementedError

    def output_feature_shape(self, shape: tuple) -> tuple:
        """Sizes behind (batch, steps) that come out where `shape` goes in; unchanged unless overridden."""
        return tuple(shape[2:])


class CausalLayer(StreamableLayer):
    """A layer on `x` alone that sees `memory` steps of the past, zeros before the first, and nothing of the future.

    What lies behind an item's length reaches no step before it, so that neither lengths nor masks are needed.
    """

    memory = 0

    @property
    def geometry(self) -> TimeGeometry:  # type: ignore[override]
        """As many steps come out as go in."""
        return TimeGeometry(1 + self.memory, 1, self.memory)

    def stream_value_shapes(self, shape: tuple) -> list[tuple]:
        """What `proceed` carries for inputs of `shape` (batch, steps, ...)."""
        raise NotImplementedError

    def stream_values(self, x: Any, past: list) -> tuple[Any, list]:
        """The layer on steps that follow `past`, and the past of the next ones."""
        raise NotImplementedError

    def state_shapes(self, shape: tuple, start: int) -> list[tuple]:
        if start:
            raise NotImplementedError(f"{type(self).__name__} knows no steps before the first: it cannot lag")
        return self.stream_value_shapes(shape)

    def advance(self, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, Any, list]:
        y, states = self.stream_values(x, states)
        return y, position, length, states


class SequenceLayer(StreamableLayer):
    """A layer on `(x, length)` that returns `(y, new length)`; subclasses set `geometry` and `apply`.

    Layers that see the whole utterance say so in `whole_utterance` and have `over_whole`: one utterance, (steps, ...)
    float32, in numpy and in little memory. In pieces, steps outside the utterance come out as zero.
    """

    def apply(self, x: Any) -> Any:
        """The layer on steps that already carry their padding."""
        raise NotImplementedError

    def compute(self, x: Any, length: Any, training: bool | None = None) -> Any:
        """The values of whole utterances, not yet masked: `apply` on padded steps unless overridden."""
        g = self.geometry
        if g.left or g.right:
            x = ops.pad(x, [(0, 0), (g.left, g.right)] + [(0, 0)] * (len(x.shape) - 2))
        return self.apply(x)

    def state_shapes(self, shape: tuple, start: int) -> list[tuple]:
        if self.whole_utterance or self.geometry.span is None:
            raise NotImplementedError(f"{type(self).__name__} sees the whole utterance: it cannot run in pieces")
        kept = self.geometry.memory(start)
        return [(kept, *shape[2:])] if kept else []

    def advance(self, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, Any, list]:
        kept, g = states[0].shape[1] if states else 0, self.geometry
        if kept:
            x = ops.concatenate([states[0], x], axis=1)
            states = [x[:, -kept:]]
            least = (g.span or 1) - g.stride
            lag = kept - least - (kept - least) % g.stride  # steps that wait behind a wide padding
            x = x[:, :-lag] if lag > 0 else x
        position = (position - kept + g.left) // g.stride
        length = g.output_length(length)
        return zero_outside_range(self.apply(x), position, length), position, length, states

    def compute_output_spec(self, x: Any, length: Any, training: bool | None = None) -> tuple[Any, Any]:
        steps = None if x.shape[1] is None else self.geometry.output_length(x.shape[1])
        shape = (x.shape[0], steps, *self.output_feature_shape(x.shape))
        return keras.KerasTensor(shape, dtype=self.compute_dtype), keras.KerasTensor(length.shape, dtype="int32")

    def call(self, x: Any, length: Any, training: bool | None = None) -> tuple[Any, Any]:
        new_length = ops.cast(self.geometry.output_length(ops.cast(length, "int32")), "int32")
        return zero_after_length(self.compute(x, length, training), new_length), new_length


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceMask(SequenceLayer):
    """Set everything behind each item's length to zero: whatever lies there reaches no layer above.

    Args of the call: `x` (batch, steps, ...), `length` (batch,) integer.
    """

    def apply(self, x):
        return x
