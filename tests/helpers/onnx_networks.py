"""A small network in the layout and naming of torch, for tests of ONNX files of other programs."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIDE = 12


def make_model(outputs=("result",)):
    """Return a network in torch's layout and naming: two branches, a recurrence of channels, and logits."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(size=(5, 3, 3, 3)), "w2": rng.normal(size=(4, 5, 1, 1)), "w3": rng.normal(size=(2, 5, 1, 1)),
        "w4": rng.normal(size=(6, 3)),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "w1"], ["/stem/conv/Conv_output_0"], pads=[1, 1, 1, 1]),
        node("Relu", ["/stem/conv/Conv_output_0"], ["/stem/relu/Relu_output_0"]),
        node("Conv", ["/stem/relu/Relu_output_0", "w2"], ["/left/Conv_output_0"]),
        node("Conv", ["/stem/relu/Relu_output_0", "w3"], ["/right/Conv_output_0"]),
        node("Concat", ["/left/Conv_output_0", "/right/Conv_output_0"], ["/join/Concat_output_0"], axis=1),
        node("Transpose", ["/join/Concat_output_0"], ["/last/Transpose_output_0"], perm=[0, 2, 3, 1]),
        node("Abs", ["/last/Transpose_output_0"], ["/last/Abs_output_0"]),
        node("GlobalAveragePool", ["/join/Concat_output_0"], ["/pool/Pool_output_0"]),
        node("Flatten", ["/pool/Pool_output_0"], ["/flat/Flatten_output_0"]),
        node("MatMul", ["/flat/Flatten_output_0", "w4"], ["result"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])], values,
        [numpy_helper.from_array(v.astype("float32"), name) for name, v in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
