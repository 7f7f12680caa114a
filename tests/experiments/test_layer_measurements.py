"""Invariance, probes, transfer and growth of features: against plain arithmetic, and what must hold for any network."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes import experiments, visualize
from kerasrecipes.cli.main import main
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.experiments.feature_evolution import FeatureEvolutionCallback
from kerasrecipes.experiments.invariance import transform_image
from kerasrecipes.experiments.linear_probes import average_pool_to_grid, stage_outputs, train_linear_probe
from kerasrecipes.experiments.transfer import FROM_SCRATCH, PRETRAINED, RANDOM

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
    found = experiments.measure_invariance(model, pictures, "shift", ("flat", "mean"), values=(-0.25, 0.0, 0.25))
    np.testing.assert_array_equal(found.distances[:, 1], 0)
    assert (found.distances[0, [0, 2]] > 0.5).all() and (found.distances[1, [0, 2]] < 1e-5).all()
    scores = model.predict(pictures, verbose=0)
    chances = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    assert found.probabilities[1] == pytest.approx(chances.max(-1).mean(), rel=1e-5)
    for kind in ("scale", "turn"):
        same = experiments.measure_invariance(
            model, pictures, kind, ["flat"], labels=[0, 1, 2], values=[1.0 if kind == "scale" else 0.0]
        )
        np.testing.assert_allclose(same.distances, 0, atol=1e-5)
    with pytest.raises(KerasRecipesError, match="no kind 'mirror'; there are shift, scale, turn"):
        experiments.measure_invariance(model, pictures, "mirror", ["flat"])


def test_changes_of_pictures():
    picture = blob()
    np.testing.assert_array_equal(transform_image(picture, "shift", 0.25)[4:], picture[:-4])
    np.testing.assert_allclose(transform_image(picture, "turn", 90)[..., 0], np.rot90(picture[..., 0]), atol=0.1)
    large = transform_image(picture, "scale", 2.0)
    assert (large[4:12, 2:14] > 0).all() and (large > 0).sum() > 3 * (picture > 0).sum()
    border = np.full((16, 16, 1), 7, "float32")
    for kind, value in (("shift", 0.5), ("turn", 33), ("scale", 1.7), ("scale", 0.5)):
        np.testing.assert_allclose(
            transform_image(border, kind, value), 7, atol=1e-4
        )  # what comes into view repeats the border


def test_a_drawing_of_each(model, tmp_path):
    found = experiments.measure_invariance(model, np.stack([blob()]), "turn", ["flat", "mean"], values=[0, 90, 180])
    assert found.save(tmp_path / "turn.png").stat().st_size > 3000


def test_probes_find_what_a_layer_holds(model, tmp_path):
    """Which half of the picture has a spot, away from the border: places tell, their mean cannot."""
    labels = rng.integers(2, size=200)
    pictures = rng.uniform(0, 60, size=(200, 16, 16, 1)).astype("float32")
    for picture, label in zip(pictures, labels, strict=True):
        picture[8 * label + 2 : 8 * label + 6, 6:10] += 100
    found = experiments.probe_layers(
        model, (pictures[:150], labels[:150]), (pictures[150:], labels[150:]), ["maps", "mean"]
    )
    assert found.errors[0].rate < 0.05 < 0.2 < found.errors[1].rate and found.features == (64, 4)
    assert found.save(tmp_path / "probes.png").stat().st_size > 3000


def test_maps_are_averaged_to_cells():
    maps = rng.normal(size=(2, 8, 12, 3))
    found = average_pool_to_grid(maps).reshape(2, 4, 4, 3)
    np.testing.assert_allclose(found[1, 2, 3], maps[1, 4:6, 9:12].mean((0, 1)))
    assert average_pool_to_grid(rng.normal(size=(2, 3, 2, 5))).shape == (2, 3 * 2 * 5) and average_pool_to_grid(
        np.zeros((2, 7))
    ).shape == (
        2,
        7,
    )


def tiny():
    return kr.load("zfnet_small", weights=None, compile=False, **kr.get_recipe("zfnet_small").tiny_config)


def test_a_stage_ends_before_the_next_kernel():
    assert stage_outputs(tiny()) == ["pool1", "pool2", "pool3", "relu4"]
    plain = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3, activation="relu", name="a"),
                              keras.layers.Flatten(), keras.layers.Dense(3, name="b"), keras.layers.Dense(2)])  # fmt: skip
    assert stage_outputs(plain) == ["a", "b"]


def test_a_softmax_learns_what_is_separable_and_trusts_nothing_it_never_saw():
    labels = np.arange(60) % 3
    x = np.eye(3)[labels] + rng.normal(0, 0.05, (60, 3))
    assert (train_linear_probe(x, labels, x, 100) == labels).all()
    silent = np.concatenate([x, np.zeros((60, 1))], 1)
    loud = np.concatenate([x, rng.normal(0, 1e6, (60, 1))], 1)
    assert (train_linear_probe(silent, labels, loud, 100) == labels).all()
    assert (train_linear_probe(x, rng.permutation(labels), x, 100) == labels).mean() < 0.8


def stripes(count, draw):
    """Pictures (count, 12, 12, 1): a patch of stripes, lying or upright by its label, anywhere."""
    labels = draw.integers(2, size=count)
    pictures = np.zeros((count, 12, 12, 1), "uint8")
    kinds = np.tile([[255], [0]], (3, 6)), np.tile([255, 0], (6, 3))
    for picture, label in zip(pictures, labels, strict=True):
        y, x = draw.integers(6, size=2)
        picture[y : y + 6, x : x + 6, 0] = kinds[label]
    return pictures, labels


def test_transfer_rewards_features_that_know_the_answer():
    draw = np.random.default_rng(3)
    train, test = stripes(80, draw), stripes(60, draw)
    net = keras.Sequential([
        keras.Input((12, 12, 1)), keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(2, 3, activation="relu", name="conv"), keras.layers.GlobalMaxPooling2D(name="top"),
        keras.layers.Dense(5),
    ])  # fmt: skip
    lying = np.array([[-1, -1, -1], [2, 2, 2], [-1, -1, -1]], "float32")
    net.layers[1].set_weights([np.stack([lying, lying.T], -1)[:, :, None], np.full(2, -1.0, "float32")])
    before = [w.copy() for w in net.get_weights()]
    told = []
    found = experiments.measure_transfer(
        net, train, test, (10, 1), draws=2, steps=30, batch=8, progress=lambda *done: told.append(done)
    )
    assert found.layer == "top" and found.per_class == (1, 10) and found.test == 60
    assert (found.errors[PRETRAINED] == 0).all(), found.errors
    assert found.errors[FROM_SCRATCH][0].mean() > 0.1 and found.errors[RANDOM].shape == (2, 2)
    assert told[-1] == (12, 12) and found.figures()[f"1 of each class, {PRETRAINED}"] == "0.0 % wrong (0.0 to 0.0)"
    assert all((a == b).all() for a, b in zip(before, net.get_weights(), strict=True))
    with pytest.raises(DataError, match="500 pictures of each class were asked for: class . has"):
        experiments.measure_transfer(net, train, test, (1, 500))


def test_a_watched_training():
    draw = np.random.default_rng(5)
    x, y = stripes(64, draw)
    keras.utils.set_random_seed(0)
    net = keras.Sequential([
        keras.Input((12, 12, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(3, 3, activation="relu", name="conv"),
        keras.layers.MaxPooling2D(2, name="pool"), keras.layers.Flatten(), keras.layers.Dense(2, name="scores"),
    ])  # fmt: skip
    first = net.get_layer("conv").get_weights()[0]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(0.01), loss)
    watcher = FeatureEvolutionCallback(x, ["pool:1", "scores:0"], (3, 0, 1))
    with pytest.raises(KerasRecipesError, match="No pass was looked at"):
        _ = watcher.result
    net.fit(x.astype("float32"), y, epochs=3, verbose=0, callbacks=[watcher])
    found = watcher.result
    assert found.epochs == (0, 1, 3) and found.layer == "conv" and found.filters.shape == (3, 3, 3, 3, 1)
    np.testing.assert_array_equal(np.moveaxis(found.filters[0], 0, -1), first)
    np.testing.assert_array_equal(np.moveaxis(found.filters[-1], 0, -1), net.get_layer("conv").get_weights()[0])
    assert set(found.cosine_to_final) == {"conv", "scores"} and (found.cosine_to_final["conv"][[0, 1]] < 1 - 1e-6).all()
    assert found.cosine_to_final["conv"][-1] == pytest.approx(1)
    scores = net.predict(x.astype("float32"), verbose=0)[:, 0]
    assert (
        found.activations[-1, 1] == pytest.approx(scores.max(), rel=1e-4) and found.pictures[-1, 1] == scores.argmax()
    )
    number = found.pictures[-1, 0]
    alone = visualize.compute_saliency(net, x[number][None].astype("float32"), "pool:1")
    np.testing.assert_allclose(found.projections[-1, 0], alone.values, atol=1e-5)
    net.compile(keras.optimizers.SGD(0.0), loss)
    net.fit(x.astype("float32"), y, epochs=1, verbose=0, callbacks=[watcher])
    assert watcher.result.epochs == (0, 1) and watcher.result.cosine_to_final["conv"] == pytest.approx(1)
    with pytest.raises(KerasRecipesError, match="numbers of passes"):
        FeatureEvolutionCallback(x, [], (-1, 2))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A saved net, and a folder of two classes in two splits."""
    root = tmp_path_factory.mktemp("sets")
    tiny().save(root / "tiny.keras")
    for split, count in (("train", 6), ("test", 4)):
        for name in ("cat", "dog"):
            (root / "set" / split / name).mkdir(parents=True)
            for i in range(count):
                noise = rng.integers(0, 256, (32, 32, 3), "uint8")
                Image.fromarray(noise).save(root / "set" / split / name / f"{i}.png")
    return root


