"""Recipes of other packages and programs: registered, named by entry points, and checked."""

import sys

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import layers, registry, testing
from kerasrecipes.cli.main import main
from kerasrecipes.errors import KerasRecipesError

MODULE = """
from kerasrecipes.registry import Recipe

def build(*, num_classes=2, units=3):
    import keras
    image = keras.Input((8, 8, 3))
    return keras.Model(image, keras.layers.Dense(num_classes)(keras.layers.Flatten()(image)))

RECIPES = [Recipe("plugin_net", "doi:0", "image-classification", "plugin_module:build", "One layer.",
                  classes=("cat", "dog"))]
ONE = Recipe("plugin_one", "doi:0", "image-classification", build, "One layer.")
"""


@pytest.fixture(autouse=True)
def clean_registry(monkeypatch):
    monkeypatch.setattr(registry, "registered", {})
    yield
    registry.all_recipes.cache_clear()


def build_frames(*, vocab_size: int = 29, units: int = 6, sample_rate: int = 16000):
    """A recognizer: two layers over a spectrogram."""
    audio, length = keras.Input((None,), name="audio"), keras.Input((), dtype="int32", name="length")
    x, n = layers.LogSpectrogram(320, 160, 1e-2)(audio, length)
    x, n = layers.SequenceConv1D(units, 5, 2)(x, n)
    x, n = layers.SequenceMask()(keras.layers.ReLU()(x), n)
    logits, _ = layers.SequenceMask(name="scores")(keras.layers.Dense(vocab_size, name="logits")(x), n)
    return keras.Model({"audio": audio, "length": length}, logits)


def build_unmasked(*, vocab_size: int = 29, sample_rate: int = 16000):
    """A recognizer whose frames after a clip's end are its biases."""
    audio, length = keras.Input((None,), name="audio"), keras.Input((), dtype="int32", name="length")
    x, _ = layers.LogSpectrogram(320, 160, 1e-2)(audio, length)
    return keras.Model({"audio": audio, "length": length}, keras.layers.Dense(vocab_size, name="logits")(x))


def build_whole_batch(*, num_classes: int = 2):
    """A classifier whose logits depend on the other images of the batch."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(image)
    x = keras.layers.Dense(num_classes, name="logits")(x - keras.ops.mean(x, axis=0, keepdims=True))
    return keras.Model(image, x)


def build_anything(**options):
    return build_whole_batch()


def recipe(builder=build_frames, name="mynet", task="speech-recognition", **fields):
    return kr.Recipe(name, "doi:0", task, builder, "One sentence.", **fields)


IMAGES = {"task": "image-classification", "classes": ("a", "b")}


def test_a_registered_recipe_works_everywhere(tmp_path, capsys):
    assert kr.register(recipe(tiny_config={"units": 4})) is kr.get_recipe("mynet")
    assert "mynet" in kr.list_recipes() and kr.list_recipes("my*", task="speech-recognition") == ["mynet"]
    testing.check_recipe("mynet")
    assert main(["list", "mynet", "--names"]) == 0 and capsys.readouterr().out == "mynet\n"
    assert main(["show", "mynet"]) == 0
    card = capsys.readouterr().out
    assert "One sentence." in card and "5,039" in card and "every 320 samples" in card  # 161 x 5 x 6 + 6, 6 x 29 + 29
    with pytest.raises(KerasRecipesError, match="kerasrecipes train mynet"):
        kr.load("mynet")
    kr.register(recipe(changes={"units": 5}))  # a cell of a notebook runs twice
    assert kr.get_recipe("mynet").config["units"] == 5


def test_a_registered_recipe_is_trained(clips, tmp_path):
    from kerasrecipes.training.config import config_for
    from kerasrecipes.training.trainer import Trainer

    kr.register(recipe())
    config = config_for("mynet", data=[f"librispeech:{clips}"], max_steps=1, batch_seconds=5.0)
    assert Trainer(config, tmp_path / "run").train()["step"] == 1
    assert kr.load(tmp_path / "run").recipe.name == "mynet"


@pytest.mark.parametrize(("value", "message"), [
    (recipe(name="deepspeech2"), "already is a recipe deepspeech2"),
    (recipe(name="My Net"), "no name of a recipe"),
    (recipe(task="speech"), "no task 'speech'; there are speech-recognition"),
    (recipe(builder="mynet"), "'module:function'"),
    ("mynet", "is no recipe"),
])  # fmt: skip
def test_bad_recipes_are_refused(value, message):
    with pytest.raises(KerasRecipesError, match=message):
        kr.register(value)
    assert "mynet" not in kr.list_recipes()


@pytest.mark.parametrize(("value", "message"), [
    (recipe(build_unmasked), "after the end of sequence 1 are not 0"),
    (recipe(build_whole_batch, **IMAGES), "image 0 alone and in a batch"),
    (recipe(build_anything, **IMAGES, changes={"options": 1}), "takes any keyword"),
    (recipe(tiny_config={"unitz": 3}), "does not take unitz"),
])  # fmt: skip
def test_checks_find_what_is_wrong(value, message):
    kr.register(value)
    with pytest.raises(AssertionError, match=message):
        testing.check_recipe("mynet")


def test_checks_compare_with_the_largest_logit():
    testing.expect_close(np.array([100.0]), np.array([100.005]), "x", 1e-4)
    with pytest.raises(AssertionError, match="differ by 0.005"):
        testing.expect_close(np.array([1.0]), np.array([1.005]), "x", 1e-4)


def test_entry_points_of_installed_packages(tmp_path, monkeypatch):
    (tmp_path / "plugin_module.py").write_text(MODULE)
    folder = tmp_path / "plugin-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[kerasrecipes.recipes]\nall = plugin_module\none = plugin_module:ONE\nbroken = no_such_module\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.all_recipes.cache_clear()
    try:
        with pytest.warns(UserWarning, match="entry point no_such_module has no recipes: ModuleNotFoundError"):
            assert kr.list_recipes("plugin*") == ["plugin_net", "plugin_one"]
        assert kr.load("plugin_net", weights=None).classify(np.zeros((8, 8, 3), "uint8")).name in ("cat", "dog")
        with pytest.raises(KerasRecipesError, match="already is a recipe plugin_net"):
            kr.register(recipe(name="plugin_net"))
    finally:
        sys.modules.pop("plugin_module", None)


def test_released_weights_of_another_size():
    with pytest.raises(KerasRecipesError, match=r"another size than with recurrent_units=128: .* weights=None"):
        kr.load("deepspeech2_small", recurrent_units=128)
