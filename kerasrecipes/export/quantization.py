"""Trained weights stored as float16, or as int8 with a scale per output. The arithmetic stays float32.

Both are casts after the constants, which engines fold when they open the file: every engine reads them, and no kernel of
another precision changes what the network computes.
"""

import hashlib
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MIN_ELEMENTS = 1024  # smaller constants stay float32
RECURRENT = "recurrent_"  # begins the names of native recurrences
# axis of the outputs in a weight
OUTPUT_AXIS = {"MatMul": -1, "Gemm": -1, "Conv": 0, "ConvTranspose": 1, "Gather": 0, "RNN": 1, "GRU": 1, "LSTM": 1}


def store_float16(model: onnx.ModelProto, weights: set[str]) -> None:
    """Store trained weights as float16 with a Cast after each. Nothing is lost if they come from a float16 file.

    `weights` are the trained weights' `order_free_hash`. Constants of a front end, such as a Fourier transform, stay exact,
    because the logarithm after it would magnify small errors. Weights stay float32 where float16 would overflow. A weight
    that two directions of a recurrence share is stored once.
    """
    casts, constants = [], []
    stored: dict[tuple, str] = {}  # array -> its name
    for value in model.graph.initializer:
        array = as_large_float32(value)
        if (
            array is None
            or not is_trained_weight(value, array, weights)
            or not np.isfinite(array.astype("float16")).all()
        ):
            constants.append(value)
            continue
        half = array.astype("float16")
        name = stored.setdefault((half.shape, half.tobytes()), f"{value.name}_half")
        if name == f"{value.name}_half":
            constants.append(numpy_helper.from_array(half, name))
        casts.append(helper.make_node("Cast", [name], [value.name], to=TensorProto.FLOAT))
    replace_initializers(model, constants, casts)


def store_int8(model: onnx.ModelProto, weights: set[str]) -> None:
    """Store trained matrices and kernels as int8, from -127 to 127, with a float32 factor for each output feature."""
    axes = {}
    makers = {node.output[0]: node for node in model.graph.node if node.op_type in ("Mul", "Concat")}
    for node in model.graph.node:
        for name in node.input[1:3] if node.op_type in ("RNN", "GRU", "LSTM") else node.input:
            while name in makers and name.startswith(RECURRENT):  # a kernel with a scale, or beside weights that hold a state
                name = makers[name].input[0]
            if node.op_type in OUTPUT_AXIS:
                axes[name] = OUTPUT_AXIS[node.op_type]
    nodes, constants = [], []
    for value in model.graph.initializer:
        array = as_large_float32(value)
        if array is None or value.name not in axes or not is_trained_weight(value, array, weights):
            constants.append(value)
            continue
        axis = axes[value.name] % array.ndim
        others = tuple(i for i in range(array.ndim) if i != axis)
        scale = np.maximum(np.abs(array).max(others, keepdims=True), 1e-12).astype("float32") / 127
        whole, factor, wide = (f"{value.name}_{end}" for end in ("int8", "scale", "wide"))
        constants += [
            numpy_helper.from_array(np.round(array / scale).astype("int8"), whole),
            numpy_helper.from_array(scale, factor),
        ]
        nodes += [
            helper.make_node("Cast", [whole], [wide], to=TensorProto.FLOAT),
            helper.make_node("Mul", [wide, factor], [value.name]),
        ]
    replace_initializers(model, constants, nodes)


def as_large_float32(value: Any) -> np.ndarray | None:
    """Return the values of a float32 constant of at least `MIN_ELEMENTS`, else None."""
    if value.data_type != TensorProto.FLOAT or np.prod(value.dims) < MIN_ELEMENTS:
        return None
    return numpy_helper.to_array(value)


def is_trained_weight(value: Any, array: np.ndarray, weights: set[str]) -> bool:
    """Return whether a constant is a trained weight. Kernels of native recurrences, reordered by gate, are known by name."""
    return (value.name.startswith(RECURRENT) and value.name.endswith(("_W", "_R"))) or order_free_hash(array) in weights


def replace_initializers(model: onnx.ModelProto, constants: list, nodes: list) -> None:
    """Replace all constants and put the nodes before all others."""
    nodes = [*nodes, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(constants)
    model.graph.node.extend(nodes)


def order_free_hash(array: np.ndarray) -> str:
    """Return a hash that does not depend on the order of an array's axes."""
    plain = np.asarray(array, "float32") + np.float32(0)  # turns -0 into 0, as sorting does not order the two
    return hashlib.sha256(np.sort(plain, axis=None).tobytes()).hexdigest()
