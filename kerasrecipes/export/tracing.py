"""The graphs that are exported: a network over whole inputs, and the same network over chunks where it can stream."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.errors import ExportError
from kerasrecipes.export.op_replacement import exportable_ops


class ExportModel(keras.Model):
    """A network with named inputs and outputs. Operations that no format has are replaced while it is traced.

    Args:
        network: The model that owns the weights.
        inputs: Symbolic tensors by name.
        compute: Function from inputs by name to outputs by name.
    """

    def __init__(self, network: Any, inputs: dict[str, Any], compute: Callable[[dict[str, Any]], dict[str, Any]]):
        super().__init__()
        self.network, self.compute = network, compute
        self.specs = {n: keras.InputSpec(dtype=t.dtype, shape=tuple(t.shape), name=n) for n, t in inputs.items()}
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        import tensorflow as tf

        with exportable_ops():
            outputs = self.compute(dict(inputs))
        return {name: tf.identity(value, name=name) for name, value in outputs.items()}

    def tf_function(self) -> Any:
        """Return a `tf.function` of the inputs in their order."""
        import tensorflow as tf

        names = list(self.specs)
        signature = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in self.specs.items()]
        return tf.function(
            lambda *values: self.call(dict(zip(names, values, strict=True))), input_signature=signature, autograph=False
        )


def trace_model(network: Any, model: Any) -> ExportModel:
    """Return a network over whole inputs, with dynamic batch and time. `model` knows its output lengths."""
    inputs = {t.name: t for t in network.inputs}

    def compute(values: dict[str, Any]) -> dict[str, Any]:
        result = network(values if isinstance(network.input, dict) else values[network.input.name], training=False)
        outputs = result if isinstance(result, dict) else {LOGITS_OUTPUT: result}
        if hasattr(model, "geometries"):
            outputs["frames"] = keras.ops.cast(model.output_length(values["length"]), "int32")
        return outputs

    return ExportModel(network, inputs, compute)


def trace_streaming_step(graph: Any, source: str) -> ExportModel:
    """Return a `StreamingModel` from SOURCE, position, length, state_0 ... to logits, frame, next_state_0 ..."""
    inputs = {(source if name == "x" else name): t for name, t in graph.model.input.items()}

    def compute(values: dict[str, Any]) -> dict[str, Any]:
        outputs = graph.model({("x" if name == source else name): v for name, v in values.items()}, training=False)
        states = {f"next_{name}": v for name, v in outputs.items() if name.startswith("state_")}
        return {LOGITS_OUTPUT: outputs["y"], "frame": outputs["position"], **states}

    return ExportModel(graph.model, inputs, compute)


def add_activation_outputs(model: Any, names: Any = True) -> keras.Model:
    """Return the network with its layers' outputs beside its logits, named after the layers.

    The output of a layer `logits` whose positions are averaged afterwards is named `logits_maps`. `names` are layers, or
    True for all.

    Raises:
        ExportError: There is no such layer.
    """
    outputs = {LOGITS_OUTPUT: model.output}
    for layer in model.layers:
        first = layer.output[0] if isinstance(layer.output, list | tuple) else layer.output
        final = layer.name in (LOGITS_OUTPUT, "scores")
        if isinstance(layer, keras.layers.InputLayer) or (final and len(first.shape) == len(model.output.shape)):
            continue
        if first.dtype == "float32":
            outputs[f"{layer.name}_maps" if final else layer.name] = first
    if names is not True:
        missing = [name for name in names if name not in outputs]
        if missing:
            raise ExportError(f"There are no layers {', '.join(missing)}; there are {', '.join(outputs)}")
        outputs = {name: outputs[name] for name in dict.fromkeys((LOGITS_OUTPUT, *names))}
    return keras.Model(model.input, outputs)


def streaming_model_or_none(model: Any) -> Any:
    """Return the model's `StreamingModel`, or None if a layer needs the whole utterance or the input is an image."""
    from kerasrecipes.inference.streaming_graph import StreamingModel

    if not hasattr(model, "layer_sequence") or getattr(model.alphabet, "num_repetition_symbols", None) is not None:
        return None
    try:
        has_symbols = model.recipe.task == "language-model"
        return StreamingModel(model.layer_sequence, (), "int32" if has_symbols else "float32")
    except NotImplementedError:
        return None


def make_step_test_inputs(
    graph: Any, source: str, vocab_size: int, seed: int = 0
) -> list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Return inputs of three consecutive chunks with Keras's outputs, for two chunk lengths and batch sizes.

    The utterances end in the third chunk. `source` names the input of audio or symbols.
    """
    rng, examples = np.random.default_rng(seed), []
    for batch, steps in ((1, 11), (3, 5)):
        steps *= graph.stride
        states = {f"state_{i}": np.zeros((batch, *s), "float32") for i, s in enumerate(graph.shapes)}
        position = np.zeros(batch, "int32")
        for is_last in (False, False, True):
            if graph.dtype == "int32":
                x = rng.integers(0, vocab_size, (batch, steps)).astype("int32")
            else:
                x = (0.1 * rng.normal(size=(batch, steps, *graph.shape))).astype("float32")
            length = np.full(batch, 1 << 30, "int32")
            if is_last:
                length = position + np.linspace(steps, 0.4 * steps, batch).astype("int32")
            inputs = {"position": position, "length": length, **states}
            result = graph.run({"x": x, **inputs})
            states = {name: result[name] for name in states}
            position = position + np.int32(steps)
            outputs = {LOGITS_OUTPUT: result["y"], "frame": result["position"]}
            if not is_last:  # states after the end are undefined
                outputs |= {f"next_{n}": v for n, v in states.items()}
            examples.append(({source: x, **inputs}, outputs))
    return examples
