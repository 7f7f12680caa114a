"""Recurrent layers as ONNX's own RNN, GRU and LSTM nodes instead of loops over steps.

tf2onnx turns a Keras recurrence into a Loop that engines run step by step. Within `replace_with_placeholders()`, `SequenceRNN`
layers leave an opaque TensorFlow operation, which tf2onnx passes on as a node of a foreign domain. `insert_native_nodes`
replaces that node by the native one. It includes the input transform and its batch normalization, which in inference is
a scale and a shift of `W x`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from kerasrecipes.errors import ExportError
from kerasrecipes.export.native_rnn_weights import DirectionWeights, direction_weights, hold_state_weights
from kerasrecipes.layers.recurrent import SequenceRNN
from kerasrecipes.layers.sequence import zero_outside_range

PLACEHOLDER_DOMAIN = "kerasrecipes.marks"
PLACEHOLDER_PREFIX = "native_recurrence_"
NUMPY_FUNCTION_OPS = ("PyFunc", "EagerPyFunc")  # node types that tf.numpy_function leaves in a graph
SIGMOID_SATURATION = 16.0  # clipping a sigmoid's input at this value changes nothing: 1 - 1e-7


def has_native_equivalent(layer: SequenceRNN) -> bool:
    """Return whether a native node computes the same as the layer.

    `min(max(x, 0), max_value)` is Relu with the attribute `clip`, which bounds every activation's input. A GRU's gates
    tolerate that from `SIGMOID_SATURATION` on, an LSTM's state does not.
    """
    if layer.max_value is None or layer.cell == "rnn":
        return True
    return layer.cell == "gru" and layer.max_value >= SIGMOID_SATURATION


@dataclass(frozen=True)
class RecurrentPlaceholder:
    """A node to be replaced by a recurrent layer."""

    layer: SequenceRNN
    step: bool  # whether it continues from a state (`SequenceRNN.stream`)


@contextmanager
def replace_with_placeholders() -> Iterator[list[RecurrentPlaceholder]]:
    """Make `SequenceRNN` layers placeholders within the context where a native node can replace them, and yield their list."""
    import tensorflow as tf

    placeholders: list[RecurrentPlaceholder] = []
    call_original, stream_original = SequenceRNN.call_unmasked, SequenceRNN.stream

    def add(layer: SequenceRNN, step: bool) -> str:
        placeholders.append(RecurrentPlaceholder(layer, step))
        return f"{PLACEHOLDER_PREFIX}{len(placeholders) - 1}"

    def call_unmasked(layer: SequenceRNN, x: Any, length: Any, training: bool | None = None) -> Any:
        if not has_native_equivalent(layer):
            return call_original(layer, x, length, training)
        y = tf.numpy_function(lambda x, n: x, [x, length], tf.float32, name=add(layer, False))
        width = layer.units * (layer.directions if layer.merge_mode == "concat" else 1)
        return tf.ensure_shape(y, [None, None, width])

    def stream(layer: SequenceRNN, x: Any, position: Any, length: Any, states: list) -> tuple[Any, Any, Any, list]:
        if not has_native_equivalent(layer):
            return stream_original(layer, x, position, length, states)
        index = position[:, None] + tf.range(tf.shape(x)[1])[None]
        outside = tf.logical_or(index < 0, index >= length[:, None])
        x = tf.concat([x, tf.cast(outside, "float32")[..., None]], axis=-1)
        types = [tf.float32] * (1 + len(states))
        y, *states = tf.numpy_function(lambda x, *s: (x, *s), [x, *states], types, name=add(layer, True))
        y = tf.ensure_shape(y, [None, None, layer.units])
        states = [tf.ensure_shape(s, [None, layer.units]) for s in states]
        return zero_outside_range(y, position, length), position, length, states

    SequenceRNN.call_unmasked, SequenceRNN.stream = call_unmasked, stream  # type: ignore[method-assign]
    try:
        yield placeholders
    finally:
        SequenceRNN.call_unmasked, SequenceRNN.stream = call_original, stream_original  # type: ignore[method-assign]


def insert_native_nodes(model: onnx.ModelProto, placeholders: list[RecurrentPlaceholder]) -> None:
    """Replace the placeholders in a model by native nodes.

    Raises:
        ExportError: A placeholder is missing, or in the graph twice.
    """
    names = [node.name for node in model.graph.node if node.domain == PLACEHOLDER_DOMAIN]
    numbers = sorted(int(name.rpartition(PLACEHOLDER_PREFIX)[2]) for name in names)
    if numbers != list(range(len(placeholders))):
        raise ExportError(f"tf2onnx lost a recurrent layer: of {len(placeholders)} it kept {numbers}; report this")
    nodes: list[Any] = []
    for node in model.graph.node:
        if node.domain != PLACEHOLDER_DOMAIN:
            nodes.append(node)
            continue
        number = int(node.name.rpartition(PLACEHOLDER_PREFIX)[2])
        make_nodes = native_rnn_step_nodes if placeholders[number].step else native_rnn_nodes
        new_nodes, constants = make_nodes(
            placeholders[number].layer, f"recurrent_{number}", list(node.input), list(node.output)
        )
        nodes += new_nodes
        model.graph.initializer.extend(constants)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    opsets = [entry for entry in model.opset_import if entry.domain != PLACEHOLDER_DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(opsets)


class NodeBuilder:
    """Collects nodes and constants. All names begin with `name`."""

    def __init__(self, name: str):
        self.name, self.constants = name, {"one": np.array([1], "int64")}
        self.nodes: list[Any] = []

    def __call__(self, op_type: str, inputs: list[str], output: str, **options: Any) -> str:
        """Add a node and return the name of its output."""
        self.nodes.append(helper.make_node(op_type, inputs, [output], output, **options))
        return output

    def constant(self, key: str, value: np.ndarray) -> str:
        self.constants[key] = value
        return f"{self.name}_{key}"

    def all(self) -> tuple[list[Any], list[Any]]:
        """Return the nodes, and the constants as tensors."""
        return self.nodes, [numpy_helper.from_array(v, f"{self.name}_{key}") for key, v in self.constants.items()]


def rnn_attributes(layer: SequenceRNN) -> dict[str, Any]:
    """Return the attributes of the layer's native node."""
    attributes: dict[str, Any] = {"hidden_size": layer.units}
    if layer.cell == "gru":
        attributes["linear_before_reset"] = 1
    if layer.max_value is not None:
        attributes["activations"] = ["Relu"] if layer.cell == "rnn" else ["Sigmoid", "Relu"]
        if np.isfinite(layer.max_value):
            attributes["clip"] = float(layer.max_value)
    return attributes


