"""Parts of an ONNX graph, cut without the package onnx: the statistics of a whole utterance become inputs.

A network normalizes each utterance by sums over its time axis. To run a long recording in windows, the graph is cut at these
reductions: a first part computes what is summed, and in the others the sum is an input.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from kerasrecipes.engines.onnx_tensors import (
    ATTRIBUTE_GRAPH,
    GRAPH_NODE,
    GRAPH_TENSOR,
    MODEL_GRAPH,
    NODE_ATTRIBUTE,
    read_fields,
    read_varint,
)

GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO = 11, 12, 13
NODE_INPUT, NODE_OUTPUT, NODE_TYPE = 1, 2, 4
ATTRIBUTE_NAME, ATTRIBUTE_INT, ATTRIBUTE_INTS = 1, 3, 8
TENSOR_NAME, TENSOR_INT64, TENSOR_BYTES = 8, 7, 9
VALUE_NAME = 1
VALUE_TYPE, TYPE_TENSOR, TENSOR_ELEMENT, TENSOR_SHAPE, SHAPE_SIZE, SIZE_VALUE, FLOAT32 = 2, 1, 1, 2, 1, 1, 1
TIME_AXIS = 1
REDUCTIONS = {"ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max"}


@dataclass(frozen=True)
class TimeReduction:
    """A node that reduces an utterance over its time axis.

    Args:
        kind: "sum", "mean" or "max".
        source: Name of the tensor (batch, steps, ...) that it reduces.
        target: Name of its result.
        axes: Axes that it reduces.
        keepdims: Whether they stay with size 1.
    """

    kind: str
    source: str
    target: str
    axes: tuple[int, ...]
    keepdims: bool


def write_varint(value: int) -> bytes:
    """Return a non-negative integer of 7 bits a byte."""
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])


def field_pieces(number: int, value: int | bytes | memoryview) -> list[bytes | memoryview]:
    """Return the bytes of a field of a message as `read_fields` reads it, in pieces: the value is not copied."""
    if isinstance(value, int):
        return [write_varint(number << 3) + write_varint(value)]
    return [write_varint(number << 3 | 2) + write_varint(len(value)), value]


def write_field(number: int, value: int | bytes | memoryview) -> bytes:
    """Return the bytes of a field of a message."""
    return b"".join(field_pieces(number, value))


def read_names(message: memoryview, number: int) -> list[str]:
    """Return the texts of a field."""
    return [bytes(value).decode() for field, value in read_fields(message) if field == number and not isinstance(value, int)]


def read_graph(content: bytes | memoryview) -> memoryview:
    """Return the graph of an ONNX file."""
    return next(v for n, v in read_fields(memoryview(content)) if n == MODEL_GRAPH and not isinstance(v, int))


def read_messages(message: memoryview, number: int) -> Iterator[memoryview]:
    """Yield the messages of a field."""
    return (value for field, value in read_fields(message) if field == number and not isinstance(value, int))


def node_inputs(node: memoryview) -> set[str]:
    """Return the names that a node, and the graphs in it, read."""
    names = set(read_names(node, NODE_INPUT))
    for attribute in read_messages(node, NODE_ATTRIBUTE):
        for graph in read_messages(attribute, ATTRIBUTE_GRAPH):
            names = names.union(*map(node_inputs, read_messages(graph, GRAPH_NODE)))
    return names - {""}


def find_time_reductions(content: bytes) -> list[TimeReduction]:
    """Return the nodes that reduce an utterance over time, in the order of their computation."""
    graph = read_graph(content)
    tensors = {name: tensor for tensor in read_messages(graph, GRAPH_TENSOR) for name in read_names(tensor, TENSOR_NAME)}
    reductions = []
    for node in read_messages(graph, GRAPH_NODE):
        if (operation := "".join(read_names(node, NODE_TYPE))) not in REDUCTIONS:
            continue
        attributes = {name: a for a in read_messages(node, NODE_ATTRIBUTE) for name in read_names(a, ATTRIBUTE_NAME)}
        sources = read_names(node, NODE_INPUT)
        axes: list[int] = []
        if len(sources) > 1 and sources[1] in tensors:
            axes = read_integers(tensors[sources[1]], TENSOR_INT64, TENSOR_BYTES)
        elif "axes" in attributes:
            axes = read_integers(attributes["axes"], ATTRIBUTE_INTS)
        keepdims = read_integers(attributes["keepdims"], ATTRIBUTE_INT) != [0] if "keepdims" in attributes else True
        if TIME_AXIS in axes:
            target = read_names(node, NODE_OUTPUT)[0]
            reductions.append(TimeReduction(REDUCTIONS[operation], sources[0], target, tuple(axes), keepdims))
    return reductions


def read_integers(message: memoryview, number: int, bytes_number: int = 0) -> list[int]:
    """Return the integers of a field, packed or not, or those in a field of raw little-endian int64."""
    values: list[int] = []
    for field, value in read_fields(message):
        if field == bytes_number and not isinstance(value, int):
            values += np.frombuffer(value, "<i8").tolist()
        elif field == number and isinstance(value, int):
            values.append(value)
        elif field == number and not isinstance(value, int):
            position = 0
            while position < len(value):
                integer, position = read_varint(value, position)
                values.append(integer)
    return values


def cut_graph(content: bytes, inputs: Mapping[str, tuple[int, ...]], outputs: Iterable[str]) -> bytes:
    """Return an ONNX file with the nodes that compute `outputs`.

    Args:
        content: The whole file.
        inputs: Float32 tensors that become inputs instead of being computed, and their shapes.
        outputs: Names of the tensors that become the only outputs. New ones are float32.
    """
    outputs, graph = list(outputs), read_graph(content)
    nodes, needed = [], set(outputs)
    for node in reversed([*read_messages(graph, GRAPH_NODE)]):
        if needed & (set(read_names(node, NODE_OUTPUT)) - set(inputs)):
            nodes.append(node)
            needed |= node_inputs(node)
    pieces = [piece for node in reversed(nodes) for piece in field_pieces(GRAPH_NODE, node)]
    declared = {name: v for v in read_messages(graph, GRAPH_OUTPUT) for name in read_names(v, VALUE_NAME)}
    for number, value in read_fields(graph):
        if number in (GRAPH_NODE, GRAPH_OUTPUT, GRAPH_VALUE_INFO):
            continue
        name_field = {GRAPH_TENSOR: TENSOR_NAME, GRAPH_INPUT: VALUE_NAME}.get(number)
        if name_field is None or (not isinstance(value, int) and needed & set(read_names(value, name_field))):
            pieces += field_pieces(number, value)
    pieces += [write_field(GRAPH_INPUT, float_value(name, shape)) for name, shape in inputs.items() if name in needed]
    pieces += [write_field(GRAPH_OUTPUT, declared.get(name) or float_value(name)) for name in outputs]
    header = write_varint(MODEL_GRAPH << 3 | 2) + write_varint(sum(map(len, pieces)))
    fields = (
        [header, *pieces] if number == MODEL_GRAPH else field_pieces(number, value) for number, value in read_fields(memoryview(content))
    )
    return b"".join(piece for field in fields for piece in field)  # one copy of the weights, where a list of fields makes three


def float_value(name: str, shape: tuple[int, ...] | None = None) -> bytes:
    """Return the declaration of a float32 tensor, by default of any shape."""
    tensor = write_field(TENSOR_ELEMENT, FLOAT32)
    if shape is not None:
        sizes = (write_field(SHAPE_SIZE, write_field(SIZE_VALUE, size)) for size in shape)
        tensor += write_field(TENSOR_SHAPE, b"".join(sizes))
    return write_field(VALUE_NAME, name.encode()) + write_field(VALUE_TYPE, write_field(TYPE_TENSOR, tensor))
