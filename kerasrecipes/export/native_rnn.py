"""Recurrent layers as ONNX's own RNN, GRU and LSTM nodes, in place of loops over steps.

tf2onnx turns a Keras recurrence into a Loop that engines run step by step. While `marked()` is entered, `Recurrent`
layers leave an opaque TensorFlow operation instead, which tf2onnx passes on as a node of a foreign domain; `stitch`
puts the native node there. Input transforms go into the node, batch normalisation folded into them: in inference it
is a scale and a shift of `W x`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import onnx
from onnx import helper, numpy_helper

from kerasrecipes.errors import ExportError
from kerasrecipes.layers.recurrent import SequenceRNN
from kerasrecipes.layers.sequence import zero_outside_range

PLACEHOLDER_DOMAIN = "kerasrecipes.marks"
PLACEHOLDER_PREFIX = "native_recurrence_"
NUMPY_FUNCTION_OPS = ("PyFunc", "EagerPyFunc")  # what tf.numpy_function leaves in a graph
# places of ONNX's gates among ours: z, r, candidate alike; i, o, f, candidate among i, f, candidate, o
GATE_ORDER = {"rnn": (0,), "gru": (0, 1, 2), "lstm": (0, 3, 1, 2)}
GATE_CLOSED_BIAS = 1e4  # a sigmoid's input that no other one outweighs
SIGMOID_SATURATION = 16.0  # a sigmoid's input beyond which clipping it changes nothing: 1 - 1e-7


def has_native_equivalent(layer: SequenceRNN) -> bool:
    """Whether a native node gives what the layer does.

    `min(max(x, 0), limit)` is Relu with the attribute `clip`, which bounds every activation's input: a GRU's gates bear
    that from a limit of 16 on, an LSTM's state does not.
    """
    if layer.limit is None or layer.cell == "rnn":
        return True
    return layer.cell == "gru" and layer.limit >= SIGMOID_SATURATION


@dataclass(frozen=True)
class RecurrentPlaceholder:
    """A recurrent layer's place in a graph.

    Args:
        layer: whose weights go there. step: whether it goes on from a state (`Recurrent.advance`).
    """

    layer: SequenceRNN
    step: bool


@contextmanager
def replace_with_placeholders() -> Iterator[list[RecurrentPlaceholder]]:
    """Within, `Recurrent` layers become marks wherever a native node can take their place; yields the list of those."""
    import tensorflow as tf

    found: list[RecurrentPlaceholder] = []
    whole, step = SequenceRNN.compute, SequenceRNN.advance

    def compute(layer: SequenceRNN, x: Any, length: Any, training: bool | None = None) -> Any:
        if not has_native_equivalent(layer):
            return whole(layer, x, length, training)
        found.append(RecurrentPlaceholder(layer, False))
        mark = tf.numpy_function(lambda x, n: x, [x, length], tf.float32, name=f"{PLACEHOLDER_PREFIX}{len(found) - 1}")
        width = layer.units * (layer.directions if layer.merge == "concat" else 1)
        return tf.ensure_shape(mark, [None, None, width])

    def advance(layer: SequenceRNN, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, Any, list]:
        if not has_native_equivalent(layer):
            return step(layer, x, position, length, states)
        found.append(RecurrentPlaceholder(layer, True))
        index = position[:, None] + tf.range(tf.shape(x)[1])[None]
        outside = tf.logical_or(index < 0, index >= length[:, None])
        x = tf.concat([x, tf.cast(outside, "float32")[..., None]], axis=-1)
        kinds = [tf.float32] * (1 + len(states))
        y, *states = tf.numpy_function(
            lambda x, *s: (x, *s), [x, *states], kinds, name=f"{PLACEHOLDER_PREFIX}{len(found) - 1}"
        )
        y, states = (
            tf.ensure_shape(y, [None, None, layer.units]),
            [tf.ensure_shape(s, [None, layer.units]) for s in states],
        )
        return zero_outside_range(y, position, length), position, length, states

    SequenceRNN.compute, SequenceRNN.advance = compute, advance  # type: ignore[method-assign]
    try:
        yield found
    finally:
        SequenceRNN.compute, SequenceRNN.advance = whole, step  # type: ignore[method-assign]


def insert_native_nodes(model: onnx.ModelProto, found: list[RecurrentPlaceholder]) -> None:
    """Put native nodes in place of the marks.

    Raises:
        ExportError: a mark is missing, or there twice.
    """
    marks = [node for node in model.graph.node if node.domain == PLACEHOLDER_DOMAIN]
    numbers = sorted(int(node.name.rpartition(PLACEHOLDER_PREFIX)[2]) for node in marks)
    if numbers != list(range(len(found))):
        raise ExportError(f"tf2onnx lost a recurrent layer: of {len(found)} it kept {numbers}; report this")
    nodes: list[Any] = []
    for node in model.graph.node:
        if node.domain != PLACEHOLDER_DOMAIN:
            nodes.append(node)
            continue
        number = int(node.name.rpartition(PLACEHOLDER_PREFIX)[2])
        write = native_rnn_step_nodes if found[number].step else native_rnn_nodes
        made, values = write(found[number].layer, f"recurrent_{number}", list(node.input), list(node.output))
        nodes += made
        model.graph.initializer.extend(values)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    kept = [entry for entry in model.opset_import if entry.domain != PLACEHOLDER_DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)


class NodeBuilder:
    """Nodes and constants as they are made; names begin with `name`."""

    def __init__(self, name: str):
        self.name, self.constants = name, {"one": np.array([1], "int64")}
        self.made: list[Any] = []

    def __call__(self, kind: str, inputs: list[str], result: str, **options: Any) -> str:
        """A node; the name of its result."""
        self.made.append(helper.make_node(kind, inputs, [result], result, **options))
        return result

    def constant(self, key: str, value: np.ndarray) -> str:
        self.constants[key] = value
        return f"{self.name}_{key}"

    def all(self) -> tuple[list[Any], list[Any]]:
        """Nodes, and constants as tensors."""
        return self.made, [numpy_helper.from_array(v, f"{self.name}_{key}") for key, v in self.constants.items()]


def rnn_attributes(layer: SequenceRNN) -> dict[str, Any]:
    """Of the layer's native node."""
    found: dict[str, Any] = {"hidden_size": layer.units}
    if layer.cell == "gru":
        found["linear_before_reset"] = 1
    if layer.limit is not None:
        found["activations"] = ["Relu"] if layer.cell == "rnn" else ["Sigmoid", "Relu"]
        if np.isfinite(layer.limit):
            found["clip"] = float(layer.limit)
    return found


