"""What is written: a network over whole inputs, and, where it can go on from a state, the same over one piece after another."""

from typing import Any

import keras
import numpy as np

from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.errors import ExportError
from kerasrecipes.export.op_replacement import exportable_ops
from kerasrecipes.export.test_inputs import TestInputs


def trace_model(network: Any, model: Any) -> Any:
    """The network as a `tf.function` of named inputs with dynamic batch and time, and its outputs by name."""
    single = not isinstance(network.input, dict | list)
    inputs = {"picture": network.input} if single else {t.name: t for t in network.inputs}

    def outputs(given: dict[str, Any]) -> dict[str, Any]:
        found = network(given["picture"] if single else given, training=False)
        found = found if isinstance(found, dict) else {LOGITS_OUTPUT: found}
        if hasattr(model, "geometries"):
            found["frames"] = keras.ops.cast(model.output_length(given["length"]), "int32")
        return found

    return make_tf_function(inputs, outputs)


def trace_streaming_step(graph: Any, source: str) -> Any:
    """A `PieceGraph` as a `tf.function`: SOURCE, position, length, state_0 ... to logits, frame, next_state_0 ..."""
    inputs = {(source if name == "x" else name): t for name, t in graph.model.input.items()}

    def outputs(given: dict[str, Any]) -> dict[str, Any]:
        found = graph.model({("x" if name == source else name): v for name, v in given.items()}, training=False)
        states = {f"next_{name}": v for name, v in found.items() if name.startswith("state_")}
        return {LOGITS_OUTPUT: found["y"], "frame": found["position"], **states}

    return make_tf_function(inputs, outputs)


def make_tf_function(inputs: dict[str, Any], outputs: Any) -> Any:
    """A `tf.function` of the inputs in their order; operations that no format takes are replaced while it is traced."""
    import tensorflow as tf

    def call(*values: Any) -> dict[str, Any]:
        with exportable_ops():
            found = outputs(dict(zip(inputs, values, strict=True)))
        return {name: tf.identity(value, name=name) for name, value in found.items()}

    signature = [tf.TensorSpec(t.shape, t.dtype, name=name) for name, t in inputs.items()]
    return tf.function(call, input_signature=signature, autograph=False)


def add_activation_outputs(model: Any, names: Any = True) -> keras.Model:
    """The network with outputs of its layers beside its logits, named after the layers; `logits_maps` is that of a layer
    `logits` whose places are averaged to the network's own.

    Args:
        names: of layers; True for all.

    Raises:
        ExportError: there is no such layer.
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
    """The model's `PieceGraph`, None where a layer sees the whole utterance, or for pictures."""
    from kerasrecipes.inference.streaming_graph import StreamingModel

    if not hasattr(model, "layer_sequence") or getattr(model.alphabet, "num_repetition_symbols", None) is not None:
        return None
    try:
        symbols = model.recipe.task == "language-model"
        return StreamingModel(model.layer_sequence, (), "int32" if symbols else "float32")
    except NotImplementedError:
        return None


def make_step_test_inputs(
    graph: Any, source: str, largest: int, seed: int = 0
) -> list[tuple[TestInputs, dict[str, np.ndarray]]]:
    """Inputs of three pieces in a row, of two lengths, in one batch and another, with Keras's outputs; the last piece
    has the utterances' ends."""
    rng, found = np.random.default_rng(seed), []
    for batch, steps in ((1, 11), (3, 5)):
        steps *= graph.stride
        states = {f"state_{i}": np.zeros((batch, *s), "float32") for i, s in enumerate(graph.shapes)}
        position = np.zeros(batch, "int32")
        for ended in (False, False, True):
            if graph.dtype == "int32":
                x = rng.integers(0, largest, (batch, steps)).astype("int32")
            else:
                x = (0.1 * rng.normal(size=(batch, steps, *graph.shape))).astype("float32")
            length = np.full(batch, 1 << 30, "int32")
            if ended:
                length = position + np.linspace(steps, 0.4 * steps, batch).astype("int32")
            given = {"position": position, "length": length, **states}
            out = graph.run({"x": x, **given})
            states = {name: out[name] for name in states}
            position = position + np.int32(steps)
            outputs = {LOGITS_OUTPUT: out["y"], "frame": out["position"]}
            if not ended:  # behind the end they mean nothing
                outputs |= {f"next_{n}": v for n, v in states.items()}
            found.append((TestInputs({source: x, **given}), outputs))
    return found
