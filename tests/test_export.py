"""Files in other formats: Keras's scores at any length and in any batch, and clear words about what cannot be."""

import importlib.util
import json
import re
import zipfile

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import engines, export, layers
from kerasrecipes.engines.models import MODELS
from kerasrecipes.errors import ExportError
from kerasrecipes.registry import catalogue

onnx = pytest.importorskip("onnx")
pytest.importorskip("tf2onnx")

# one of each kind of layer and task; the others are slow
QUICK = ("deepspeech2_small", "palaz_raw_small", "convnetjs_mnist", "dilated_camvid_small")
NAMES = [n for n, r in catalogue().items() if r.task in export.TASKS]


def tiny(name):
    keras.utils.set_random_seed(1)
    model = kr.load(name, weights=None, compile=False, **kr.get_recipe(name).test_config)
    rng = np.random.default_rng(2)
    for variable in model.weights:  # away from zeros and ones, so that nothing cancels
        if variable.path.endswith(("bias", "beta", "moving_mean", "transitions")) or "bias" in variable.name:
            variable.assign(rng.normal(size=variable.shape) * 0.1)
    return model


def written(model, folder, **options):
    """The model's ONNX file, by the worker's own steps in this process."""
    from kerasrecipes.export import worker

    model.save(folder / "model.keras")
    request = {
        "recipe": None, "saved": str(folder / "model.keras"), "folder": str(folder), "name": model.name, "format": "onnx",
        "activations": False, "float16": False, "opset": 17, **options,
    }  # fmt: skip
    worker.main(request)
    return folder / f"{model.name}.onnx"


def scores(model, inputs):
    """Of a Keras model or an engine's."""
    return model.scores(inputs if "length" in inputs else inputs["picture"])


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NAMES])
def test_every_recipe_gives_the_same_scores_in_onnx(name, tmp_path):
    from kerasrecipes.export.cases import cases_of
    from kerasrecipes.export.worker import reference

    model = tiny(name)
    path = written(model, tmp_path)
    session = engines.open_session(path, "onnxruntime")
    for case in cases_of(model, seed=7):
        expected = case.run(reference(model))
        np.testing.assert_allclose(session(case.inputs), expected, atol=1e-4 * max(1, np.abs(expected).max()))
    with np.load(tmp_path / f"{name}.npz") as golden:
        keys = [k for k in golden.files if k.endswith("_0") and not k.startswith("scores")]
        inputs = {k.removesuffix("_0"): golden[k] for k in keys}
        np.testing.assert_allclose(session(inputs), golden["scores_0"], rtol=1e-4, atol=1e-4)
    if model.recipe.task not in MODELS:
        return
    opened = engines.load_file(path, "onnxruntime")
    assert (opened.name, opened.recipe.task) == (name, model.recipe.task)
    if hasattr(model, "geometries"):
        assert opened.alphabet == model.alphabet and opened.stride == model.stride
        assert opened.output_length(12345) == model.output_length(12345)
        assert (opened.sample_rate, opened.told["row"]) == (model.sample_rate, None)
        assert np.array_equal(opened.criterion.transitions(), model.criterion.transitions())
        audio = np.random.default_rng(3).normal(size=(3, 9000)).astype("float32") * 0.1
        length = np.array([9000, 6200, 4001], "int32")
        together = opened.scores({"audio": audio, "length": length})
        for i, n in enumerate(length):  # alone is in a batch, and noise behind the length changes nothing
            alone = opened.scores({"audio": audio[i : i + 1, :n], "length": length[i : i + 1]})[0]
            np.testing.assert_allclose(together[i, : len(alone)], alone, atol=1e-5)
            assert not together[i, len(alone) :].any()
        assert opened.transcribe(audio[0], sample_rate=16000).text == model.transcribe(audio[0], sample_rate=16000).text
    elif hasattr(model, "preparation"):
        picture = np.random.default_rng(4).integers(0, 255, (50, 70, 3), "uint8")
        expected, found = (m.classify(picture) for m in (model, opened))
        assert found.top(1)[0].name == expected.top(1)[0].name
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    else:
        picture = np.random.default_rng(4).integers(0, 255, (37, 52, 3), "uint8")
        expected, found = model.segment(picture, tile=16), opened.segment(picture)
        np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-5)
        assert (found.mask != expected.mask).mean() < 1e-3 and found.classes == expected.classes


