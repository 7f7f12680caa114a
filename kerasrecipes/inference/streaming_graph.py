"""A network over chunks of a sequence, with the same logits as over the whole.

Layers with a finite receptive field keep the last steps they need, forward recurrences their state. Every layer knows the
index of its first step, which is negative while the steps before it lag. Steps before the start and after the end are zero,
like the padding of the whole sequence, and leave a recurrence's state alone.
"""

from typing import Any

import keras

from kerasrecipes.inference.compiled import compile_forward
from kerasrecipes.inference.streaming_state import StreamingState
from kerasrecipes.layers.sequence import StreamableLayer
from kerasrecipes.layers.time_geometry import compose

__all__ = ["StreamingModel", "StreamingState"]


class StreamingStep(keras.layers.Layer):
    """A chain of layers on one chunk: (x, position, length, states) -> (y, position, states).

    Args:
        layer_sequence: Layers and operations from input to output. Those that are no `StreamableLayer` act on single steps.
    """

    def __init__(self, layer_sequence: list, **kwargs: Any):
        # keep float32: a mixed-precision policy would cast the input to 16 bits
        super().__init__(**{"dtype": "float32", **kwargs})
        self.layer_sequence = layer_sequence

    def call(self, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, list]:
        remaining, new_states = list(states), []
        for layer, count in zip(self.layer_sequence, self.num_states, strict=True):
            if isinstance(layer, StreamableLayer):
                layer_states, remaining = remaining[:count], remaining[count:]
                x, position, length, layer_states = layer.stream(x, position, length, layer_states)
                # float32 whatever the layer's precision, because the states come back as inputs
                new_states += [keras.ops.cast(s, "float32") for s in layer_states]
            else:
                x = layer(x)
        return x, position, new_states

    def state_shapes(self, shape: tuple, dtype: str) -> list[tuple]:
        """Return the shapes of all states for chunks of `shape` (batch, steps, ...), and remember them for `call`."""
        shapes: list[tuple] = []
        self.num_states, start = [], 0
        for layer in self.layer_sequence:
            layer_shapes: list[tuple] = []
            if isinstance(layer, StreamableLayer):
                layer_shapes = layer.stream_state_shapes(shape, start)
                g = layer.geometry
                start = (start - (g.context_steps(start) if g.receptive_field else 0) + g.left) // g.stride
                shape = (shape[0], None, *layer.output_feature_shape(shape))
            else:
                shape = layer.compute_output_spec(keras.KerasTensor(shape, dtype)).shape
            dtype = "float32"
            shapes += layer_shapes
            self.num_states.append(len(layer_shapes))
        self.output_feature_shape = shape[2:]
        return shapes

    def compute_output_spec(self, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, list]:
        y = keras.KerasTensor((None, None, *self.output_feature_shape), dtype="float32")
        return y, keras.KerasTensor((None,), dtype="int32"), [keras.KerasTensor(s.shape, dtype=s.dtype) for s in states]


class StreamingModel:
    """A chain of layers, compiled to take one chunk after another.

    Args:
        layer_sequence: Operations of a functional model from the first to the last, without its inputs.
        shape: Shape of one step of its input, () for samples and symbols.
        dtype: Type of the input.

    Raises:
        NotImplementedError: A layer needs the whole utterance.
    """

    def __init__(self, layer_sequence: list, shape: tuple, dtype: str = "float32"):
        step = StreamingStep(layer_sequence)
        shapes = step.state_shapes((None, None, *shape), dtype)
        inputs = {
            "x": keras.Input((None, *shape), dtype=dtype, name="x"),
            "position": keras.Input((), dtype="int32", name="position"),
            "length": keras.Input((), dtype="int32", name="length"),
        }
        inputs |= {f"state_{i}": keras.Input(s, name=f"state_{i}") for i, s in enumerate(shapes)}
        states = [inputs[f"state_{i}"] for i in range(len(shapes))]
        y, position, new_states = step(inputs["x"], inputs["position"], inputs["length"], states)
        outputs = {"y": y, "position": position} | {f"state_{i}": s for i, s in enumerate(new_states)}
        self.model = keras.Model(inputs, outputs)
        self.run = compile_forward(self.model)
        self.shapes, self.shape, self.dtype = shapes, tuple(shape), dtype
        self.geometries = [layer.geometry for layer in layer_sequence if isinstance(layer, StreamableLayer)]
        self.stride = compose(self.geometries).stride
        self.width = y.shape[-1]
