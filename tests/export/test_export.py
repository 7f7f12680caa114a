"""Exported files: Keras's logits at any length and in any batch, and clear errors for what a format cannot hold."""

import importlib.util
import re

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import engines, export, layers
from kerasrecipes.engines.task_models import ENGINE_MODELS
from kerasrecipes.errors import ExportError
from kerasrecipes.export import exporter
from kerasrecipes.export.tracing import add_activation_outputs
from kerasrecipes.inference.streaming_state import StreamingState
from kerasrecipes.registry import all_recipes

onnx = pytest.importorskip("onnx")
pytest.importorskip("tf2onnx")

# one of each kind of layer and task; the others are slow
QUICK = ("deepspeech2_small", "wav2letter_small_asg", "squeezenet", "dilated_camvid_small", "char_rnn_rnn")
PICTURES = ("image-classification", "segmentation")
RECURRENT = ("deepspeech1", "deepspeech2", "char_rnn")  # files in recipes/
NAMES = list(all_recipes())


def tiny(name):
    keras.utils.set_random_seed(1)
    model = kr.load(name, weights=None, compile=False, **kr.get_recipe(name).tiny_config)
    for seed in range(2, 12):
        rng = np.random.default_rng(seed)
        for variable in model.weights:  # away from zeros and ones, so that nothing cancels
            if variable.path.endswith(("bias", "beta", "moving_mean", "transitions")) or "bias" in variable.name:
                variable.assign(rng.normal(size=variable.shape) * 0.1)
            elif (
                model.recipe.task in PICTURES and "kernel" in variable.path
            ):  # so large that scores depend on the picture
                variable.assign(rng.normal(size=variable.shape) * np.sqrt(2 / np.prod(variable.shape[:-1])))
        if model.recipe.task != "image-classification":
            return model
        pictures = rng.uniform(0, 255, (8, *model.input_shape[1:])).astype("float32")
        logits = np.asarray(model(pictures))
        if np.abs(logits[1:] - logits[:-1]).max(-1).min() > 1e-2:  # a few rectifiers can all be shut
            return model
    raise AssertionError(f"{name}: no weights let a picture through")


def written(model, folder, **options):
    """Write the model's ONNX file by the worker's own steps in this process."""
    from kerasrecipes.export import worker

    model.save(folder / "model.keras")
    request = {
        "recipe": None, "saved": str(folder / "model.keras"), "folder": str(folder), "name": model.name, "format": "onnx",
        "activations": False, "float16": False, "int8": False, "opset": 17, "step": True,
        "source": [], **options,
    }  # fmt: skip
    worker.main(request)
    return folder / f"{model.name}.onnx"


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NAMES])
def test_every_recipe_gives_the_same_logits_in_onnx(name, tmp_path):
    from kerasrecipes.export.test_inputs import make_test_inputs
    from kerasrecipes.export.worker import keras_reference
    from kerasrecipes.tasks.speech_recognizer import recognition_output

    model = tiny(name)
    path = written(model, tmp_path)
    session, keras_logits = engines.open_session(path, "onnxruntime"), keras_reference(recognition_output(model))
    shapes = []
    for case in make_test_inputs(model, seed=7):
        expected = keras_logits(case)
        assert expected.std(axis=tuple(range(expected.ndim - 1))).max() > 1e-3 or len(expected) == 1
        np.testing.assert_allclose(session(case), expected, atol=1e-4 * max(1, np.abs(expected).max()))
        shapes.append(next(iter(case.values())).shape)
    assert len({s[0] for s in shapes}) > 1 and (
        model.recipe.task == "image-classification" or len({s[1] for s in shapes}) > 1
    )
    with np.load(tmp_path / f"{name}.npz") as golden:
        inputs = {k.removesuffix("_0"): golden[k] for k in golden.files if k.endswith("_0")}
        expected = inputs.pop("logits")
        np.testing.assert_allclose(session(inputs), expected, rtol=1e-4, atol=1e-4)
    steps = path.with_name(f"{name}.step.onnx")
    if model.recipe.task not in ENGINE_MODELS:
        assert steps.exists()  # the worker compared its pieces with the whole
        with pytest.raises(kr.KerasRecipesError, match="engines do not support the task waveform-generation"):
            engines.load_file(path)
        return
    opened = engines.load_file(path, "onnxruntime")
    assert (opened.name, opened.recipe.task, opened.metadata["row"]) == (name, model.recipe.task, None)
    same = {"language-model": same_texts, "image-classification": same_classes, "segmentation": same_mask}
    same.get(model.recipe.task, same_speech)(opened, model)
    streams = model.recipe.task == "language-model" or "streaming" in name or name == "deepspeech1_mozilla"
    assert steps.exists() == ("streaming" in opened.metadata) == streams
    if steps.exists():
        with pytest.raises(kr.KerasRecipesError, match="takes chunks of the input"):
            engines.load_file(steps)