def native_rnn_nodes(
    layer: SequenceRNN, name: str, given: list[str], outputs: list[str]
) -> tuple[list[Any], list[Any]]:
    """Nodes from x (batch, steps, features) and length to (batch, steps, units), and their constants.

    The nodes get no lengths of sequences: forward, what comes behind an item's end changes nothing before it, and is set
    to zero by the layer's caller; backward, each item is turned round within its length, before and after. (OpenVINO
    2026.4 gives wrong values for a bidirectional node with lengths: 4 where scores are 8.)
    """
    (x, length), node = given, NodeBuilder(name)
    time_first = node("Transpose", [x], f"{name}_x", perm=[1, 0, 2])
    turn = {"batch_axis": 1, "time_axis": 0}
    if layer.directions == 2:  # an item without any step is turned as if it had one
        wide = node("Cast", [length], f"{name}_wide", to=onnx.TensorProto.INT64)
        lengths = node("Max", [wide, f"{name}_one"], f"{name}_lengths")
    sides = []
    for i, weights in enumerate(direction_weights(layer)):
        side = f"{name}_{('forward', 'backward')[i]}"
        named = [node.constant(f"{i}_{key}", value[None]) for key, value in zip("WRB", weights, strict=True)]
        read = node("ReverseSequence", [time_first, lengths], f"{side}_turned", **turn) if i else time_first
        y = node(layer.cell.upper(), [read, *named], f"{side}_y", **rnn_attributes(layer))
        y = node("Squeeze", [y, f"{name}_one"], f"{side}_steps")  # (steps, 1, batch, units)
        sides.append(node("ReverseSequence", [y, lengths], f"{side}_back", **turn) if i else y)
    joined = sides[0]
    if len(sides) == 2:
        concat = layer.merge == "concat"
        joined = node("Concat" if concat else "Add", sides, f"{name}_joined", **({"axis": 2} if concat else {}))
    node("Transpose", [joined], outputs[0], perm=[1, 0, 2])
    return node.all()


def native_rnn_step_nodes(
    layer: SequenceRNN, name: str, given: list[str], outputs: list[str]
) -> tuple[list[Any], list[Any]]:
    """Nodes from x (batch, steps, features + 1) and states to (batch, steps, units) and the states behind the last step.

    The last feature is 1 outside the utterance, where the other ones are 0; its weights make a state that is zero stay so
    (`standing`). Behind the utterance's end states mean nothing. (OpenVINO 2026.4 gives wrong states where a node has lengths.)
    """
    (x, *states), node = given, NodeBuilder(name)
    zero = node.constant("zero", np.array([0], "int64"))
    time_first = node("Transpose", [x], f"{name}_x", perm=[1, 0, 2])
    ((kernel, inner, bias),) = direction_weights(layer)
    kernel = np.concatenate([kernel, hold_state_weights(layer, bias)[:, None]], axis=1)
    weights = (kernel, inner, bias)
    named = [node.constant(f"0_{key}", value[None]) for key, value in zip("WRB", weights, strict=True)]
    begin = [node("Unsqueeze", [s, zero], f"{name}_begin_{i}") for i, s in enumerate(states)]
    made = [f"{name}_y", *(f"{name}_last_{i}" for i in range(len(states)))]
    inputs = [time_first, *named, "", *begin]
    node.made.append(helper.make_node(layer.cell.upper(), inputs, made, f"{name}_y", **rnn_attributes(layer)))
    y = node("Squeeze", [made[0], f"{name}_one"], f"{name}_steps")
    node("Transpose", [y], outputs[0], perm=[1, 0, 2])
    for last, output in zip(made[1:], outputs[1:], strict=True):
        node("Squeeze", [last, zero], output)
    return node.all()


def hold_state_weights(layer: SequenceRNN, bias: np.ndarray) -> np.ndarray:
    """Weights (gates * units,) of a feature that is 1 where a state of zeros shall stay: a GRU's update gate and an LSTM's
    forget gate opened, an LSTM's input gate shut, a simple layer's biases undone."""
    if layer.cell == "rnn":
        first, second = np.split(bias, 2)
        return -(first + second)
    shares = {"gru": (1, 0, 0), "lstm": (-1, 0, 1, 0)}[layer.cell]
    return np.repeat(np.array(shares, "float32") * GATE_CLOSED_BIAS, layer.units)


def direction_weights(layer: SequenceRNN) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each direction W (gates * units, features), R (gates * units, units) and B (2 * gates * units,) in ONNX's order."""

    def ordered(values: np.ndarray) -> np.ndarray:  # (..., gates * units), last axis first
        gates = np.split(values, values.shape[-1] // layer.units, axis=-1)
        return np.ascontiguousarray(np.concatenate([gates[i] for i in GATE_ORDER[layer.cell]], axis=-1).T, "float32")

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
