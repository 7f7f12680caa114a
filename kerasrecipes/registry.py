"""The catalog of recipes: data in the files of `kerasrecipes.recipes` and of other packages, built only on request."""

import difflib
import functools
import importlib
import importlib.metadata
import inspect
import json
import os
import pkgutil
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError, RecipeNotFound
from kerasrecipes.utils.files import first_line

TASKS = (
    "speech-recognition", "phoneme-recognition", "image-classification", "segmentation", "waveform-generation", "language-model",
)  # fmt: skip
ASSETS = Path(__file__).parent / "assets"
ENTRY_POINTS = "kerasrecipes.recipes"  # group in which other packages name their recipes
NAME = re.compile(r"[a-z0-9_]+")
registered: dict[str, "Recipe"] = {}  # recipes of `register`


@dataclass(frozen=True)
class Recipe:
    """A paper's network under a name.

    Args:
        name: Name that `load` takes.
        paper: "arXiv:1512.02595", or a DOI.
        task: One of `TASKS`.
        builder: Function that returns a functional `keras.Model` from keyword arguments, or its name "module:function", which
            is imported when a network is built.
        summary: One sentence.
        changes: Arguments of the builder that differ from its defaults.
        tags: Words to search for.
        tiny_config: More changes, which make a tiny model for tests of all recipes.
        title: Title of the paper.
        preprocessing: For images, arguments of `kerasrecipes.image.ImagePreprocessing`.
        classes: For images, the class names, or the name of a list in the package.
        optimizer: Keras configuration of the paper's optimizer for `compile()`. Default: the task's optimizer.
    """

    name: str
    paper: str
    task: str
    builder: str | Callable[..., Any]
    summary: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    tiny_config: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] | str = ()
    optimizer: Mapping[str, Any] = field(default_factory=dict)

    @property
    def builder_function(self) -> Callable[..., Any]:
        if not isinstance(self.builder, str):
            return self.builder
        module, name = self.builder.split(":")
        return getattr(importlib.import_module(module), name)

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """All arguments of the builder: its defaults and `changes`."""
        parameters = inspect.signature(self.builder_function).parameters
        return {n: p.default for n, p in parameters.items() if p.default is not p.empty} | dict(self.changes)

    def class_names(self) -> tuple[str, ...]:
        """Return the class names in the order of the logits, or numbers if the recipe names none."""
        if isinstance(self.classes, str):
            if self.task == "segmentation":
                return tuple(self.palette())
            return tuple((ASSETS / f"{self.classes}_classes.txt").read_text("utf-8").splitlines())
        return self.classes or tuple(str(i) for i in range(self.config.get("num_classes", 0)))

    def palette(self) -> dict[str, tuple[int, int, int]]:
        """Return the colors (red, green, blue) in which a segmentation dataset paints its classes, by class name."""
        palettes = json.loads((ASSETS / "palettes.json").read_text("utf-8"))
        return {name: tuple(color) for name, color in palettes.get(self.classes, {}).items()}

    def build(self, **changes: Any) -> Any:
        """Build the network with random weights from `config` and `changes`.

        Raises:
            KerasRecipesError: The builder does not know a keyword, or one of its arguments has no value.
        """
        function, keywords = self.builder_function, {**self.config, **changes}
        parameters = set(inspect.signature(function).parameters)
        unknown, missing = sorted(set(keywords) - parameters), sorted(parameters - set(keywords))
        problems = [
            f"{label} {', '.join(names)}" for label, names in (("unknown", unknown), ("missing", missing)) if names
        ]
        if problems:
            raise KerasRecipesError(
                f"{self.name}: {' and '.join(problems)}; {function.__name__} takes {', '.join(sorted(parameters))}"
            )
        return function(**keywords)


def packaged_recipes() -> dict[str, Recipe]:
    """Return the recipes of this package by name, from `RECIPES` of every module in `kerasrecipes.recipes`."""
    package = importlib.import_module("kerasrecipes.recipes")
    recipes: dict[str, Recipe] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for recipe in getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "RECIPES", ()):
            if recipe.name in recipes:
                raise KerasRecipesError(f"two recipes are called {recipe.name}")
            recipes[recipe.name] = recipe
    return recipes