def same_speech(opened, model):
    assert opened.alphabet == model.alphabet and opened.stride == model.stride
    assert opened.output_length(12345) == model.output_length(12345) and opened.sample_rate == model.sample_rate
    assert np.array_equal(opened.criterion.transition_matrix(), model.criterion.transition_matrix())
    audio = np.random.default_rng(3).normal(size=(3, 9000)).astype("float32") * 0.1
    length = np.array([9000, 6200, 4001], "int32")
    together = opened.predict_logits({"audio": audio, "length": length})
    for i, n in enumerate(length):  # alone is in a batch, and noise behind the length changes nothing
        alone = opened.predict_logits({"audio": audio[i : i + 1, :n], "length": length[i : i + 1]})[0]
        np.testing.assert_allclose(together[i, : len(alone)], alone, atol=1e-5)
        assert not together[i, len(alone) :].any()
    expected = model.transcribe(audio[0], sample_rate=16000, decoder="greedy").text
    assert opened.transcribe(audio[0], sample_rate=16000, decoder="greedy").text == expected
    if "streaming" not in opened.metadata:
        with pytest.raises(kr.KerasRecipesError, match=f"{model.name} cannot stream"):
            opened.stream()
        return
    alone = opened.predict_logits({"audio": audio[:1], "length": length[:1]})[0]
    for piece in (1, 4001):
        carried = StreamingState(opened.streaming_graph(), piece)
        pieces = [carried.feed(part) for part in np.array_split(audio[0], 7)]
        np.testing.assert_allclose(np.concatenate([*pieces, carried.finish()]), alone, atol=1e-4)
    stream = opened.stream(16000)
    stream.feed(audio[0])
    assert stream.finish().text == expected and stream.latency == model.stream(16000).latency


def same_texts(opened, model):
    texts = ["the old house", "a", "and so it was that nobody came"]
    np.testing.assert_allclose(opened.log_probabilities(texts), model.log_probabilities(texts), atol=1e-3)
    for options in ({"seed": 3}, {"temperature": 0}):
        found, expected = (m.generate("the old", max_length=30, **options) for m in (opened, model))
        assert found.text == expected.text and abs(found.bits - expected.bits) < 1e-4


def same_classes(opened, model):
    picture = np.random.default_rng(4).integers(0, 255, (50, 70, 3), "uint8")
    expected, found = (m.classify(picture) for m in (model, opened))
    assert found.top(1)[0].name == expected.top(1)[0].name
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)


def same_mask(opened, model):
    picture = np.random.default_rng(4).integers(0, 255, (37, 52, 3), "uint8")
    expected, found = model.segment(picture, tile_size=16), opened.segment(picture)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)
    assert (found.mask != expected.mask).mean() < 1e-3 and found.classes == expected.classes


RECURRENCES = {  # arguments of `SequenceRNN`, and whether a native node can take the place
    "rnn": (("rnn", 0.7, True, "sum", True, True), True),
    "rnn_tanh": (("rnn", None, False, "sum", False, False), True),
    "rnn_unbounded": (("rnn", float("inf"), True, "concat", False, False), True),
    "gru": (("gru", None, True, "concat", False, False), True),
    "gru_shared": (("gru", None, True, "sum", True, True), True),
    "gru_clipped": (("gru", 20.0, False, "sum", True, False), True),
    "gru_narrow": (("gru", 0.3, True, "sum", True, False), False),
    "lstm": (("lstm", None, True, "sum", False, True), True),
    "lstm_clipped": (("lstm", 20.0, False, "sum", True, False), False),
}


def by_hand(layer, x, length):
    """A `SequenceRNN` layer's formulas in numpy, item by item and step by step, float64."""
    units, outputs = layer.units, []
    bound = (lambda v: np.clip(v, 0, layer.max_value)) if layer.max_value is not None else np.tanh
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
        inner = loop.cell.recurrent_bias.numpy() if loop.cell.use_bias else 0
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
    return outputs[0] + outputs[-1] * (len(outputs) == 2) if layer.merge_mode == "sum" else np.concatenate(outputs, -1)