RECURRENCES = {  # arguments of `Recurrent`, and whether a native node can take the place
    "rnn": (("rnn", 0.7, "bidirectional", "sum", True, True), True),
    "rnn_tanh": (("rnn", None, "forward", "sum", False, False), True),
    "rnn_unbounded": (("rnn", float("inf"), "bidirectional", "concat", False, False), True),
    "gru": (("gru", None, "bidirectional", "concat", False, False), True),
    "gru_shared": (("gru", None, "bidirectional", "sum", True, True), True),
    "gru_clipped": (("gru", 20.0, "forward", "sum", True, False), True),
    "gru_narrow": (("gru", 0.3, "bidirectional", "sum", True, False), False),
    "lstm": (("lstm", None, "bidirectional", "sum", False, True), True),
    "lstm_clipped": (("lstm", 20.0, "forward", "sum", True, False), False),
}


def test_native_recurrences_are_the_layers(tmp_path):
    """All kinds in one graph, each on its own, with an item of one step and one of none."""
    import onnxruntime
    import tensorflow as tf
    import tf2onnx

    from kerasrecipes.export import recurrences
    from kerasrecipes.tasks.forward import compiled

    x, length = keras.Input((None, 5), name="x"), keras.Input((), dtype="int32", name="length")
    built = {name: layers.Recurrent(4, *arguments, name=name) for name, (arguments, _) in RECURRENCES.items()}
    model = keras.Model({"x": x, "length": length}, {name: layer(x, length)[0] for name, layer in built.items()})
    rng = np.random.default_rng(0)
    for variable in model.weights:
        values = rng.normal(size=variable.shape)
        variable.assign(values**2 + 0.5 if "variance" in variable.path else values)

    def given(batch, steps, lengths):
        return {"x": rng.normal(size=(batch, steps, 5)).astype("float32"), "length": np.array(lengths, "int32")}

    cases = [given(4, 11, [11, 6, 1, 0]), given(1, 7, [7])]
    reference = compiled(model)
    expected = [reference(case) for case in cases]
    signature = [tf.TensorSpec((None, None, 5), "float32", "x"), tf.TensorSpec((None,), "int32", "length")]
    function = tf.function(lambda x, n: model({"x": x, "length": n}, training=False), signature, autograph=False)
    with recurrences.marked() as found:
        made, _ = tf2onnx.convert.from_function(
            function, input_signature=signature, opset=17,
            custom_ops=dict.fromkeys(recurrences.OPERATIONS, recurrences.DOMAIN),
        )  # fmt: skip
    assert {layer.name for layer in found} == {name for name, (_, native) in RECURRENCES.items() if native}
    recurrences.stitch(made, found)
    kinds = [node.op_type for node in made.graph.node]
    assert (kinds.count("RNN"), kinds.count("GRU"), kinds.count("LSTM")) == (5, 5, 2)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    for case, values in zip(cases, expected, strict=True):
        for name, value in zip(values, session.run(list(values), case), strict=True):
            np.testing.assert_allclose(value, values[name], atol=1e-5, err_msg=name)


def test_a_lost_recurrence_is_an_error():
    from kerasrecipes.export.recurrences import stitch

    graph = onnx.helper.make_graph([], "g", [], [])
    with pytest.raises(ExportError, match="lost a recurrent layer: of 1 it kept"):
        stitch(onnx.helper.make_model(graph), [layers.Recurrent(4)])


