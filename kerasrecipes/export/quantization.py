"""Weights stored in fewer bytes, the arithmetic in float32: half precision, or integers of eight bits with a scale per output.

Both are plain casts behind the constants, which engines fold when they open the file: every engine reads them, and no
kernel of another precision changes what the network computes.
"""

import hashlib
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MIN_ELEMENTS = 1024  # numbers in a constant that is worth it
# axis of a weight that counts outputs
OUTPUT_AXIS = {"MatMul": -1, "Gemm": -1, "Conv": 0, "ConvTranspose": 1, "Gather": 0, "RNN": 1, "GRU": 1, "LSTM": 1}


def store_float16(model: onnx.ModelProto, weights: set[str]) -> None:
    """Store trained weights as float16 with a Cast behind each; nothing is lost where they come from a float16 file.

    Constants stay in float32 where float16 would overflow; what two directions of a recurrence share is stored once.

    Args:
        weights: hashes of the trained ones (`fingerprint`): what a front end computes with, such as a Fourier transform,
            is no weight and stays exact, for a logarithm behind it would make small errors large.
    """
    casts, constants = [], []
    stored: dict[tuple, str] = {}  # name of each array that there is
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
    """Store trained matrices and kernels as int8, from -127 to 127, with a float32 factor for each output feature.

    Args:
        weights: hashes of the trained ones, as for `halve`.
    """
    axes = {}
    for node in model.graph.node:
        for name in node.input[1:3] if node.op_type in ("RNN", "GRU", "LSTM") else node.input:
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
    """The numbers of a float32 constant that is worth storing otherwise, else None."""
    if value.data_type != TensorProto.FLOAT or np.prod(value.dims) < MIN_ELEMENTS:
        return None
    return numpy_helper.to_array(value)


def is_trained_weight(value: Any, array: np.ndarray, weights: set[str]) -> bool:
    """Whether a constant is a trained weight; those of native recurrences have others folded into them."""
    return value.name.startswith("recurrent_") or order_free_hash(array) in weights


def replace_initializers(model: onnx.ModelProto, constants: list, nodes: list) -> None:
    """The constants in place of all that there were, the nodes before all others."""
    nodes = [*nodes, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(constants)
    model.graph.node.extend(nodes)


def order_free_hash(array: np.ndarray) -> str:
    """The same for an array in any order of its axes."""
    plain = np.asarray(array, "float32") + np.float32(0)  # without -0, which sorting leaves anywhere among the zeros
    return hashlib.sha256(np.sort(plain, axis=None).tobytes()).hexdigest()