@pytest.mark.parametrize("name", RECURRENCES)
def test_native_recurrences_are_the_formulas(name):
    import onnxruntime

    from kerasrecipes.export import native_rnn

    arguments, fits = RECURRENCES[name]
    layer = layers.SequenceRNN(4, *arguments)
    layer.build((None, None, 5))
    assert native_rnn.has_native_equivalent(layer) == fits
    if not fits:
        return
    rng = np.random.default_rng(0)
    for variable in layer.weights:
        values = rng.normal(size=variable.shape)
        variable.assign(values**2 + 0.5 if "variance" in variable.path else values)
    nodes, constants = native_rnn.native_rnn_nodes(layer, "r", ["x", "length"], ["y"])
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
    from kerasrecipes.export.native_rnn import RecurrentPlaceholder, insert_native_nodes

    graph = onnx.helper.make_graph([], "g", [], [])
    with pytest.raises(ExportError, match="lost a recurrent layer: of 1 it kept"):
        insert_native_nodes(onnx.helper.make_model(graph), [RecurrentPlaceholder(layers.SequenceRNN(4), False)])


def test_half_precision_halves_the_file_and_activations_have_their_names(tmp_path):
    model = tiny("convnetjs_mnist")
    wishes = {"full": {}, "half": {"float16": True}, "int8": {"int8": True}, "layers": {"activations": True}}
    for place, options in wishes.items():
        (tmp_path / place).mkdir()
        written(model, tmp_path / place, **options)
    sizes = {p: (tmp_path / p / "convnetjs_mnist.onnx").stat().st_size for p in wishes}
    weights = sum(int(np.prod(w.shape)) for w in model.weights)
    assert sizes["full"] - sizes["half"] > 1.5 * weights  # two of four bytes, of all but the smallest constants
    assert sizes["full"] - sizes["int8"] > 2.2 * weights  # three of four bytes
    outputs = {o.name for o in onnx.load(tmp_path / "layers" / "convnetjs_mnist.onnx").graph.output}
    kind = lambda name: re.sub(r"_\d+$", "", name)  # noqa: E731  (numbers of layers depend on what was built before)
    assert {kind(v.name) for v in model.layers[1:]} == {kind(o) for o in outputs} and "logits" in outputs
    assert len(outputs) == len(model.layers) - 1  # all but the input
    names = [model.layers[2].name, model.layers[3].name]
    assert list(add_activation_outputs(model, names).output) == ["logits", *names]
    with pytest.raises(ExportError, match="no layers nothing"):
        add_activation_outputs(model, ["nothing"])
    picture = np.random.default_rng(0).uniform(0, 255, (2, *model.input_shape[1:])).astype("float32")
    for place, allowed in (("half", 1e-3), ("int8", 3e-2), ("layers", 1e-5)):
        found = engines.load_file(tmp_path / place / "convnetjs_mnist.onnx", "onnxruntime").predict_logits(picture)
        error = np.abs(found - model.predict_logits(picture)).max() / np.abs(found).max()
        assert error < allowed and (error > 1e-3) == (place == "int8")


def test_stored_weights_are_known_whatever_their_zeros_signs_and_twins_are_stored_once():
    from onnx import helper, numpy_helper

    from kerasrecipes.export import quantization

    kernel = np.random.default_rng(0).normal(size=(64, 32)).astype("float16").astype("float32")
    kernel[:9, 0] = 0.0
    turned = kernel.T.copy()
    turned[0, ::2] *= np.where(turned[0, ::2] == 0, -1.0, 1.0)  # an export may turn 0 into -0
    assert np.signbit(turned[turned == 0]).any() and quantization.order_free_hash(
        turned
    ) == quantization.order_free_hash(kernel)
    constants = [numpy_helper.from_array(turned, name) for name in ("forward", "backward")]
    nodes = [helper.make_node("MatMul", ["x", c.name], [f"y_{c.name}"]) for c in constants]
    values = [
        helper.make_tensor_value_info(n, 1, s)
        for n, s in (("x", (3, 32)), ("y_forward", (3, 64)), ("y_backward", (3, 64)))
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], constants))
    quantization.store_float16(model, {quantization.order_free_hash(kernel)})
    onnx.checker.check_model(model)
    assert [i.data_type for i in model.graph.initializer] == [onnx.TensorProto.FLOAT16]
    from onnx.reference import ReferenceEvaluator

    x = np.ones((3, 32), "float32")
    for y in ReferenceEvaluator(model).run(None, {"x": x}):
        np.testing.assert_allclose(y, x @ turned, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_recurrent_recipes_are_recognized_by_their_configuration(name):
    recipe = kr.get_recipe(name)
    assert exporter.is_recurrent(recipe.config) == (recipe.builder.split(".")[2].split(":")[0] in RECURRENT)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["tf_saved_model", "litert", "openvino"])
