"""A network over pieces of a sequence, with the same scores as over the whole.

Finite layers keep the last steps they still need, forward recurrences their state. Every layer knows the index of its
first step, which is negative while those before it lag: steps before the beginning and behind the end are zero, as the
padding of the whole would be, and leave a recurrence's state alone.
"""

from typing import Any

import keras

from kerasrecipes.inference.compiled import compile_forward
from kerasrecipes.inference.streaming_state import StreamingState
from kerasrecipes.layers.sequence import StreamableLayer
from kerasrecipes.layers.time_geometry import compose

__all__ = ["StreamingState", "StreamingModel"]


class StreamingStep(keras.layers.Layer):
    """A chain of layers on one piece: (x, position, length, states) -> (y, position, states).

    Args:
        chained: the layers and operations from input to output; those that are no `TimeLayer` act on single steps.
    """

    def __init__(self, chained: list, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})  # or a mixed policy would halve what the first layers get
        self.layer_sequence = chained

    def call(self, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, list]:
        kept, new = list(states), []
        for layer, count in zip(self.layer_sequence, self.counts, strict=True):
            if isinstance(layer, StreamableLayer):
                own, kept = kept[:count], kept[count:]
                x, position, length, own = layer.advance(x, position, length, own)
                new += [keras.ops.cast(s, "float32") for s in own]  # of any layer's precision: they come back as inputs
            else:
                x = layer(x)
        return x, position, new

    def plan(self, shape: tuple, dtype: str) -> list[tuple]:
        """Shapes of all states for pieces of `shape` (batch, steps, ...)."""
        shapes: list[tuple] = []
        self.counts, start = [], 0
        for layer in self.layer_sequence:
            own: list[tuple] = []
            if isinstance(layer, StreamableLayer):
                own = layer.state_shapes(shape, start)
                g = layer.geometry
                start = (start - (g.memory(start) if g.span else 0) + g.left) // g.stride
                shape = (shape[0], None, *layer.output_feature_shape(shape))
            else:
                shape = layer.compute_output_spec(keras.KerasTensor(shape, dtype)).shape
            dtype = "float32"
            shapes += own
            self.counts.append(len(own))
        self.trailing = shape[2:]
        return shapes

    def compute_output_spec(self, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, list]:
        y = keras.KerasTensor((None, None, *self.trailing), dtype="float32")
        return y, keras.KerasTensor((None,), dtype="int32"), [keras.KerasTensor(s.shape, dtype=s.dtype) for s in states]


class StreamingModel:
    """A chain of layers, compiled to take one piece after the other.

    Args:
        chained: operations of a functional model from the first to the last, without its inputs.
        shape: of one step of its input, () for samples and symbols. dtype: of the input.

    Raises:
        NotImplementedError: a layer sees the whole utterance.
    """

    def __init__(self, chained: list, shape: tuple, dtype: str = "float32"):
        advance = StreamingStep(chained)
        shapes = advance.plan((None, None, *shape), dtype)
        inputs = {
            "x": keras.Input((None, *shape), dtype=dtype, name="x"),
            "position": keras.Input((), dtype="int32", name="position"),
            "length": keras.Input((), dtype="int32", name="length"),
        }
        inputs |= {f"state_{i}": keras.Input(s, name=f"state_{i}") for i, s in enumerate(shapes)}
        states = [inputs[f"state_{i}"] for i in range(len(shapes))]
        y, position, new = advance(inputs["x"], inputs["position"], inputs["length"], states)
        outputs = {"y": y, "position": position} | {f"state_{i}": s for i, s in enumerate(new)}
        self.model = keras.Model(inputs, outputs)
        self.run = compile_forward(self.model)
        self.shapes, self.shape, self.dtype = shapes, tuple(shape), dtype
        self.geometries = [layer.geometry for layer in chained if isinstance(layer, StreamableLayer)]
        self.stride = compose(self.geometries).stride
        self.width = y.shape[-1]
