"""Model files that a recipe cannot use are refused when they are read, with the tensor or the field named."""

import json

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.engines.onnx_metadata import METADATA_KEY, read_description
from kerasrecipes.engines.onnx_tensors import check_tensors, read_fields
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted
from kerasrecipes.hub import manifest

onnx = pytest.importorskip("onnx")
CLASSES = [str(i) for i in range(10)]
BAD_VALUES = [(np.nan, "holds 1 values that are NaN or infinite"), (-np.inf, "holds 1 values"), (1e30, "holds values up to 1e")]


def write_network(path, classes=CLASSES, weights=None, **tensor_fields):
    """Write a classifier of one matrix as `kerasrecipes export` does."""
    weights = np.ones((576, 10), "float32") if weights is None else weights
    tensor = onnx.numpy_helper.from_array(weights, "kernel")
    for name, value in tensor_fields.items():
        setattr(tensor, name, value)
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "kernel"], ["logits"])],
        "graph",
        [helper.make_tensor_value_info("image", floats, ["n", 24, 24, 1])],
        [helper.make_tensor_value_info("logits", floats, ["n", 10])],
        [tensor],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = read_description(manifest.weights_folder() / "convnetjs_mnist.onnx") | {"classes": classes}
    helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("value, message", BAD_VALUES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_that_are_no_weights_are_named(tmp_path, value, message, dtype):
    weights = np.ones((576, 10), dtype)
    weights[5, 5] = value
    with pytest.raises(WeightsCorrupted, match=f"the tensor kernel {message}"):
        check_tensors(write_network(tmp_path / "x.onnx", weights=weights))


def test_weights_in_other_files_are_refused(tmp_path):
    path = write_network(tmp_path / "x.onnx", data_location=onnx.TensorProto.EXTERNAL)
    with pytest.raises(WeightsCorrupted, match="kernel lies in another file"):
        check_tensors(path)
    model = onnx.load(write_network(tmp_path / "y.onnx"))
    onnx.save(model, tmp_path / "z.onnx", save_as_external_data=True, size_threshold=0, location="z.data")
    with pytest.raises(WeightsCorrupted, match="kernel lies in another file"):
        check_tensors(tmp_path / "z.onnx")


def test_tensors_of_constants_and_of_graphs_in_nodes_are_checked(tmp_path):
    helper, bad = onnx.helper, onnx.numpy_helper.from_array(np.array([1, np.nan], "float32"), "inner")
    constant = helper.make_node("Constant", [], ["a"], value=bad)
    branch = helper.make_graph([constant], "branch", [], [helper.make_tensor_value_info("a", 1, [2])])
    condition = helper.make_node("If", ["c"], ["b"], then_branch=branch, else_branch=branch)
    for nodes in ([constant], [condition]):
        graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("c", 9, [])], [])
        (tmp_path / "x.onnx").write_bytes(helper.make_model(graph).SerializeToString())
        with pytest.raises(WeightsCorrupted, match="the tensor inner holds 1 values"):
            check_tensors(tmp_path / "x.onnx")


def test_messages_are_read_as_protobuf_writes_them(tmp_path):
    content = write_network(tmp_path / "x.onnx").read_bytes()
    model = onnx.ModelProto.FromString(content)
    fields = list(read_fields(memoryview(content)))
    assert [number for number, _ in fields] == [1, 8, 7, 14] or sorted(number for number, _ in fields) == [1, 7, 8, 14]
    assert dict(fields)[1] == model.ir_version and bytes(dict(fields)[7]) == model.graph.SerializeToString()
    for length in range(1, 200, 7):
        (tmp_path / "cut.onnx").write_bytes(content[:length])
        if length not in (2,):
            with pytest.raises(WeightsCorrupted, match=r"cut\.onnx cannot be read"):
                check_tensors(tmp_path / "cut.onnx")


@pytest.mark.parametrize("classes", [["a", "b", "c"], [*CLASSES, "k"], ["one"]])
def test_labels_must_be_as_many_as_logits(tmp_path, classes):
    assert kr.load(write_network(tmp_path / "good.onnx")).classify(np.zeros((28, 28), "uint8")).top(1)
    with pytest.raises(WeightsCorrupted, match=f"names {len(classes)} labels for 10 logits"):
        kr.load(write_network(tmp_path / "x.onnx", classes))


@pytest.mark.parametrize("value, message", BAD_VALUES)
def test_keras_files_with_such_weights_are_refused(tmp_path, value, message):
    model = kr.load("convnetjs_mnist", weights=None, **kr.get_recipe("convnetjs_mnist").tiny_config)
    layer = next(layer for layer in model.layers if layer.weights)
    kernel, *rest = layer.get_weights()
    kernel.flat[3] = value
    layer.set_weights([kernel, *rest])
    model.save(tmp_path / "x.keras")
    model.save_weights(tmp_path / "x.weights.h5")
    with pytest.raises(WeightsCorrupted, match=f"x.keras: the weights .*{message}"):
        kr.load(tmp_path / "x.keras")
    with pytest.raises(WeightsCorrupted, match=f"x.weights.h5: the weights .*{message}"):
        kr.load("convnetjs_mnist", weights=tmp_path / "x.weights.h5", **kr.get_recipe("convnetjs_mnist").tiny_config)


def test_other_models_of_keras_are_named(tmp_path):
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    functional = keras.Model(plain.inputs, plain.outputs)
    for model, name in ((plain, "Sequential"), (functional, "Functional")):
        model.save(tmp_path / "x.keras")
        with pytest.raises(KerasRecipesError, match=rf"x\.keras holds a {name} of Keras.*keras\.saving\.load_model"):
            kr.load(tmp_path / "x.keras")
