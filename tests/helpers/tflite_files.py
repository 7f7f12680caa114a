"""Small files of TensorFlow Lite, written by hand: FlatBuffers whose tables are dictionaries of {place of a field: value}."""

import struct

import numpy as np

TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "int16": 7, "int8": 9}


def write_table(buffer, fields):
    """Append a table and what it refers to, and return where the table begins. Numbers take 4 bytes, arrays are vectors."""
    count = max(fields, default=-1) + 1
    buffer += bytes(-len(buffer) % 4)
    vtable = len(buffer)
    places = {place: 4 + 4 * number for number, place in enumerate(sorted(fields))}
    buffer += struct.pack(f"<HH{count}H", 4 + 2 * count, 4 + 4 * len(fields), *(places.get(place, 0) for place in range(count)))
    buffer += bytes(-len(buffer) % 4)
    start = len(buffer)
    buffer += struct.pack("<i", start - vtable) + bytes(4 * len(fields))
    for place, value in fields.items():
        slot = start + places[place]
        if isinstance(value, int):
            buffer[slot : slot + 4] = struct.pack("<i", value)
            continue
        target = write_table(buffer, value) if isinstance(value, dict) else write_vector(buffer, value)
        buffer[slot : slot + 4] = struct.pack("<I", target - slot)
    return start


def write_vector(buffer, values):
    """Append a vector of numbers (an array) or of tables (a list), and return where it begins."""
    alignment = 4 if isinstance(values, list) else max(values.itemsize, 4)
    buffer += bytes((-len(buffer) - 4) % alignment)  # numbers stand at multiples of their size
    start = len(buffer)
    buffer += struct.pack("<I", len(values))
    if not isinstance(values, list):
        buffer += values.tobytes()
        return start
    buffer += bytes(4 * len(values))
    for number, fields in enumerate(values):
        slot = start + 4 + 4 * number
        buffer[slot : slot + 4] = struct.pack("<I", write_table(buffer, fields) - slot)
    return start


def tflite_model(constants, operators=((3, None),), graphs=1, sparse=False):
    """Return a file whose operators read constants.

    Args:
        constants: Rows (numbers as they are stored, scales, zero points, dimension of the scales).
        operators: Rows (number of the kind of operator, indices of its inputs; None for all constants after a computed one).
        graphs: Number of graphs.
        sparse: Whether constants claim to be sparse.
    """
    tensors, buffers = [{0: np.array([1, 4], "i4"), 1: 0, 2: 0}], [{}]
    for number, (values, scales, zeros, dimension) in enumerate(constants, 1):
        quantization = {2: np.array(scales, "f4"), 3: np.array(zeros, "i8"), 6: dimension} if scales else {}
        tensors.append({0: np.array(values.shape, "i4"), 1: TYPES[values.dtype.name], 2: number, 4: quantization})
        if sparse:
            tensors[-1][6] = {}
        buffers.append({0: np.frombuffer(values.tobytes(), "u1")})
    everything = range(len(tensors))
    nodes = [{0: i, 1: np.array(everything if inputs is None else inputs, "i4")} for i, (_, inputs) in enumerate(operators)]
    model = {0: 3, 1: [{0: min(code, 127), 3: code} for code, _ in operators], 2: graphs * [{0: tensors, 3: nodes}], 4: buffers}
    buffer = bytearray(b"\0\0\0\0TFL3")
    buffer[:4] = struct.pack("<I", write_table(buffer, model))
    return bytes(buffer)


def convolution(dtype="int8"):
    """Return the rows of a kernel (outputs, height, width, inputs) with a scale for each output, and of its biases."""
    kernel = np.arange(-6, 6).reshape(2, 1, 3, 2).astype(dtype)
    return [(kernel, [0.5, 0.25], [0, 0], 0), (np.array([100, -4], "int32"), [0.125, 0.0625], [0, 0], 0)]
