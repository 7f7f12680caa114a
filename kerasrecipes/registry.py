"""The catalogue: recipes are data, found in the files of `kerasrecipes.recipes`, built only when asked for."""

import difflib
import fnmatch
import functools
import importlib
import inspect
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError, RecipeNotFound

TASKS = (
    "speech-recognition", "phoneme-recognition", "image-classification", "segmentation", "waveform-generation", "language-model",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """A paper's network under a name.

    Args:
        name: what `load` takes.
        paper: "arXiv:1512.02595" or a DOI. title: of the paper.
        task: one of `TASKS`.
        builder: "module:function" that returns a functional `keras.Model` from keyword arguments.
        config: every keyword of the builder.
        summary: one sentence. tags: words to look for.
        tiny_config: changes that make a tiny net for tests over the whole registry.
        preprocessing: of image recipes, how an image becomes the input: values of `kerasrecipes.image.ImagePreprocessing`.
        classes: of image recipes, the names, or the name of a list that comes with the package.
        optimizer: Keras's configuration of the paper's own, for `compile()`; none for the task's default.
    """

    name: str
    paper: str
    task: str
    builder: str
    config: Mapping[str, Any]
    summary: str
    tags: tuple[str, ...] = ()
    tiny_config: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] | str = ()
    optimizer: Mapping[str, Any] = field(default_factory=dict)

    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the scores; without names, their numbers."""
        if isinstance(self.classes, str):
            if self.task == "segmentation":
                return tuple(self.palette())
            path = Path(__file__).parent / "assets" / f"{self.classes}_classes.txt"
            return tuple(path.read_text("utf-8").splitlines())
        return self.classes or tuple(str(i) for i in range(self.config.get("classes", 0)))

    def palette(self) -> dict[str, tuple[int, int, int]]:
        """Of segmentation recipes: class -> red, green, blue, as their data sets paint them."""
        path = Path(__file__).parent / "assets" / "palettes.json"
        return {
            name: tuple(colour) for name, colour in json.loads(path.read_text("utf-8")).get(self.classes, {}).items()
        }

    def build(self, **changes: Any) -> Any:
        """The network with random weights: `config` with `changes` on top.

        Raises:
            KerasRecipesError: a keyword the builder does not know, or one it has and `config` lacks.
        """
        module, name = self.builder.split(":")
        function = getattr(importlib.import_module(module), name)
        keywords = {**self.config, **changes}
        known = set(inspect.signature(function).parameters)
        unknown, missing = sorted(set(keywords) - known), sorted(known - set(keywords))
        if unknown or missing:
            told = [
                f"unknown {', '.join(unknown)}" if unknown else "",
                f"missing {', '.join(missing)}" if missing else "",
            ]
            raise KerasRecipesError(
                f"{self.name}: {' and '.join(filter(None, told))}; {name} takes {', '.join(sorted(known))}"
            )
        return function(**keywords)


@functools.cache
def all_recipes() -> dict[str, Recipe]:
    """All recipes by name, from the `RECIPES` of every module in `kerasrecipes.recipes`."""
    package = importlib.import_module("kerasrecipes.recipes")
    found: dict[str, Recipe] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for recipe in getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "RECIPES", ()):
            if recipe.name in found:
                raise KerasRecipesError(f"two recipes are called {recipe.name}")
            found[recipe.name] = recipe
    return dict(sorted(found.items()))


def list_recipes(
    pattern: str = "*", *, task: str | None = None, pretrained: bool | None = None, license: str | None = None
) -> list[str]:
    """Sorted names of the recipes that fit.

    Args:
        pattern: with the wildcards * and ?.
        task: only of this task. pretrained: only with (True) or without (False) released weights.
        license: only weights whose license matches this pattern, in upper or lower case.

    Raises:
        KerasRecipesError: there is no such task; all are named.

    Example:
        >>> list_recipes("deepspeech2_s*", pretrained=True)
        ['deepspeech2_small']
    """
    from kerasrecipes.hub import manifest

    if task not in (None, *TASKS):
        raise KerasRecipesError(f"There is no task {task!r}; there are {', '.join(TASKS)}")
    names = [n for n, r in all_recipes().items() if fnmatch.fnmatch(n, pattern) and task in (None, r.task)]
    if pretrained is None and license is None:
        return names
    rows = manifest.entries()
    if pretrained is not None:
        names = [n for n in names if (n in rows) == pretrained]
    if license is not None:
        names = [n for n in names if n in rows and fnmatch.fnmatch(rows[n].license.lower(), license.lower())]
    return names


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        RecipeNotFound: there is none; the three closest names are given.
    """
    recipes = all_recipes()
    if name not in recipes:
        close = difflib.get_close_matches(name.lower(), recipes, n=3, cutoff=0.0)
        raise RecipeNotFound(f"There is no recipe {name!r}. Did you mean {', '.join(close)}? All: kerasrecipes list")
    return recipes[name]
