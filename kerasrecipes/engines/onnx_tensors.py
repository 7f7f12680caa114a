"""The weights in an ONNX file, read without the package onnx: whether all are in the file and finite numbers.

An ONNX file is a protocol buffer (onnx.proto). Only its fields that lead to tensors are read.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kerasrecipes.errors import WeightsCorrupted, convert_errors
from kerasrecipes.utils.weight_checks import describe_bad_values

MODEL_GRAPH, GRAPH_NODE, GRAPH_TENSOR, NODE_ATTRIBUTE, ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH = 7, 1, 5, 5, 5, 6
TENSOR_TYPE, TENSOR_FLOATS, TENSOR_NAME, TENSOR_BYTES, TENSOR_EXTERNAL, TENSOR_LOCATION = 2, 4, 8, 9, 13, 14
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # kinds of fields
FLOAT_TYPES = {1: "<f4", 10: "<f2", 11: "<f8"}
MAX_DEPTH = 8  # graphs in loops in loops


def check_tensors(path: Path) -> None:
    """Check the weights of an ONNX file.

    Raises:
        WeightsCorrupted: Weights lie in another file, or are NaN, infinite or too large for a network.
    """
    with convert_errors(WeightsCorrupted, path):
        for field, graph in read_fields(memoryview(path.read_bytes())):
            if field == MODEL_GRAPH and isinstance(graph, memoryview):
                for tensor in list_tensors(graph):
                    check_tensor(tensor, path)


def read_fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (number, value) of the fields of a message: an integer, or bytes for texts, messages and fixed numbers.

    Raises:
        ValueError: The content is no message.
    """
    position = 0
    while position < len(content):
        key, position = read_varint(content, position)
        kind = key & 7
        if kind == VARINT:
            value, position = read_varint(content, position)
            yield key >> 3, value
            continue
        if kind == BYTES:
            length, position = read_varint(content, position)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"a field of the unknown kind {kind}")
        if position + length > len(content):
            raise ValueError(f"a field of {length} bytes ends behind the file")
        yield key >> 3, content[position : position + length]
        position += length


def read_varint(content: memoryview, position: int) -> tuple[int, int]:
    """Return an integer of 7 bits a byte, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(content):
            break
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("an integer does not end")


def list_tensors(graph: memoryview, depth: int = 0) -> Iterator[memoryview]:
    """Yield the messages of all tensors in a graph: its weights, the constants of its nodes, and those of graphs in nodes."""
    if depth > MAX_DEPTH:
        raise ValueError(f"graphs lie in each other more than {MAX_DEPTH} deep")
    for field, value in read_fields(graph):
        if not isinstance(value, memoryview):
            continue
        if field == GRAPH_TENSOR:
            yield value
        elif field == GRAPH_NODE:
            attributes = [a for number, a in read_fields(value) if number == NODE_ATTRIBUTE and isinstance(a, memoryview)]
            for number, part in (pair for attribute in attributes for pair in read_fields(attribute)):
                if number == ATTRIBUTE_TENSOR and isinstance(part, memoryview):
                    yield part
                elif number == ATTRIBUTE_GRAPH and isinstance(part, memoryview):
                    yield from list_tensors(part, depth + 1)


def check_tensor(tensor: memoryview, path: Path) -> None:
    """Check one tensor's message as `check_tensors` does."""
    fields: dict[int, int | memoryview] = {}
    for number, value in read_fields(tensor):
        fields.setdefault(number, value)
    name = fields.get(TENSOR_NAME)
    label = bytes(name).decode("utf-8", "replace") if isinstance(name, memoryview) else "a constant"
    if fields.get(TENSOR_LOCATION) == 1 or TENSOR_EXTERNAL in fields:
        raise WeightsCorrupted(
            f"{path}: the tensor {label} lies in another file, which nobody checks: export the model again, into one file"
        )
    kind, data = fields.get(TENSOR_TYPE), fields.get(TENSOR_BYTES)
    dtype = FLOAT_TYPES.get(kind) if isinstance(kind, int) else None
    if dtype is None or not isinstance(data, memoryview):
        data, dtype = fields.get(TENSOR_FLOATS), "<f4"
    is_whole = isinstance(data, memoryview) and len(data) % np.dtype(dtype).itemsize == 0
    if is_whole and (problem := describe_bad_values(np.frombuffer(data, dtype))):  # type: ignore[arg-type]
        raise WeightsCorrupted(f"{path}: the tensor {label} {problem}: export or fetch the file again")
