"""The catalog of recipes: data in the files of `kerasrecipes.recipes`, built only on request."""

import difflib
import functools
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError, RecipeNotFound

TASKS = (
    "speech-recognition", "phoneme-recognition", "image-classification", "segmentation", "waveform-generation", "language-model",
)  # fmt: skip
ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Recipe:
    """A paper's network under a name.

    Args:
        name: Name that `load` takes.
        paper: "arXiv:1512.02595", or a DOI.
        task: One of `TASKS`.
        builder: "module:function" that returns a functional `keras.Model` from keyword arguments.
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
    builder: str
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


@functools.cache
def all_recipes() -> dict[str, Recipe]:
    """Return all recipes by name, from `RECIPES` of every module in `kerasrecipes.recipes`."""
    package = importlib.import_module("kerasrecipes.recipes")
    recipes: dict[str, Recipe] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for recipe in getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "RECIPES", ()):
            if recipe.name in recipes:
                raise KerasRecipesError(f"two recipes are called {recipe.name}")
            recipes[recipe.name] = recipe
    return dict(sorted(recipes.items()))


def get_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        RecipeNotFound: There is none; names the three closest.
    """
    recipes = all_recipes()
    if name not in recipes:
        close = difflib.get_close_matches(name.lower(), recipes, n=3, cutoff=0.0)
        raise RecipeNotFound(f"There is no recipe {name!r}. Did you mean {', '.join(close)}? All: kerasrecipes list")
    return recipes[name]
