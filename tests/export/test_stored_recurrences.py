"""Recurrences whose weights a file stores as float16 or int8."""

import numpy as np
import pytest

from kerasrecipes import layers
from kerasrecipes.export import native_rnn, quantization

onnx = pytest.importorskip("onnx")
STORES = {"float16": quantization.store_float16, "int8": quantization.store_int8}


def build_layer(cell, directions):
    """Return a layer with batch normalization whose kernels came from a float16 file."""
    layer = layers.SequenceRNN(32, cell, None, directions == 2, "sum", True, True)
    layer.build((None, None, 40))
    rng = np.random.default_rng(1)
    for variable in layer.weights:
        values = 0.3 * rng.normal(size=variable.shape)
        values = values**2 + 0.5 if "variance" in variable.path else values
        variable.assign(values.astype("float16") if "kernel" in variable.path else values)
    return layer


def build_graph(layer, step):
    """Return the ONNX model of the layer, or of its step, which passes its state on."""
    declare, kinds = onnx.helper.make_tensor_value_info, onnx.TensorProto
    if step:
        nodes, constants = native_rnn.native_rnn_step_nodes(layer, "recurrent_0", ["x", "state"], ["y", "last"])
        second = declare("state", kinds.FLOAT, [None, 32])
    else:
        nodes, constants = native_rnn.native_rnn_nodes(layer, "recurrent_0", ["x", "length"], ["y"])
        second = declare("length", kinds.INT32, [None])
    inputs = [declare("x", kinds.FLOAT, [None, None, 40 + step]), second]
    graph = onnx.helper.make_graph(nodes, "g", inputs, [declare("y", kinds.FLOAT, [None, None, None])], constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def run(model, step):
    import onnxruntime

    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 25, 40)).astype("float32")
    if step:
        feeds = {"x": np.concatenate([x, np.zeros((3, 25, 1), "float32")], -1), "state": np.zeros((3, 32), "float32")}
    else:
        feeds = {"x": x, "length": np.array([25, 11, 3], "int32")}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], feeds)[0]


@pytest.mark.parametrize(("cell", "directions", "step"), [("rnn", 2, False), ("gru", 2, False), ("gru", 1, True), ("lstm", 1, False)])
def test_float16_loses_nothing_and_int8_little(cell, directions, step):
    layer = build_layer(cell, directions)
    exact = run(build_graph(layer, step), step)
    sizes = {"float32": len(build_graph(layer, step).SerializeToString())}
    errors = {}
    for storage, store in STORES.items():
        model = build_graph(layer, step)
        store(model, set())
        sizes[storage] = len(model.SerializeToString())
        errors[storage] = np.abs(run(model, step) - exact).max()
    assert errors["float16"] < 1e-6  # where batch normalization is rounded with the kernel, 1e-3
    assert 1e-4 < errors["int8"] < 0.1
    assert sizes["float16"] < 0.65 * sizes["float32"] and sizes["int8"] < 0.45 * sizes["float32"]
