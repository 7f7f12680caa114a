"""Invariance, probes, transfer and evolution of features: against plain arithmetic and properties of any network."""

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
    """A model whose layer `mean` is independent of positions, while `flat` depends on all."""
    keras.utils.set_random_seed(0)
    x = keras.Input((16, 16, 1))
    maps = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="maps")(x)
    flat = keras.layers.Flatten(name="flat")(maps)
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(maps)
    both = keras.layers.Concatenate()([flat, mean])
    return keras.Model(x, keras.layers.Dense(3, name="scores")(both))


def blob():
    image = np.zeros((16, 16, 1), "float32")
    image[6:10, 5:11] = rng.uniform(100, 255, size=(4, 6, 1))
    return image


def test_no_change_has_no_distance_and_means_are_invariant_to_shifts(model):
    images = np.stack([blob() for _ in range(3)])
    result = experiments.measure_invariance(model, images, "shift", ("flat", "mean"), magnitudes=(-0.25, 0.0, 0.25))
    np.testing.assert_array_equal(result.distances[:, 1], 0)
    assert (result.distances[0, [0, 2]] > 0.5).all() and (result.distances[1, [0, 2]] < 1e-5).all()
    logits = model.predict(images, verbose=0)
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert result.probabilities[1] == pytest.approx(probabilities.max(-1).mean(), rel=1e-5)
    for transform in ("scale", "rotate"):
        same = experiments.measure_invariance(
            model, images, transform, ["flat"], labels=[0, 1, 2], magnitudes=[1.0 if transform == "scale" else 0.0]
        )
        np.testing.assert_allclose(same.distances, 0, atol=1e-5)
    with pytest.raises(KerasRecipesError, match="no transform 'mirror'; there are shift, scale, rotate"):
        experiments.measure_invariance(model, images, "mirror", ["flat"])


def test_transformations_of_images():
    image = blob()
    np.testing.assert_array_equal(transform_image(image, "shift", 0.25)[4:], image[:-4])
    np.testing.assert_allclose(transform_image(image, "rotate", 90)[..., 0], np.rot90(image[..., 0]), atol=0.1)
    large = transform_image(image, "scale", 2.0)
    assert (large[4:12, 2:14] > 0).all() and (large > 0).sum() > 3 * (image > 0).sum()
    border = np.full((16, 16, 1), 7, "float32")
    for transform, value in (("shift", 0.5), ("rotate", 33), ("scale", 1.7), ("scale", 0.5)):
        # pixels outside the image repeat its border
        np.testing.assert_allclose(transform_image(border, transform, value), 7, atol=1e-4)


def test_a_plot_of_each(model, tmp_path):
    layers = ["flat", "mean"]
    result = experiments.measure_invariance(model, np.stack([blob()]), "rotate", layers, magnitudes=[0, 90, 180])
    assert result.save(tmp_path / "rotate.png").stat().st_size > 3000


def test_probes_measure_the_information_in_a_layer(model, tmp_path):
    """The class is the half of the image with a spot: positions have this information, their mean does not."""
    labels = rng.integers(2, size=200)
    images = rng.uniform(0, 60, size=(200, 16, 16, 1)).astype("float32")
    for image, label in zip(images, labels, strict=True):
        image[8 * label + 2 : 8 * label + 6, 6:10] += 100
    result = experiments.probe_layers(
        model, (images[:150], labels[:150]), (images[150:], labels[150:]), ["maps", "mean"]
    )
    assert result.errors[0].rate < 0.05 < 0.2 < result.errors[1].rate and result.features == (64, 4)
    assert result.save(tmp_path / "probes.png").stat().st_size > 3000


def test_channels_are_averaged_to_cells():
    maps = rng.normal(size=(2, 8, 12, 3))
    result = average_pool_to_grid(maps).reshape(2, 4, 4, 3)
    np.testing.assert_allclose(result[1, 2, 3], maps[1, 4:6, 9:12].mean((0, 1)))
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


def test_a_softmax_learns_separable_classes_and_ignores_features_that_were_inactive():
    labels = np.arange(60) % 3
    x = np.eye(3)[labels] + rng.normal(0, 0.05, (60, 3))
    assert (train_linear_probe(x, labels, x, 100) == labels).all()
    silent = np.concatenate([x, np.zeros((60, 1))], 1)
    loud = np.concatenate([x, rng.normal(0, 1e6, (60, 1))], 1)
    assert (train_linear_probe(silent, labels, loud, 100) == labels).all()
    assert (train_linear_probe(x, rng.permutation(labels), x, 100) == labels).mean() < 0.8


def stripes(count, draw):
    """Return images (count, 12, 12, 1) with a patch of stripes, horizontal or vertical by the label, anywhere."""
    labels = draw.integers(2, size=count)
    images = np.zeros((count, 12, 12, 1), "uint8")
    kinds = np.tile([[255], [0]], (3, 6)), np.tile([255, 0], (6, 3))
    for image, label in zip(images, labels, strict=True):
        y, x = draw.integers(6, size=2)
        image[y : y + 6, x : x + 6, 0] = kinds[label]
    return images, labels


