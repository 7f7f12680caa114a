"""ONNX files in `kerasrecipes look`: which layers they have, their values against the package onnx, and what is no such file."""

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator
from onnx_networks import SIDE, make_model
from PIL import Image

from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted
from kerasrecipes.serving import onnx_layers
from kerasrecipes.serving.onnx_inspector import NO_GRADIENTS
from kerasrecipes.serving.open_inspector import open_inspector


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    path.write_bytes(make_model().SerializeToString())
    return path


def test_layers_are_named_and_hold_the_values_of_the_package_onnx(path):
    inspector = open_inspector(str(path), (0.0, 1.0))
    assert inspector.layers == ["stem/conv", "stem/relu", "left", "right", "join", "pool", "last", "result"]
    pixels = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), "uint8")
    inspection = inspector.inspect(pixels)
    assert np.array_equal(inspection.display, pixels)
    outputs = ["/stem/relu/Relu_output_0", "/join/Concat_output_0", "/last/Abs_output_0", "result"]
    batch = pixels.astype("float32").transpose(2, 0, 1)[None] / 255
    relu, join, last, result = ReferenceEvaluator(make_model(outputs)).run(outputs, {"image": batch})
    close = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(inspection.activations["stem/relu"], relu[0].transpose(1, 2, 0), **close)
    np.testing.assert_allclose(inspection.activations["join"], join[0].transpose(1, 2, 0), **close)
    np.testing.assert_allclose(inspection.activations["last"], last[0], **close)  # its channels are last already
    exponentials = np.exp(result[0] - result[0].max())
    np.testing.assert_allclose(inspection.probabilities, exponentials / exponentials.sum(), **close)
    for call in (inspector.compute_saliency, inspector.compute_signals):
        with pytest.raises(KerasRecipesError, match="no gradients"):
            call(inspection, "join:1", "gradient", *(["left"] if call == inspector.compute_signals else []))
    assert "no gradients" in NO_GRADIENTS and inspector.describe_fields(inspection, "join") is None


def test_named_outputs_are_taken_alone(tmp_path):
    path = tmp_path / "named.onnx"
    path.write_bytes(make_model(["result", "/left/Conv_output_0", "/stem/relu/Relu_output_0"]).SerializeToString())
    assert open_inspector(str(path)).layers == ["/stem/relu/Relu_output_0", "/left/Conv_output_0", "result"]


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("functional_1/conv1_1/Relu:0", "conv1_1"), ("/features/features.0/Conv_output_0", "features/features.0"),
        ("conv1", "conv1"), ("result:0", "result"),
    ],
)  # fmt: skip
def test_names(output, name):
    assert onnx_layers.shorten_name(output) == name


def test_files_that_cannot_be_shown(tmp_path, path):
    with pytest.raises(KerasRecipesError, match="There is no file"):
        open_inspector(str(tmp_path / "none.onnx"))
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(WeightsCorrupted):
        open_inspector(str(damaged))
    model = make_model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    open_size = tmp_path / "open.onnx"
    open_size.write_bytes(model.SerializeToString())
    with pytest.raises(KerasRecipesError, match="an image of a fixed size is needed"):
        open_inspector(str(open_size))


def test_the_file_of_a_keras_model_that_is_no_recipe(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(3, 3, name="conv"), keras.layers.Flatten()])
    model.save(tmp_path / "mine.keras")
    inspector = open_inspector(str(tmp_path / "mine.keras"), (0.0, 1.0))
    image = Image.fromarray(np.full((8, 8), 51, "uint8"))
    inspection = inspector.inspect(image)
    np.testing.assert_allclose(inspection.inputs, 0.2, atol=1e-6)
    right = np.asarray(model(inspection.inputs)[0]).reshape(6, 6, 3)
    np.testing.assert_allclose(inspection.activations["conv"], right, atol=1e-5)
    assert inspector.labels[:2] == ["class 0", "class 1"] and len(inspector.labels) == 108
    (tmp_path / "broken.keras").write_bytes((tmp_path / "mine.keras").read_bytes()[:500])
    with pytest.raises(WeightsCorrupted):
        open_inspector(str(tmp_path / "broken.keras"))
