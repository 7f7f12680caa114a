"""Weights stored in half precision: half the file, the same arithmetic in float32."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LEAST = 1024  # numbers in a constant that is worth it


def halve(model: onnx.ModelProto) -> None:
    """Store large float32 constants as float16 with a Cast behind each.

    Constants stay in float32 where float16 would overflow; weights files are float16 as a rule, so that nothing is lost.
    """
    casts, constants = [], []
    for value in model.graph.initializer:
        if value.data_type != TensorProto.FLOAT or np.prod(value.dims) < LEAST:
            constants.append(value)
            continue
        array = numpy_helper.to_array(value)
        if not np.isfinite(array.astype("float16")).all():
            constants.append(value)
            continue
        constants.append(numpy_helper.from_array(array.astype("float16"), f"{value.name}_half"))
        casts.append(helper.make_node("Cast", [f"{value.name}_half"], [value.name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(constants)
    model.graph.node.extend(nodes)