def test_transfer_prefers_features_that_determine_the_class():
    draw = np.random.default_rng(3)
    train, test = stripes(80, draw), stripes(60, draw)
    net = keras.Sequential([
        keras.Input((12, 12, 1)), keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(2, 3, activation="relu", name="conv"), keras.layers.GlobalMaxPooling2D(name="top"),
        keras.layers.Dense(5),
    ])  # fmt: skip
    horizontal = np.array([[-1, -1, -1], [2, 2, 2], [-1, -1, -1]], "float32")
    net.layers[1].set_weights([np.stack([horizontal, horizontal.T], -1)[:, :, None], np.full(2, -1.0, "float32")])
    before = [w.copy() for w in net.get_weights()]
    calls = []
    result = experiments.measure_transfer(
        net, train, test, (10, 1), num_repeats=2, steps=30, batch_size=8, progress=lambda *c: calls.append(c)
    )
    assert result.layer == "top" and result.images_per_class == (1, 10) and result.test_images == 60
    assert (result.errors[PRETRAINED] == 0).all(), result.errors
    assert result.errors[FROM_SCRATCH][0].mean() > 0.1 and result.errors[RANDOM].shape == (2, 2)
    assert calls[-1] == (12, 12) and result.summary()[f"1 of each class, {PRETRAINED}"] == "0.0 % wrong (0.0 to 0.0)"
    assert all((a == b).all() for a, b in zip(before, net.get_weights(), strict=True))
    with pytest.raises(DataError, match="500 images of each class were requested: class . has"):
        experiments.measure_transfer(net, train, test, (1, 500))


def test_evolution_during_training():
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
    callback = FeatureEvolutionCallback(x, ["pool:1", "scores:0"], (3, 0, 1))
    with pytest.raises(KerasRecipesError, match="No epoch was recorded"):
        _ = callback.result
    net.fit(x.astype("float32"), y, epochs=3, verbose=0, callbacks=[callback])
    result = callback.result
    assert result.epochs == (0, 1, 3) and result.layer == "conv" and result.filters.shape == (3, 3, 3, 3, 1)
    np.testing.assert_array_equal(np.moveaxis(result.filters[0], 0, -1), first)
    np.testing.assert_array_equal(np.moveaxis(result.filters[-1], 0, -1), net.get_layer("conv").get_weights()[0])
    assert (
        set(result.cosine_to_final) == {"conv", "scores"} and (result.cosine_to_final["conv"][[0, 1]] < 1 - 1e-6).all()
    )
    assert result.cosine_to_final["conv"][-1] == pytest.approx(1)
    logits = net.predict(x.astype("float32"), verbose=0)[:, 0]
    assert (
        result.activations[-1, 1] == pytest.approx(logits.max(), rel=1e-4) and result.images[-1, 1] == logits.argmax()
    )
    number = result.images[-1, 0]
    alone = visualize.compute_saliency(net, x[number][None].astype("float32"), "pool:1")
    np.testing.assert_allclose(result.saliency[-1, 0], alone.values, atol=1e-5)
    net.compile(keras.optimizers.SGD(0.0), loss)
    net.fit(x.astype("float32"), y, epochs=1, verbose=0, callbacks=[callback])
    assert callback.result.epochs == (0, 1) and callback.result.cosine_to_final["conv"] == pytest.approx(1)
    with pytest.raises(KerasRecipesError, match="epochs are 0 or more"):
        FeatureEvolutionCallback(x, [], (-1, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved model, and an image folder of two classes in two splits."""
    root = tmp_path_factory.mktemp("sets")
    tiny().save(root / "tiny.keras")
    for split, count in (("train", 6), ("test", 4)):
        for name in ("cat", "dog"):
            (root / "set" / split / name).mkdir(parents=True)
            for i in range(count):
                noise = rng.integers(0, 256, (32, 32, 3), "uint8")
                Image.fromarray(noise).save(root / "set" / split / name / f"{i}.png")
    return root


@pytest.mark.parametrize(("method", "options", "text", "plots"), [
    ("probes", ["--layer", "pool1"], "pool1: ", ["probes"]),
    ("invariance", ["--transform", "shift", "--limit", "4"], "shift, relu4: mean distance", ["invariance_shift"]),
    ("transfer", ["--images-per-class", "2", "--num-repeats", "1", "--steps", "5"], f"2 of each class, {FROM_SCRATCH}: ", ["transfer"]),
    ("evolution", ["--epochs", "0,1", "--unit", "relu1:2"],
     "conv1: cosine similarity to its final kernel after 0, 1 epochs: ", ["evolution"]),
])  # fmt: skip
def test_the_command_measures_on_data_sets(method, options, text, plots, folder, tmp_path, capsys):
    command = ["visualize", str(folder / "tiny.keras"), "--method", method, "--data", f"folder:{folder / 'set'}"]
    assert main([*command, *options, "--output", str(tmp_path), "--write", str(tmp_path / "measured.json")]) == 0
    assert text in capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {f"tiny_{name}.png" for name in plots} | {"measured.json"}
    written = json.loads((tmp_path / "measured.json").read_text())
    assert set(written) == {"title", "setting", "figures"} and "zfnet_small" in written["title"]
    assert "folder" in written["setting"] and any(
        name.startswith(text.partition(": ")[0]) for name in written["figures"]
    )


@pytest.mark.parametrize(("options", "message"), [
    ([], "needs --data cifar10:FOLDER"),
    (["--data", "folder:{}?split=train"], "name the test data"),
    (["--data", "folder:{}", "--limit", "0"], "--limit is 0"),
    (["--data", "folder:{}", "--method", "transfer", "--images-per-class", "few"], "--images-per-class takes numbers with commas"),
    (["--data", "nowhere"], "names no data set"),
])  # fmt: skip
def test_the_command_names_missing_or_invalid_data(options, message, folder, tmp_path, capsys):
    words = [o.format(folder / "set") for o in options]
    assert main(["visualize", str(folder / "tiny.keras"), "--method", "probes", *words, "--output", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err
