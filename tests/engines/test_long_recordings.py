"""Graphs are cut at their sums over time, and a long recording in windows gives the logits of the whole."""

import tracemalloc

import numpy as np
import pytest

from kerasrecipes.audio import Recording
from kerasrecipes.engines.graph_parts import cut_graph, find_time_reductions
from kerasrecipes.engines.long_recordings import WindowedRecognizer
from kerasrecipes.layers.time_geometry import TimeGeometry, output_length

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
GEOMETRIES = [TimeGeometry(), TimeGeometry(8, 4, 2, 2), TimeGeometry()]


class Part:
    """An ONNX file in onnxruntime with the method of the package's sessions."""

    def __init__(self, content):
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def outputs(self, inputs):
        names, given = [o.name for o in self.session.get_outputs()], {i.name for i in self.session.get_inputs()}
        return dict(zip(names, self.session.run(names, {k: v for k, v in inputs.items() if k in given}), strict=True))


def make_network() -> bytes:
    """Unit power, a convolution, features without mean and below the loudest, averaged over two: all reductions in one graph."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    constants = {
        "time": np.array([1]), "rows": np.array([1, 2]), "channel": np.array([1]), "kernel": rng.normal(size=(3, 1, 8)).astype("float32"),
        "one": np.float32(1), "unused": np.zeros(3, "float32"),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Cast", ["length"], ["count"], to=TensorProto.FLOAT), node("Mul", ["audio", "audio"], ["square"]),
        node("ReduceSum", ["square", "time"], ["power"], keepdims=1), node("Div", ["power", "count"], ["mean_power"]),
        node("Sqrt", ["mean_power"], ["scale"]), node("Div", ["audio", "scale"], ["loud"]),
        node("Unsqueeze", ["loud", "channel"], ["wave"]), node("Conv", ["wave", "kernel"], ["filtered"], strides=[4], pads=[2, 2]),
        node("Transpose", ["filtered"], ["features"], perm=[0, 2, 1]), node("ReduceMean", ["features"], ["mean"], axes=[1], keepdims=1),
        node("Sub", ["features", "mean"], ["centered"]), node("ReduceMax", ["centered"], ["top"], axes=[1, 2], keepdims=1),
        node("Sub", ["centered", "top"], ["logits"]), node("ReduceSum", ["logits", "rows"], ["total"], keepdims=0),
    ]  # fmt: skip
    info, floats = helper.make_tensor_value_info, TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "network", [info("audio", floats, [None, None]), info("length", TensorProto.INT32, [None])],
        [info("logits", floats, [None, None, 3]), info("total", floats, [None])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def test_reductions_over_time_are_found():
    found = [(r.kind, r.source, r.target, r.axes, r.keepdims) for r in find_time_reductions(make_network())]
    assert found == [
        ("sum", "square", "power", (1,), True), ("mean", "features", "mean", (1,), True), ("max", "centered", "top", (1, 2), True),
        ("sum", "logits", "total", (1, 2), False),
    ]  # fmt: skip


def test_a_part_holds_what_its_output_needs():
    content = make_network()
    part = onnx.load_from_string(cut_graph(content, {"mean": (1, 1, 3), "power": (1, 1)}, ["centered"]))
    assert [i.name for i in part.graph.input] == ["audio", "length", "mean", "power"]
    assert [i.name for i in part.graph.initializer] == ["channel", "kernel"]
    assert "ReduceMean" not in [n.op_type for n in part.graph.node]
    first = onnx.load_from_string(cut_graph(content, {}, ["square"]))
    assert [n.op_type for n in first.graph.node] == ["Mul"] and [i.name for i in first.graph.input] == ["audio"]
    assert Part(cut_graph(content, {}, ["logits"])).outputs({"audio": np.ones((1, 40), "float32"), "length": np.array([40], "int32")})


def test_a_part_is_the_only_copy_of_the_weights():
    model = onnx.load_from_string(make_network())
    kernel = next(i for i in model.graph.initializer if i.name == "kernel")
    kernel.CopyFrom(onnx.numpy_helper.from_array(np.zeros((3, 1, 500_000), "float32"), "kernel"))  # 6 MB
    content = model.SerializeToString()
    tracemalloc.start()
    try:
        assert len(cut_graph(content, {}, ["logits"])) > 6_000_000
        assert tracemalloc.get_traced_memory()[1] < 1.1 * len(content)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("samples", [50, 1000, 16000 * 3 + 5])
def test_windows_give_the_logits_of_the_whole(samples):
    content = make_network()
    rng = np.random.default_rng(1)
    wave = (rng.normal(size=samples) * np.linspace(0.1, 1, samples)).astype("float32")
    whole = Part(content).outputs({"audio": wave[None], "length": np.array([samples], "int32")})["logits"][0]
    recognizer = WindowedRecognizer(lambda: content, Part, GEOMETRIES, 200, chunk_seconds=2.0)
    reads = []

    def read():
        reads.append(1)
        return iter(np.array_split(wave, 7))

    logits = np.concatenate([*recognizer.logits(Recording(samples, False, read))])
    assert len(logits) == output_length(GEOMETRIES, samples)
    np.testing.assert_allclose(logits, whole, atol=2e-4)
    assert len(reads) == 4  # a pass for each reduction that the logits need, one for them
    assert list(recognizer.parts) == ["logits"]  # the others' engines have given their memory back
