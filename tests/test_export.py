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
QUICK = ("deepspeech2_small", "palaz_raw_small", "caffenet", "dilated_camvid_small")
PICTURES = ("image-classification", "segmentation")
RECURRENT = ("deepspeech1", "deepspeech2", "char_rnn")  # files in recipes/
NAMES = [n for n, r in catalogue().items() if r.task in export.TASKS]


def tiny(name):
    keras.utils.set_random_seed(1)
    model = kr.load(name, weights=None, compile=False, **kr.get_recipe(name).test_config)
    rng = np.random.default_rng(2)
    for variable in model.weights:  # away from zeros and ones, so that nothing cancels
        if variable.path.endswith(("bias", "beta", "moving_mean", "transitions")) or "bias" in variable.name:
            variable.assign(rng.normal(size=variable.shape) * 0.1)
        elif model.recipe.task in PICTURES and "kernel" in variable.path:  # so large that scores depend on the picture
            variable.assign(rng.normal(size=variable.shape) * np.sqrt(2 / np.prod(variable.shape[:-1])))
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
        assert expected.std(axis=tuple(range(expected.ndim - 1))).max() > 1e-3 or len(expected) == 1
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


def by_hand(layer, x, length):
    """A `Recurrent` layer's formulas in numpy, item by item and step by step, float64."""
    units, outputs = layer.units, []
    bound = (lambda v: np.clip(v, 0, layer.limit)) if layer.limit is not None else np.tanh
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    for i, loop in enumerate(layer.loops):
        place = i if layer.transforms == 2 else 0
        projected = x.astype("float64") @ layer.kernels[place].numpy()
        if layer.batch_norm:
            gamma, beta, mean, variance = (v.numpy().astype("float64") for v in layer.norms[place].weights)
            projected = gamma * (projected - mean) / np.sqrt(variance + layer.norms[place].epsilon) + beta
        else:
            projected = projected + layer.biases[place].numpy()
        u = loop.cell.recurrent_kernel.numpy()
        inner = loop.cell.recurrent_bias.numpy() if loop.cell.bias else 0
        y = np.zeros((*x.shape[:2], units))
        for row, n in enumerate(length):
            h = c = np.zeros(units)
            for t in range(n)[:: -1 if i else 1]:
                a, r = projected[row, t], h @ u + inner
                if layer.cell == "rnn":
                    h = bound(a + r)
                elif layer.cell == "gru":
                    z, reset = sigmoid(a[:units] + r[:units]), sigmoid((a + r)[units : 2 * units])
                    h = z * h + (1 - z) * bound(a[2 * units :] + reset * r[2 * units :])
                else:
                    i_, f, g, o = np.split(a + r, 4)
                    c = sigmoid(f) * c + sigmoid(i_) * bound(g)
                    h = sigmoid(o) * bound(c)
                y[row, t] = h
        outputs.append(y)
    return outputs[0] + outputs[-1] * (len(outputs) == 2) if layer.merge == "sum" else np.concatenate(outputs, -1)


@pytest.mark.parametrize("name", RECURRENCES)
def test_native_recurrences_are_the_formulas(name):
    import onnxruntime

    from kerasrecipes.export import recurrences

    arguments, fits = RECURRENCES[name]
    layer = layers.Recurrent(4, *arguments)
    layer.build((None, None, 5))
    assert recurrences.fits(layer) == fits
    if not fits:
        return
    rng = np.random.default_rng(0)
    for variable in layer.weights:
        values = rng.normal(size=variable.shape)
        variable.assign(values**2 + 0.5 if "variance" in variable.path else values)
    nodes, constants = recurrences.native(layer, "r", "x", "length", "y")
    declare, kinds = onnx.helper.make_tensor_value_info, onnx.TensorProto
    inputs = [declare("x", kinds.FLOAT, [None, None, 5]), declare("length", kinds.INT32, [None])]
    graph = onnx.helper.make_graph(nodes, "g", inputs, [declare("y", kinds.FLOAT, [None, None, None])], constants)
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    assert sum(node.op_type == layer.cell.upper() for node in nodes) == layer.directions
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch, steps, lengths in ((4, 11, [11, 6, 1, 0]), (1, 7, [7])):
        x = rng.normal(size=(batch, steps, 5)).astype("float32")
        (found,) = session.run(["y"], {"x": x, "length": np.array(lengths, "int32")})
        expected = by_hand(layer, x, lengths)
        for row, n in enumerate(lengths):
            np.testing.assert_allclose(found[row, :n], expected[row, :n], rtol=1e-5, atol=1e-5)


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
    picture = np.random.default_rng(0).uniform(0, 255, (2, *model.input_shape[1:])).astype("float32")
    half = engines.load_file(tmp_path / "half" / "convnetjs_mnist.onnx", "onnxruntime").scores(picture)
    np.testing.assert_allclose(half, model.scores(picture), atol=1e-3 * np.abs(half).max())


@pytest.mark.parametrize("name", NAMES)
def test_recurrent_recipes_are_known_by_their_configuration(name):
    recipe = kr.get_recipe(name)
    assert export.recurrent(recipe.config) == (recipe.builder.split(".")[2].split(":")[0] in RECURRENT)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["tf_saved_model", "litert", "openvino"])
@pytest.mark.parametrize("name", ["convnetjs_mnist", "palaz_raw_small", "deepspeech2_small"])
def test_other_formats(name, format, tmp_path):
    """The worker compares the reopened file with Keras; here, that the files have their names, and no others are left."""
    if format == "openvino":
        pytest.importorskip("openvino")
    if format == "litert" and name == "deepspeech2_small":
        return
    place = tmp_path / "out"
    path = export.export(tiny(name), place, format)
    endings = export.FORMATS[format].files
    assert path == place / f"{name}{endings[0]}"
    assert {p.name for p in place.iterdir()} == {f"{name}{ending}" for ending in (*endings, ".npz")}
    assert export.export(tiny(name), place, format) == path  # in place of the first


# ---------------------------------------------------------------- what cannot be


def refused(match, *arguments, **options):
    with pytest.raises(ExportError, match=match):
        export.export(*arguments, **options)


def test_formats_say_what_they_cannot_hold_before_they_start(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "work", lambda *a: pytest.fail("it started"))
    refused("no format 'tflite'; there are onnx", "deepspeech2_small", tmp_path, "tflite")
    refused(
        "litert has no recurrent layers .*--format onnx or tf_saved_model or openvino",
        "deepspeech2_small",
        tmp_path,
        "litert",
    )
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
