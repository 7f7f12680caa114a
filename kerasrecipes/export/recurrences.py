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
        made, values = native(layers[number], f"recurrent_{number}", node.input[0], node.input[1], node.output[0])
        nodes += made
        model.graph.initializer.extend(values)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    kept = [entry for entry in model.opset_import if entry.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def native(layer: Recurrent, name: str, x: str, length: str, output: str) -> tuple[list[Any], list[Any]]:
    """Nodes from `x` (batch, steps, features) and `length` to `output` (batch, steps, units), and their constants.

    The nodes get no lengths of sequences: forward, what comes behind an item's end changes nothing before it, and is set
    to zero by the layer's caller; backward, each item is turned round within its length, before and after. (OpenVINO
    2026.4 gives wrong values for a bidirectional node with lengths: 4 where scores are 8.)
    """
    attributes: dict[str, Any] = {"hidden_size": layer.units}
    if layer.cell == "gru":
        attributes["linear_before_reset"] = 1
    if layer.limit is not None:
        attributes["activations"] = ["Relu"] if layer.cell == "rnn" else ["Sigmoid", "Relu"]
        if np.isfinite(layer.limit):
            attributes["clip"] = float(layer.limit)
    constants = {"one": np.array([1], "int64")}
    nodes = []

    def node(kind: str, inputs: list[str], result: str, **options: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [result], result, **options))
        return result

    time_first = node("Transpose", [x], f"{name}_x", perm=[1, 0, 2])
    turn = {"batch_axis": 1, "time_axis": 0}
    if layer.directions == 2:  # an item without any step is turned as if it had one
        wide = node("Cast", [length], f"{name}_wide", to=onnx.TensorProto.INT64)
        lengths = node("Max", [wide, f"{name}_one"], f"{name}_lengths")
    sides = []
    for i, weights in enumerate(directions(layer)):
        side = f"{name}_{('forward', 'backward')[i]}"
        constants |= {f"{i}_{key}": value[None] for key, value in zip("WRB", weights, strict=True)}
        read = node("ReverseSequence", [time_first, lengths], f"{side}_turned", **turn) if i else time_first
        y = node(layer.cell.upper(), [read, *(f"{name}_{i}_{key}" for key in "WRB")], f"{side}_y", **attributes)
        y = node("Squeeze", [y, f"{name}_one"], f"{side}_steps")  # (steps, 1, batch, units)
        sides.append(node("ReverseSequence", [y, lengths], f"{side}_back", **turn) if i else y)
    joined = sides[0]
    if len(sides) == 2:
        concat = layer.merge == "concat"
        joined = node("Concat" if concat else "Add", sides, f"{name}_joined", **({"axis": 2} if concat else {}))
    node("Transpose", [joined], output, perm=[1, 0, 2])
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