@pytest.mark.parametrize(("method", "options", "told", "pictures"), [
    ("probes", ["--layer", "pool1"], "pool1: ", ["probes"]),
    ("invariance", ["--transform", "shift", "--limit", "4"], "shift, relu4: distance", ["invariance_shift"]),
    ("transfer", ["--images-per-class", "2", "--num-repeats", "1", "--steps", "5"], f"2 of each class, {FROM_SCRATCH}: ", ["transfer"]),
    ("evolution", ["--epochs", "0,1", "--unit", "relu1:2"], "conv1: cosine with its last kernel after 0, 1 passes: ", ["evolution"]),
])  # fmt: skip
def test_the_verb_measures_on_sets(method, options, told, pictures, place, tmp_path, capsys):
    command = ["visualize", str(place / "tiny.keras"), "--method", method, "--data", f"folder:{place / 'set'}"]
    assert main([*command, *options, "--output", str(tmp_path), "--write", str(tmp_path / "found.json")]) == 0
    assert told in capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {f"zfnet_small_{name}.png" for name in pictures} | {"found.json"}
    written = json.loads((tmp_path / "found.json").read_text())
    assert set(written) == {"title", "setting", "figures"} and "zfnet_small" in written["title"]
    assert "folder" in written["setting"] and any(
        name.startswith(told.partition(": ")[0]) for name in written["figures"]
    )


@pytest.mark.parametrize(("options", "message"), [
    ([], "looks at a set: --data cifar10:FOLDER"),
    (["--data", "folder:{}?split=train"], "say on which to test"),
    (["--data", "folder:{}", "--limit", "0"], "--limit is 0"),
    (["--data", "folder:{}", "--method", "transfer", "--images-per-class", "few"], "--images-per-class is numbers with commas"),
    (["--data", "nowhere"], "names no image set"),
])  # fmt: skip
def test_the_verb_says_what_a_set_needs(options, message, place, tmp_path, capsys):
    words = [o.format(place / "set") for o in options]
    assert main(["visualize", str(place / "tiny.keras"), "--method", "probes", *words, "--output", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err