def installed_recipes(packaged: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """Return the recipes of other packages by name, from their entry points in the group `kerasrecipes.recipes`.

    An entry point is a `Recipe`, a sequence of them, or a module with `RECIPES`. One that fails is left out with a warning, so that
    a broken package does not take all recipes with it. `packaged` are the recipes of this package, whose names are taken.
    """
    recipes: dict[str, Recipe] = {}
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            loaded = point.load()
            loaded = getattr(loaded, "RECIPES", loaded)
            for recipe in (loaded,) if isinstance(loaded, Recipe) else tuple(loaded):
                check_recipe_fields(recipe, packaged.keys() | recipes.keys())
                recipes[recipe.name] = recipe
        except Exception as error:  # the code of another package
            warnings.warn(
                f"The entry point {point.value} has no recipes: {type(error).__name__}: {first_line(error)}", stacklevel=3
            )
    return recipes


@functools.cache
def all_recipes() -> dict[str, Recipe]:
    """Return all recipes by name: this package's, those of other packages, and those of `register`."""
    packaged = packaged_recipes()
    return dict(sorted({**packaged, **installed_recipes(packaged), **registered}.items()))


def register(recipe: Recipe) -> Recipe:
    """Add a recipe of your own for this process, and return it. A second one of its name replaces it.

    `list_recipes`, `load`, saved models, the trainer and `kerasrecipes.testing.check_recipe` know it from then on. A package names
    its recipes for every process in the entry-point group `kerasrecipes.recipes`.

    Args:
        recipe: The recipe.

    Raises:
        KerasRecipesError: The name is that of a recipe of a package, or a field is wrong.

    Example:
        >>> kerasrecipes.register(kerasrecipes.Recipe("mynet", "doi:...", "speech-recognition", build_mynet, "One sentence."))
        >>> kerasrecipes.load("mynet", weights=None)
    """
    check_recipe_fields(recipe, (all_recipes().keys() - registered.keys()))
    registered[recipe.name] = recipe
    all_recipes.cache_clear()
    return recipe


def check_recipe_fields(recipe: Any, taken: Collection[str]) -> None:
    """Check a recipe that another package or program brings.

    Args:
        recipe: The recipe.
        taken: Names that it must not have.

    Raises:
        KerasRecipesError: It is no recipe, or its name, task or builder is wrong.
    """
    if not isinstance(recipe, Recipe):
        raise KerasRecipesError(f"{recipe!r:.80} is no recipe: pass kerasrecipes.Recipe(name=..., task=..., builder=...)")
    if not isinstance(recipe.name, str) or not NAME.fullmatch(recipe.name):
        raise KerasRecipesError(f"{recipe.name!r:.80} is no name of a recipe: use lower-case letters, digits and _")
    if recipe.name in taken:
        raise KerasRecipesError(f"there already is a recipe {recipe.name}: choose another name")
    if recipe.task not in TASKS:
        raise KerasRecipesError(f"{recipe.name}: there is no task {recipe.task!r:.80}; there are {', '.join(TASKS)}")
    if not callable(recipe.builder) and not (isinstance(recipe.builder, str) and recipe.builder.count(":") == 1):
        raise KerasRecipesError(f"{recipe.name}: builder is a function or its name 'module:function', not {recipe.builder!r:.80}")


def get_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        RecipeNotFound: There is none; names the three closest, or for a file or folder how others are read.
    """
    recipes = all_recipes()
    if name not in recipes:
        if os.path.exists(name):
            raise RecipeNotFound(
                f"{name} is no model of this package, which is a .keras or .onnx file or the folder of a training run: "
                "load(NAME, weights=FILE) and `kerasrecipes import` read weights of other programs, and "
                "kerasrecipes.export.convnetjs_import.from_json reads snapshots of ConvNetJS"
            )
        close = difflib.get_close_matches(name.lower(), recipes, n=3, cutoff=0.0)
        raise RecipeNotFound(f"There is no recipe {name!r}. Did you mean {', '.join(close)}? All: kerasrecipes list")
    return recipes[name]
