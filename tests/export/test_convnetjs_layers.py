"""Maxout, response normalization, SVM and regression of ConvNetJS as Keras layers: values and losses of its own program in Node."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from convnetjs_inputs import make_convnetjs_examples, make_convnetjs_networks

from kerasrecipes.errors import DataError
from kerasrecipes.export.convnetjs_export import to_json
from kerasrecipes.export.convnetjs_import import from_json
from kerasrecipes.layers import LocalResponseNormalization, Maxout
from kerasrecipes.losses.convnetjs_losses import half_squared_error, multiclass_hinge

NETWORKS = make_convnetjs_networks()
GOLDEN = np.load(Path(__file__).parents[1] / "goldens" / "convnetjs_layers.npz")
LOSSES = {
    "windows": multiclass_hinge, "vectors": half_squared_error,
    "lrn": lambda y, x: keras.losses.sparse_categorical_crossentropy(y, x, from_logits=True),
}  # fmt: skip
array = keras.ops.convert_to_numpy


@pytest.mark.parametrize("name", NETWORKS)
def test_values_and_losses_are_those_of_convnetjs(name):
    model = from_json(NETWORKS[name])
    x, y = make_convnetjs_examples(name)
    outputs = model(x.astype("float32"))
    if name == "lrn":
        outputs = keras.ops.softmax(outputs)
    np.testing.assert_allclose(array(outputs), GOLDEN[f"{name}_outputs"], atol=1e-5)
    np.testing.assert_allclose(array(LOSSES[name](y, model(x.astype("float32")))), GOLDEN[f"{name}_losses"], atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_snapshots_come_back_from_a_saved_model(name, tmp_path):
    model = from_json(NETWORKS[name])
    model.save(tmp_path / "model.keras")
    again = json.loads(json.dumps(to_json(keras.models.load_model(tmp_path / "model.keras"))))
    assert again["layers"][-1] == NETWORKS[name]["layers"][-1]
    for ours, theirs in zip(again["layers"], NETWORKS[name]["layers"], strict=True):
        assert {k: v for k, v in ours.items() if k not in ("filters", "biases")} == {
            k: v for k, v in theirs.items() if k not in ("filters", "biases")
        }
    x = make_convnetjs_examples(name)[0].astype("float32")
    np.testing.assert_array_equal(from_json(again).predict(x, verbose=0), model.predict(x, verbose=0))


def test_an_even_window_has_one_more_map_as_in_convnetjs():
    """ConvNetJS sums n // 2 maps on each side and divides alpha by n."""
    entry = {"layer_type": "lrn", "out_sy": 1, "out_sx": 1, "out_depth": 5, "k": 1, "n": 2, "alpha": 0.6, "beta": 0.5}
    start = {"layer_type": "input", "out_sy": 1, "out_sx": 1, "out_depth": 5}
    model = from_json({"layers": [start, entry, {"layer_type": "softmax"}]})
    x = np.float32([[1, 2, 3, -4, 5]]).reshape(1, 1, 1, 5)
    sums = np.array([1 + 4, 1 + 4 + 9, 4 + 9 + 16, 9 + 16 + 25, 16 + 25])
    np.testing.assert_allclose(model.predict(x, verbose=0)[0], x.ravel() / np.sqrt(1 + 0.3 * sums), rtol=1e-6)
    written = to_json(model)["layers"][1]
    assert (written["n"], written["alpha"]) == (3, pytest.approx(0.9))  # the same function with an odd n


@pytest.mark.parametrize(("layer", "key", "value"), [
    ("maxout", "group_size", None), ("maxout", "group_size", 0), ("maxout", "group_size", "two"), ("lrn", "n", 0), ("lrn", "n", 1.5),
    ("lrn", "alpha", "x"), ("lrn", "k", None),
])  # fmt: skip
def test_a_layer_with_wrong_numbers_is_named(layer, key, value):
    name, number = ("windows", 2) if layer == "maxout" else ("lrn", 1)
    snapshot = make_convnetjs_networks()[name]
    snapshot["layers"][number][key] = value
    with pytest.raises(DataError, match=rf"Layer {number} of the snapshot \({layer}\)"):
        from_json(snapshot)


def test_an_even_normalization_cannot_be_written():
    x = keras.Input((4, 4, 6))
    model = keras.Model(x, keras.layers.Flatten()(LocalResponseNormalization(4)(x)))
    with pytest.raises(DataError, match="use an odd size"):
        to_json(model)


def test_maxout_takes_the_largest_of_each_group_and_drops_the_rest():
    x = np.random.default_rng(0).normal(size=(2, 3, 7)).astype("float32")
    np.testing.assert_array_equal(array(Maxout(3)(x)), x[..., :6].reshape(2, 3, 2, 3).max(-1))
    with pytest.raises(ValueError, match="group_size"):
        Maxout(0)
