"""Constants of `.tflite` files, by a reader of their own format (FlatBuffers) in numpy. No operation of a file is run."""

import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import WeightsCorrupted, reader
from kerasrecipes.utils.weight_checks import check_declared_bytes

IDENTIFIER = b"TFL3"
MAX_ITEMS = 100_000  # tensors, operators, or dimensions
MAX_RANK = 8
OPERATORS = {3: "conv_2d", 4: "depthwise_conv_2d", 9: "fully_connected"}  # numbers in the schema; others are "operator_NUMBER"
TYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 7: "<i2", 9: "i1", 10: "<f8"}  # numbers in the schema
# places of fields in the schema's tables
MODEL_OPERATORS, MODEL_GRAPHS, MODEL_BUFFERS = 1, 2, 4
CODE_SMALL, CODE = 0, 3
GRAPH_TENSORS, GRAPH_OPERATORS = 0, 3
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_QUANTIZATION, TENSOR_SPARSITY = 0, 1, 2, 4, 6
OPERATOR_CODE, OPERATOR_INPUTS = 0, 1
SCALE, ZERO_POINT, DIMENSION = 2, 3, 6


class Table:
    """A table of a FlatBuffers file, whose fields have places.

    Args:
        content: The file.
        position: Where the table begins.
    """

    def __init__(self, content: bytes, position: int):
        self.content, self.position = content, position
        self.fields = position - unpack("<i", content, position)
        self.size = unpack("<H", content, self.fields)

    def find(self, place: int) -> int:
        """Return where a field is, or 0 if the table does not have it."""
        slot = 4 + 2 * place
        offset = unpack("<H", self.content, self.fields + slot) if slot + 2 <= self.size else 0
        return self.position + offset if offset else 0

    def number(self, place: int, form: str, default: int = 0) -> int:
        """Return a number in the format `form` of `struct`."""
        position = self.find(place)
        return unpack(form, self.content, position) if position else default

    def table(self, place: int) -> "Table | None":
        """Return another table, or None."""
        position = self.find(place)
        return Table(self.content, follow(self.content, position)) if position else None

    def vector(self, place: int, dtype: str) -> np.ndarray:
        """Return a vector of numbers, empty if the table does not have it.

        Raises:
            ValueError: It is longer than the file.
        """
        position = self.find(place)
        if not position:
            return np.zeros(0, dtype)
        start = follow(self.content, position)
        return np.frombuffer(self.content, dtype, unpack("<I", self.content, start), start + 4)

    def tables(self, place: int) -> list["Table"]:
        """Return a vector of tables.

        Raises:
            ValueError: There are more than `MAX_ITEMS`.
        """
        offsets = self.vector(place, "<u4")
        if len(offsets) > MAX_ITEMS:
            raise ValueError(f"it has {len(offsets)} tables in one list")
        if not len(offsets):
            return []
        start = follow(self.content, self.find(place)) + 4
        return [Table(self.content, start + 4 * number + int(offset)) for number, offset in enumerate(offsets)]


def unpack(form: str, content: bytes, position: int) -> int:
    """Return a number of the file.

    Raises:
        ValueError: It would lie outside the file.
    """
    if not 0 <= position <= len(content) - struct.calcsize(form):
        raise ValueError(f"it points to byte {position} of {len(content)}")
    return struct.unpack_from(form, content, position)[0]


def follow(content: bytes, position: int) -> int:
    """Return the place that an offset at a place points to."""
    return position + unpack("<I", content, position)


@reader(WeightsCorrupted)
def read_tflite(path: str | Path) -> dict[str, np.ndarray]:
    """Return the constants of the operators of a `.tflite` file as float32. Integers are multiplied by their scales.

    Names of tensors depend on the version of the converter, so constants are named after operators, in the order in which they run:
    "conv_2d_0.1" is the first convolution's kernel (outputs, height, width, inputs), and "conv_2d_0.2" its biases.

    Args:
        path: File with one graph.

    Raises:
        WeightsCorrupted: It is no such file, it has several graphs or sparse constants, or it declares more bytes than it has.
    """
    content = Path(path).read_bytes()
    if content[4:8] != IDENTIFIER:
        raise ValueError("it does not begin as a file of TensorFlow Lite")
    model = Table(content, follow(content, 0))
    graphs = model.tables(MODEL_GRAPHS)
    if len(graphs) != 1:
        raise ValueError(f"it has {len(graphs)} graphs")
    buffers, tensors = model.tables(MODEL_BUFFERS), graphs[0].tables(GRAPH_TENSORS)
    codes = [max(code.number(CODE_SMALL, "<b"), code.number(CODE, "<i")) for code in model.tables(MODEL_OPERATORS)]
    constants, counts, num_inputs = {}, Counter[str](), 0
    for operator in graphs[0].tables(GRAPH_OPERATORS):
        code = codes[operator.number(OPERATOR_CODE, "<I")]
        kind = OPERATORS.get(code, f"operator_{code}")
        inputs = operator.vector(OPERATOR_INPUTS, "<i4")
        num_inputs += len(inputs)
        if num_inputs > MAX_ITEMS:
            raise ValueError(f"its operators have more than {MAX_ITEMS} inputs")
        for place, index in enumerate(inputs):
            if index >= 0 and (data := find_data(tensors[index], buffers)) is not None:
                constants[f"{kind}_{counts[kind]}.{place}"] = tensors[index], data
        counts[kind] += 1
    check_declared_bytes({name: (data.shape, data.itemsize) for name, (_, data) in constants.items()}, len(content))
    values = {name: dequantize(data, tensor.table(TENSOR_QUANTIZATION)) for name, (tensor, data) in constants.items()}
    return {name: array for name, array in values.items() if array is not None}


def find_data(tensor: Table, buffers: list[Table]) -> np.ndarray | None:
    """Return the numbers of a tensor as they are stored, or None if it is no constant or holds no numbers.

    Raises:
        ValueError: They are sparse, or as many as its shape does not say.
    """
    data = buffers[tensor.number(TENSOR_BUFFER, "<I")].vector(0, "u1")
    dtype = TYPES.get(tensor.number(TENSOR_TYPE, "<b"))
    if not len(data) or dtype is None:
        return None
    if tensor.find(TENSOR_SPARSITY):
        raise ValueError("it has sparse constants, which are not supported")
    shape = tensor.vector(TENSOR_SHAPE, "<i4")
    if len(shape) > MAX_RANK or (shape < 0).any():
        raise ValueError("the shape of a constant is not valid")
    return data.view(dtype).reshape([int(size) for size in shape])


def dequantize(values: np.ndarray, quantization: Any) -> np.ndarray | None:
    """Return (values - zero point) * scale as float32, or None for integers without a scale.

    Args:
        values: Numbers as they are stored.
        quantization: Table of scales: one for all values, or one for each index of a dimension. None for none.

    Raises:
        ValueError: The number of scales does not fit the shape.
    """
    scales = quantization.vector(SCALE, "<f4") if quantization else np.zeros(0)
    if values.dtype.kind == "f" or not len(scales):
        return values.astype("float32") if values.dtype.kind == "f" else None
    zeros, shape = quantization.vector(ZERO_POINT, "<i8"), [1] * values.ndim
    if len(scales) > 1:
        dimension = quantization.number(DIMENSION, "<i")
        if values.shape[dimension] != len(scales):
            raise ValueError(f"it has {len(scales)} scales for {values.shape[dimension]} channels")
        shape[dimension] = len(scales)
    centered = values.astype("float64") - (zeros.reshape(shape) if len(zeros) else 0)
    return (centered * scales.astype("float64").reshape(shape)).astype("float32")
