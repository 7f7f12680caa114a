"""The catalogue and the command line's first answers: quick, sorted, helpful."""

import subprocess
import sys

import keras
import pytest

import kerasrecipes as kr
from kerasrecipes.errors import KerasRecipesError, RecipeNotFound, WeightsUnavailable
from kerasrecipes.registry import catalogue

ALL = sorted(catalogue())


def test_names_are_sorted_and_filtered():
    names = kr.list_recipes()
    assert names == sorted(names) and "deepspeech2" in names
    assert kr.list_recipes("deepspeech2_s*") == ["deepspeech2_small"]
    assert kr.list_recipes("*", task="speech-recognition") == names
    assert kr.list_recipes("*", task="segmentation") == []
    with_weights = kr.list_recipes(pretrained=True)
    assert "deepspeech2_small" in with_weights and "deepspeech2" not in with_weights
    assert set(with_weights) | set(kr.list_recipes(pretrained=False)) == set(names)
    assert kr.list_recipes(licence="*cc by*") == ["deepspeech2_small"]


def test_unknown_recipe_names_three_close_ones():
    with pytest.raises(RecipeNotFound, match="deepspeech2_small") as error:
        kr.get_recipe("deepspech2_smal")
    assert str(error.value).count("deepspeech2") >= 3


def test_recipe_without_weights_names_the_training_command():
    with pytest.raises(WeightsUnavailable, match="kerasrecipes train deepspeech2_70m"):
        kr.load("deepspeech2_70m")


def test_import_and_list_load_no_keras():
    code = (
        "import sys, kerasrecipes as kr; kr.list_recipes('deep*', pretrained=True); "
        "assert not {'keras', 'tensorflow', 'torch', 'jax', 'huggingface_hub'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_backend_says_what_to_install(monkeypatch):
    from kerasrecipes import _lazy

    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(_lazy.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(kr.BackendUnavailable, match=r"pip install .kerasrecipes\[tensorflow\]"):
        _lazy.choose_backend()


@pytest.mark.parametrize("name", ALL)
def test_every_keyword_of_the_builder_is_in_the_config(name):
    recipe = kr.get_recipe(name)
    recipe.build(**recipe.test_config)  # raises where config and signature differ
    with pytest.raises(KerasRecipesError, match="unknown nonsense"):
        recipe.build(nonsense=1)


# papers/deepspeech2: [name, parameters that the published formulas give, in millions]
COUNTS = [("deepspeech2_70m", 67.7, {}), ("deepspeech2_2x2d", 36.4, {}), ("deepspeech2_icml", 108.9, {})]


@pytest.mark.parametrize(("name", "millions", "changes"), COUNTS)
def test_paper_sizes(name, millions, changes):
    with keras.StatelessScope():  # variables keep their shapes and are never filled
        network = kr.get_recipe(name).build(**changes)
    assert network.count_params() / 1e6 == pytest.approx(millions, rel=0.01)


def test_bins_fall_as_in_the_paper():
    with keras.StatelessScope():
        network = kr.get_recipe("deepspeech2").build()
    bins = [layer.output[0].shape[2] for layer in network.layers if type(layer).__name__ == "SequenceConv2D"]
    assert bins == [81, 41, 21]
    assert next(layer for layer in network.layers if isinstance(layer, keras.layers.Reshape)).output.shape[-1] == 2016