def native_rnn_nodes(
    layer: SequenceRNN, name: str, inputs: list[str], outputs: list[str]
) -> tuple[list[Any], list[Any]]:
    """Return the nodes from x (batch, steps, features) and length to (batch, steps, units), and their constants.

    The nodes get no sequence lengths. In the forward direction, values after an item's end change nothing before it, and the
    layer's caller sets them to zero. For the backward direction each item is reversed within its length, before and after.
    (OpenVINO 2026.4 gives wrong values for a bidirectional node with lengths: 4 where the logits are 8.)
    """
    (x, length), node = inputs, NodeBuilder(name)
    time_first = node("Transpose", [x], f"{name}_x", perm=[1, 0, 2])
    axes = {"batch_axis": 1, "time_axis": 0}
    if layer.directions == 2:  # an item without steps is reversed as if it had one
        wide = node("Cast", [length], f"{name}_wide", to=onnx.TensorProto.INT64)
        lengths = node("Max", [wide, f"{name}_one"], f"{name}_lengths")
    sides = []
    for i, weights in enumerate(direction_weights(layer)):
        side = f"{name}_{('forward', 'backward')[i]}"
        weight_names = add_weights(node, i, weights)
        source = node("ReverseSequence", [time_first, lengths], f"{side}_turned", **axes) if i else time_first
        y = node(layer.cell.upper(), [source, *weight_names], f"{side}_y", **rnn_attributes(layer))
        y = node("Squeeze", [y, f"{name}_one"], f"{side}_steps")  # (steps, 1, batch, units)
        sides.append(node("ReverseSequence", [y, lengths], f"{side}_back", **axes) if i else y)
    merged = sides[0]
    if len(sides) == 2:
        concat = layer.merge_mode == "concat"
        merged = node("Concat" if concat else "Add", sides, f"{name}_joined", **({"axis": 2} if concat else {}))
    node("Transpose", [merged], outputs[0], perm=[1, 0, 2])
    return node.all()


def native_rnn_step_nodes(
    layer: SequenceRNN, name: str, inputs: list[str], outputs: list[str]
) -> tuple[list[Any], list[Any]]:
    """Return the nodes from x (batch, steps, features + 1) and states to (batch, steps, units) and the new states.

    The last feature of x is 1 outside the utterance, where the other features are 0. Its weights (`hold_state_weights`) keep
    a zero state zero. States after the utterance's end are undefined. (OpenVINO 2026.4 gives wrong states for a node with
    lengths.)
    """
    (x, *states), node = inputs, NodeBuilder(name)
    zero = node.constant("zero", np.array([0], "int64"))
    time_first = node("Transpose", [x], f"{name}_x", perm=[1, 0, 2])
    (weights,) = direction_weights(layer)
    kernel_name, *other_names = add_weights(node, 0, weights)
    hold = node.constant("0_hold", hold_state_weights(layer, weights.bias)[None, :, None])
    weight_names = [node("Concat", [kernel_name, hold], f"{name}_0_kernel_and_hold", axis=2), *other_names]
    initial = [node("Unsqueeze", [s, zero], f"{name}_begin_{i}") for i, s in enumerate(states)]
    results = [f"{name}_y", *(f"{name}_last_{i}" for i in range(len(states)))]
    node_inputs = [time_first, *weight_names, "", *initial]
    node.nodes.append(helper.make_node(layer.cell.upper(), node_inputs, results, f"{name}_y", **rnn_attributes(layer)))
    y = node("Squeeze", [results[0], f"{name}_one"], f"{name}_steps")
    node("Transpose", [y], outputs[0], perm=[1, 0, 2])
    for last, output in zip(results[1:], outputs[1:], strict=True):
        node("Squeeze", [last, zero], output)
    return node.all()


def add_weights(node: NodeBuilder, direction: int, weights: DirectionWeights) -> list[str]:
    """Add the constants of a direction and return the names of W, R and B.

    Engines multiply the kernel by its scale when they open the file. The file holds the kernel itself, which float16 stores without a
    loss if the weights come from a float16 file: a recurrence would magnify rounding errors.
    """
    kernel, inner, bias = (
        node.constant(f"{direction}_{key}", value[None]) for key, value in zip("WRB", weights[:3], strict=True)
    )
    if weights.scale is not None:
        scale = node.constant(f"{direction}_scale", weights.scale[None, :, None])
        kernel = node("Mul", [kernel, scale], f"{kernel}_scaled")
    return [kernel, inner, bias]
