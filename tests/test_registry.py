"""The catalog: sorted names, filters, errors that help, and a quick start."""

import inspect
import subprocess
import sys

import keras
import pytest

import kerasrecipes as kr
from kerasrecipes.errors import KerasRecipesError, RecipeNotFound, WeightsUnavailable
from kerasrecipes.hub import manifest
from kerasrecipes.registry import TASKS, all_recipes
from kerasrecipes.release.model_card import build_without_weights

ALL = sorted(all_recipes())


@pytest.mark.parametrize("name", ["net.json", "model.pth", "folder"])
@pytest.mark.parametrize("find", [kr.get_recipe, kr.load, lambda path: kr.load(path, engine="onnxruntime")])
def test_files_that_are_no_models_are_told_from_wrong_names(tmp_path, name, find):
    path = tmp_path / name
    path.mkdir() if name == "folder" else path.write_text('{"type": "NeuralNetwork"}')
    with pytest.raises(RecipeNotFound, match=r"is no model of this package.*weights=FILE.*convnetjs_import\.from_json"):
        find(str(path))


def test_recipes_tagged_pretrained_are_those_with_released_weights():
    assert {name for name, recipe in all_recipes().items() if "pretrained" in recipe.tags} == manifest.entries().keys()


def test_names_are_sorted_and_filtered():
    names = kr.list_recipes()
    assert names == sorted(names) and "deepspeech2" in names
    assert kr.list_recipes("deepspeech2_s*") == ["deepspeech2_small", "deepspeech2_streaming_small"]
    by_task = [kr.list_recipes(task=task) for task in sorted(TASKS)]
    assert sorted(n for group in by_task for n in group) == names and "deepspeech2" in kr.list_recipes(
        task="speech-recognition"
    )
    assert kr.list_recipes("*camvid*", task="segmentation") == ["dilated_camvid_small", "dilation8_camvid"]
    with_weights = kr.list_recipes(pretrained=True)
    assert "deepspeech2_small" in with_weights and "deepspeech2" not in with_weights
    assert set(with_weights) | set(kr.list_recipes(pretrained=False)) == set(names)
    assert "deepspeech2_small" in kr.list_recipes(license="*cc by*") and kr.list_recipes(license="*gpl*") == []


def test_an_unknown_task_names_the_tasks():
    with pytest.raises(KerasRecipesError, match="no task 'speech'; there are speech-recognition, "):
        kr.list_recipes(task="speech")


@pytest.mark.parametrize("name", ["deepspech2_smal", "DeepSpeech2_Small", "deepspeech2_small.keras", "", "xyz"])
def test_unknown_recipe_names_three_close_ones(name):
    with pytest.raises(RecipeNotFound, match=r"Did you mean") as error:
        kr.get_recipe(name)
    named = str(error.value).partition("Did you mean ")[2].partition("?")[0].split(", ")
    assert len(set(named)) == 3 and set(named) <= set(ALL)
    assert len(name) < 4 or named[0] == "deepspeech2_small"


# ---------------------------------------------------------------- other recipes


def scale(*, factor, offset=1):
    """A builder that needs no Keras."""
    return factor, offset


def make_recipe(**changes):
    values = {"paper": "arXiv:0", "task": "segmentation", "builder": f"{__name__}:scale", "summary": "s"}
    return kr.Recipe("scale", **values, changes=changes)


def test_build_merges_arguments_and_rejects_unknown_and_missing_ones():
    assert make_recipe(factor=2).config == {"factor": 2, "offset": 1}
    assert make_recipe(factor=2).build() == (2, 1) and make_recipe(factor=2, offset=3).build() == (2, 3)
    assert make_recipe(factor=2, offset=3).build(offset=5) == (2, 5)
    with pytest.raises(KerasRecipesError, match="scale: missing factor; scale takes factor, offset"):
        make_recipe(offset=2).build()
    with pytest.raises(KerasRecipesError, match="scale: unknown color and missing factor; "):
        make_recipe(offset=2).build(color="red")


def test_a_new_file_in_recipes_is_found_and_a_second_one_of_its_name_is_an_error(tmp_path, monkeypatch):
    import kerasrecipes.recipes as package

    source = (
        "from kerasrecipes.registry import Recipe\nRECIPES = (Recipe('{}', 'p', 'segmentation', 'm:f', 's'),)\n"
    )
    (tmp_path / "mine.py").write_text(source.format("my_net"))
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    all_recipes.cache_clear()
    try:
        assert (
            kr.list_recipes("my*", task="segmentation") == ["my_net"] and kr.list_recipes("my*", pretrained=True) == []
        )
        (tmp_path / "other.py").write_text(source.format("my_net"))
        all_recipes.cache_clear()
        with pytest.raises(KerasRecipesError, match="two recipes are called my_net"):
            kr.list_recipes()
    finally:
        monkeypatch.undo()
        all_recipes.cache_clear()
        for name in ("mine", "other"):
            sys.modules.pop(f"kerasrecipes.recipes.{name}", None)


# ---------------------------------------------------------------- start-up


def test_a_recipe_without_weights_names_the_training_command():
    with pytest.raises(WeightsUnavailable, match="kerasrecipes train deepspeech2_70m"):
        kr.load("deepspeech2_70m")


def test_import_and_list_load_no_keras():
    # benchmarks/startup.py measures their time
    code = (
        "import sys, kerasrecipes as kr; kr.list_recipes('deep*', pretrained=True); "
        "assert not {'keras', 'tensorflow', 'torch', 'jax', 'numpy', 'huggingface_hub'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_backend_says_what_to_install(monkeypatch):
    from kerasrecipes import _lazy

    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(_lazy.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(kr.BackendUnavailable, match=r"pip install .kerasrecipes\[tensorflow\]"):
        _lazy.choose_backend()


@pytest.mark.parametrize("name", ALL)
def test_every_recipe_builds_and_rejects_unknown_keywords(name):
    recipe = kr.get_recipe(name)
    defaults = {n: p.default for n, p in inspect.signature(recipe.builder_function).parameters.items()}
    assert list(recipe.config) == list(defaults) and {**defaults, **recipe.changes} == recipe.config
    recipe.build(**recipe.tiny_config)
    with pytest.raises(KerasRecipesError, match="unknown nonsense"):
        recipe.build(nonsense=1)


# papers/deepspeech2: [name, parameters that the published formulas give, in millions]
COUNTS = [("deepspeech2_70m", 67.7), ("deepspeech2_2x2d", 36.4), ("deepspeech2_icml", 108.9)]


@pytest.mark.parametrize(("name", "millions"), COUNTS)
def test_paper_sizes(name, millions):
    assert build_without_weights(name).count_params() / 1e6 == pytest.approx(millions, rel=0.01)


def test_frequency_bins_decrease_as_in_the_paper():
    network = build_without_weights("deepspeech2")
    bins = [layer.output[0].shape[2] for layer in network.layers if type(layer).__name__ == "SequenceConv2D"]
    assert bins == [81, 41, 21]
    assert next(layer for layer in network.layers if isinstance(layer, keras.layers.Reshape)).output.shape[-1] == 2016