@pytest.mark.parametrize(
    "name", ["convnetjs_mnist", "palaz_raw_small", "wav2letter_small", "wavenet_small", "deepspeech2_streaming_small"]
)  # fmt: skip
def test_other_formats(name, format, tmp_path):
    """The worker compares the reopened file with Keras; this checks the files' names, and that no others remain."""
    if format == "openvino":
        pytest.importorskip("openvino")
    if format == "litert" and "deepspeech2" in name:
        return
    place = tmp_path / "out"
    path = export.export(tiny(name), place, format)
    endings = export.FORMATS[format].extensions
    assert path == place / f"{name}{endings[0]}"
    parts = [name, f"{name}.step"] if format != "litert" and ("streaming" in name or "wavenet" in name) else [name]
    assert {p.name for p in place.iterdir()} == {f"{part}{ending}" for part in parts for ending in (*endings, ".npz")}
    assert export.export(tiny(name), place, format, force=True) == path  # in place of the first


# ---------------------------------------------------------------- errors


def refused(match, *arguments, **options):
    with pytest.raises(ExportError, match=match):
        export.export(*arguments, **options)


def test_unsupported_exports_are_refused_before_they_start(tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "run_worker", lambda *a: pytest.fail("it started"))
    refused("no format 'tflite'; there are onnx", "deepspeech2_small", tmp_path, "tflite")
    refused(
        "litert has no recurrent layers .*--format onnx or tf_saved_model or openvino",
        "deepspeech2_small",
        tmp_path,
        "litert",
    )
    refused("opset 14 is not supported: choose 15 to 18", "deepspeech2_small", tmp_path, opset=14)
    refused(
        "tf_saved_model has no int8: omit it, or use --format onnx",
        "deepspeech2_small",
        tmp_path,
        "tf_saved_model",
        int8=True,
    )
    refused("tf_saved_model has no float16", "deepspeech2_small", tmp_path, "tf_saved_model", float16=True)
    refused("There is no file", tmp_path / "x.keras", tmp_path)
    (tmp_path / "x.keras").write_bytes(b"nothing")
    refused("was not written by `model.save`", tmp_path / "x.keras", tmp_path)
    (tmp_path / "file").write_text("in the way")
    refused("cannot be written .*choose another folder", "deepspeech2_small", tmp_path / "file" / "out")
    with pytest.raises(kr.WeightsUnavailable, match="kerasrecipes train deepspeech2 "):
        export.export("deepspeech2", tmp_path)
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "tf2onnx" else real(n, *a))
    refused(r'needs tf2onnx: pip install "kerasrecipes\[tensorflow,export\]"', "deepspeech2_small", tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "openvino" else real(n, *a))
    refused(
        r'needs openvino: pip install "kerasrecipes\[tensorflow,export,openvino\]"', "squeezenet", tmp_path, "openvino"
    )


def test_a_failed_export_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "squeezenet.onnx").write_text("old")

    def fail(request, place):
        (place / "squeezenet.onnx").write_text("half")
        raise ExportError("differs")

    monkeypatch.setattr(exporter, "run_worker", fail)
    refused("differs", "squeezenet", tmp_path, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["squeezenet.onnx"]
    assert (tmp_path / "squeezenet.onnx").read_text() == "old"


def test_wrong_logits_are_refused():
    from kerasrecipes.export.worker import compare_outputs

    right, case = np.array([[0.0, 0.5, 0.2]]), {"image": np.zeros((1, 2, 2, 1))}

    def measured(found, tolerance=1e-4):
        return compare_outputs([(case, {"logits": right})], [{"logits": found}], tolerance)

    assert measured(right + 5e-5) == pytest.approx({"error": 5e-5, "same": 1.0})
    assert measured(right[:, ::-1], 0.3) == pytest.approx({"error": 0.2, "same": 1.0})
    assert measured(right[:, [1, 0, 2]], 0.6)["same"] == 0.0
    for wrong, match in ((right + 2e-4, "differ by 2.0e-04"), (right * np.nan, "differ by nan")):
        with pytest.raises(ExportError, match=match):
            measured(wrong)
    with pytest.raises(ExportError, match=r"gives logits \(1, 2\)"):
        measured(right[:, :2])


def test_export_to_cache_writes_where_load_looks(tmp_path, monkeypatch):
    from kerasrecipes.engines import onnx_cache
    from kerasrecipes.hub import manifest

    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path))
    requests = []

    def write(request, folder):
        requests.append(request)
        (folder / f"{request['name']}.onnx").write_text("graph")

    monkeypatch.setattr(exporter, "run_worker", write)
    path = export.export_to_cache("squeezenet")
    assert path == onnx_cache.cache_path(manifest.get_entry("squeezenet")) and path.read_text() == "graph"
    assert (requests[0]["recipe"], requests[0]["float16"], requests[0]["format"]) == ("squeezenet", True, "onnx")
