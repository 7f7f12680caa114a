"""Recurrent layers as ONNX's own RNN, GRU and LSTM nodes, in place of loops over steps.

tf2onnx turns a Keras recurrence into a Loop that engines run step by step. While `marked()` is entered, `Recurrent`
layers leave an opaque TensorFlow operation instead, which tf2onnx passes on as a node of a foreign domain; `stitch`
puts the native node there. Input transforms go into the node, batch normalisation folded into them: in inference it
is a scale and a shift of `W x`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import onnx
from onnx import helper, numpy_helper

from kerasrecipes.errors import ExportError
from kerasrecipes.layers.recurrent import Recurrent

DOMAIN = "kerasrecipes.marks"
MARK = "native_recurrence_"
OPERATIONS = ("PyFunc", "EagerPyFunc")  # what tf.numpy_function leaves in a graph
# places of ONNX's gates among ours: z, r, candidate alike; i, o, f, candidate among i, f, candidate, o
ORDERS = {"rnn": (0,), "gru": (0, 1, 2), "lstm": (0, 3, 1, 2)}
SATURATED = 16.0  # a sigmoid's input beyond which clipping it changes nothing: 1 - 1e-7


def fits(layer: Recurrent) -> bool:
    """Whether a native node gives what the layer does.

    `min(max(x, 0), limit)` is Relu with the attribute `clip`, which bounds every activation's input: a GRU's gates bear
    that from a limit of 16 on, an LSTM's state does not.
    """
    if layer.limit is None or layer.cell == "rnn":
        return True
    return layer.cell == "gru" and layer.limit >= SATURATED


@contextmanager
def marked() -> Iterator[list[Recurrent]]:
    """Within, `Recurrent` layers become marks wherever a native node can take their place; yields the list of those layers."""
    import tensorflow as tf

    found: list[Recurrent] = []
    plain = Recurrent.compute

    def compute(layer: Recurrent, x: Any, length: Any, training: bool | None = None) -> Any:
        if not fits(layer):
            return plain(layer, x, length, training)
        found.append(layer)
        mark = tf.numpy_function(lambda x, n: x, [x, length], tf.float32, name=f"{MARK}{len(found) - 1}")
        width = layer.units * (layer.directions if layer.merge == "concat" else 1)
        return tf.ensure_shape(mark, [None, None, width])

    Recurrent.compute = compute  # type: ignore[method-assign]
    try:
        yield found
    finally:
        Recurrent.compute = plain  # type: ignore[method-assign]


def stitch(model: onnx.ModelProto, layers: list[Recurrent]) -> None:
    """Put the native nodes of `layers` in place of their marks.

    Raises:
        ExportError: a mark is missing, or there twice.
    """
    marks = [node for node in model.graph.node if node.domain == DOMAIN]
    numbers = sorted(int(node.name.rpartition(MARK)[2]) for node in marks)
    if numbers != list(range(len(layers))):
        raise ExportError(f"tf2onnx lost a recurrent layer: of {len(layers)} it kept {numbers}; report this")
    nodes: list[Any] = []
    for node in model.graph.node:
        if node.domain != DOMAIN:
            nodes.append(node)
            continue
        number = int(node.name.rpartition(MARK)[2])
        made, values = native(layers[number], f"recurrent_{number}", *node.input, node.output[0])
        nodes += made
        model.graph.initializer.extend(values)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    kept = [entry for entry in model.opset_import if entry.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def native(layer: Recurrent, name: str, x: str, length: str, output: str) -> tuple[list[Any], list[Any]]:
    """Nodes from `x` (batch, steps, features) and `length` to `output` (batch, steps, units), and their constants."""
    weights, recurrent, biases = (np.stack(part) for part in zip(*directions(layer), strict=True))
    constants = {"W": weights, "R": recurrent, "B": biases}
    attributes: dict[str, Any] = {"direction": "bidirectional" if layer.directions == 2 else "forward"}
    if layer.cell == "gru":
        attributes["linear_before_reset"] = 1
    if layer.limit is not None:
        attributes["activations"] = (["Relu"] if layer.cell == "rnn" else ["Sigmoid", "Relu"]) * layer.directions
        if np.isfinite(layer.limit):
            attributes["clip"] = float(layer.limit)
    inputs = [f"{name}_x", *(f"{name}_{key}" for key in constants), length]
    nodes = [
        helper.make_node("Transpose", [x], [f"{name}_x"], f"{name}_time_first", perm=[1, 0, 2]),
        helper.make_node(layer.cell.upper(), inputs, [f"{name}_y"], name, hidden_size=layer.units, **attributes),
    ]  # y: (steps, directions, batch, units)
    if layer.merge == "concat" and layer.directions == 2:
        constants["shape"] = np.array([0, 0, 2 * layer.units], "int64")
        nodes += [
            helper.make_node("Transpose", [f"{name}_y"], [f"{name}_sides"], f"{name}_batch_first", perm=[2, 0, 1, 3]),
            helper.make_node("Reshape", [f"{name}_sides", f"{name}_shape"], [output], f"{name}_concat"),
        ]
    else:
        constants["axes"] = np.array([1], "int64")
        nodes += [
            helper.make_node("ReduceSum", [f"{name}_y", f"{name}_axes"], [f"{name}_sum"], f"{name}_merge", keepdims=0),
            helper.make_node("Transpose", [f"{name}_sum"], [output], f"{name}_batch_first", perm=[1, 0, 2]),
        ]
    return nodes, [numpy_helper.from_array(value, f"{name}_{key}") for key, value in constants.items()]


def directions(layer: Recurrent) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each direction W (gates * units, features), R (gates * units, units) and B (2 * gates * units,) in ONNX's order."""

    def ordered(values: np.ndarray) -> np.ndarray:  # (..., gates * units), last axis first
        gates = np.split(values, values.shape[-1] // layer.units, axis=-1)
        return np.ascontiguousarray(np.concatenate([gates[i] for i in ORDERS[layer.cell]], axis=-1).T, "float32")

    to_numpy = keras.ops.convert_to_numpy
    for i, loop in enumerate(layer.loops):
        place = min(i, layer.transforms - 1)
        kernel = to_numpy(layer.kernels[place]).astype("float64")
        if layer.batch_norm:
            norm = layer.norms[place]
            gamma, beta, mean, variance = (
                to_numpy(v).astype("float64") for v in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
            )
            scale = gamma / np.sqrt(variance + norm.epsilon)
            kernel, bias = kernel * scale, beta - mean * scale
        else:
            bias = to_numpy(layer.biases[place])
        inner = to_numpy(loop.cell.recurrent_bias) if loop.cell.bias else np.zeros_like(bias)
        yield (
            ordered(kernel), ordered(to_numpy(loop.cell.recurrent_kernel)),
            np.concatenate([ordered(bias), ordered(inner)]),
        )  # fmt: skip