def test_half_precision_halves_the_file_and_activations_have_their_names(tmp_path):
    model = tiny("convnetjs_mnist")
    for place, options in (("full", {}), ("half", {"float16": True}), ("layers", {"activations": True})):
        (tmp_path / place).mkdir()
        written(model, tmp_path / place, **options)
    sizes = {p: (tmp_path / p / "convnetjs_mnist.onnx").stat().st_size for p in ("full", "half", "layers")}
    weights = sum(int(np.prod(w.shape)) for w in model.weights)
    assert sizes["full"] - sizes["half"] > 1.5 * weights  # two of four bytes, of all but the smallest constants
    outputs = {o.name for o in onnx.load(tmp_path / "layers" / "convnetjs_mnist.onnx").graph.output}
    kind = lambda name: re.sub(r"_\d+$", "", name)  # noqa: E731  (numbers of layers depend on what was built before)
    assert {kind(v.name) for v in model.layers[1:]} | {"scores"} == {kind(o) for o in outputs}
    assert len(outputs) == len(model.layers)
    picture = np.random.default_rng(0).uniform(0, 255, (2, 28, 28, 1)).astype("float32")
    half = engines.load_file(tmp_path / "half" / "convnetjs_mnist.onnx", "onnxruntime").scores(picture)
    np.testing.assert_allclose(half, model.scores(picture), atol=1e-3 * np.abs(half).max())


# ---------------------------------------------------------------- what cannot be


def refused(match, *arguments, **options):
    with pytest.raises(ExportError, match=match):
        export.export(*arguments, **options)


def test_formats_say_what_they_cannot_hold_before_they_start(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "work", lambda *a: pytest.fail("it started"))
    refused("no format 'tflite'; there are onnx", "deepspeech2_small", tmp_path, "tflite")
    refused("no recurrent layers of dynamic length.*--format onnx", "deepspeech2_small", tmp_path, "litert")
    refused("opset 14: from 15 to 18", "deepspeech2_small", tmp_path, opset=14)
    refused("tf_saved_model has no float16", "deepspeech2_small", tmp_path, "tf_saved_model", float16=True)
    refused("There is no file", tmp_path / "x.keras", tmp_path)
    (tmp_path / "x.keras").write_bytes(b"nothing")
    refused("is no file that a model of kerasrecipes was saved in", tmp_path / "x.keras", tmp_path)
    with zipfile.ZipFile(tmp_path / "y.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"recipe": "wavenet"}}))
    refused("a generator's loop over samples", tmp_path / "y.keras", tmp_path)
    (tmp_path / "file").write_text("in the way")
    refused("cannot be written .*choose another folder", "deepspeech2_small", tmp_path / "file" / "out")
    with pytest.raises(kr.WeightsUnavailable, match="kerasrecipes train deepspeech2 "):
        export.export("deepspeech2", tmp_path)
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "tf2onnx" else real(n, *a))
    refused(r'needs tf2onnx: pip install "kerasrecipes\[tensorflow,export\]"', "deepspeech2_small", tmp_path)


def test_a_failed_export_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "squeezenet.onnx").write_text("old")

    def fail(request, place):
        (place / "squeezenet.onnx").write_text("half")
        raise ExportError("differs")

    monkeypatch.setattr(export, "work", fail)
    refused("differs", "squeezenet", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["squeezenet.onnx"]
    assert (tmp_path / "squeezenet.onnx").read_text() == "old"


def test_wrong_scores_are_refused():
    from kerasrecipes.export.cases import Case
    from kerasrecipes.export.worker import compare

    case = Case({"picture": np.zeros((1, 2, 2, 1))})
    assert compare([case], [np.zeros((1, 3))], lambda x: np.full((1, 3), 5e-5), 1e-4) == pytest.approx(5e-5)
    for wrong, match in ((np.full((1, 3), 2e-4), "differ by 2.0e-04"), (np.full((1, 3), np.nan), "differ by nan")):
        with pytest.raises(ExportError, match=match):
            compare([case], [np.zeros((1, 3))], lambda x, wrong=wrong: wrong, 1e-4)
    with pytest.raises(ExportError, match=r"gives scores \(1, 2\)"):
        compare([case], [np.zeros((1, 3))], lambda x: np.zeros((1, 2)), 1e-4)
