"""Invariance and probes of layers: against plain arithmetic, and what must hold for any network."""

import keras
import numpy as np
import pytest

from kerasrecipes import visualize
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.visualize.invariance import changed
from kerasrecipes.visualize.probes import averaged

rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    """Layer `mean` forgets places, layer `flat` keeps them all."""
    keras.utils.set_random_seed(0)
    x = keras.Input((16, 16, 1))
    maps = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="maps")(x)
    flat = keras.layers.Flatten(name="flat")(maps)
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(maps)
    both = keras.layers.Concatenate()([flat, mean])
    return keras.Model(x, keras.layers.Dense(3, name="scores")(both))


def blob():
    picture = np.zeros((16, 16, 1), "float32")
    picture[6:10, 5:11] = rng.uniform(100, 255, size=(4, 6, 1))
    return picture


def test_no_change_is_no_distance_and_means_forget_places(model):
    pictures = np.stack([blob() for _ in range(3)])
    found = visualize.measure_invariance(model, pictures, "shift", ("flat", "mean"), values=(-0.25, 0.0, 0.25))
    np.testing.assert_array_equal(found.distances[:, 1], 0)
    assert (found.distances[0, [0, 2]] > 0.5).all() and (found.distances[1, [0, 2]] < 1e-5).all()
    scores = model.predict(pictures, verbose=0)
    chances = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    assert found.probabilities[1] == pytest.approx(chances.max(-1).mean(), rel=1e-5)
    for kind in ("scale", "turn"):
        same = visualize.measure_invariance(
            model, pictures, kind, ["flat"], labels=[0, 1, 2], values=[1.0 if kind == "scale" else 0.0]
        )
        np.testing.assert_allclose(same.distances, 0, atol=1e-5)
    with pytest.raises(KerasRecipesError, match="no kind 'mirror'; there are shift, scale, turn"):
        visualize.measure_invariance(model, pictures, "mirror", ["flat"])


def test_changes_of_pictures():
    picture = blob()
    np.testing.assert_array_equal(changed(picture, "shift", 0.25)[4:], picture[:-4])
    np.testing.assert_allclose(changed(picture, "turn", 90)[..., 0], np.rot90(picture[..., 0]), atol=0.1)
    large = changed(picture, "scale", 2.0)
    assert (large[4:12, 2:14] > 0).all() and (large > 0).sum() > 3 * (picture > 0).sum()
    border = np.full((16, 16, 1), 7, "float32")
    for kind, value in (("shift", 0.5), ("turn", 33), ("scale", 1.7), ("scale", 0.5)):
        np.testing.assert_allclose(
            changed(border, kind, value), 7, atol=1e-4
        )  # what comes into view repeats the border


def test_a_drawing_of_each(model, tmp_path):
    found = visualize.measure_invariance(model, np.stack([blob()]), "turn", ["flat", "mean"], values=[0, 90, 180])
    assert found.save(tmp_path / "turn.png").stat().st_size > 3000


def test_probes_find_what_a_layer_holds(model, tmp_path):
    """Which half of the picture is bright: places tell, their mean does not."""
    labels = rng.integers(2, size=200)
    pictures = rng.uniform(0, 60, size=(200, 16, 16, 1)).astype("float32")
    for picture, label in zip(pictures, labels, strict=True):
        picture[8 * label : 8 * label + 8] += 100
    found = visualize.probe_layers(
        model, (pictures[:150], labels[:150]), (pictures[150:], labels[150:]), ["maps", "mean"]
    )
    assert found.errors[0].rate < 0.05 < 0.2 < found.errors[1].rate and found.features == (64, 4)
    assert found.save(tmp_path / "probes.png").stat().st_size > 3000


def test_maps_are_averaged_to_cells():
    maps = rng.normal(size=(2, 8, 12, 3))
    found = averaged(maps).reshape(2, 4, 4, 3)
    np.testing.assert_allclose(found[1, 2, 3], maps[1, 4:6, 9:12].mean((0, 1)))
    assert averaged(rng.normal(size=(2, 3, 2, 5))).shape == (2, 3 * 2 * 5) and averaged(np.zeros((2, 7))).shape == (
        2,
        7,
    )
