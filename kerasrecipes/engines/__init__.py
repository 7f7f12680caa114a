"""Exported files in onnxruntime or OpenVINO, with the verbs and results of the Keras models and without Keras."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasrecipes.engines.description import FORMAT
from kerasrecipes.engines.sessions import ENGINES, installed, open_session
from kerasrecipes.engines.wire import read_description
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupt

__all__ = ["ENGINES", "installed", "load_file", "open_session", "read_description", "runs"]


STEP = ".step"  # in the names of files of pieces


def load_file(
    path: Path, engine: str = "auto", precision: str | None = None, recipe: str | None = None,
    steps: Callable[[], Path] | None = None,
) -> Any:  # fmt: skip
    """The model in a file that `kerasrecipes export --format onnx` wrote.

    Args:
        path: of the file. engine, precision: as `open_session` takes them.
        recipe: whose file it must be, None for any.
        steps: finds the file of its pieces, where it has one; default: NAME.step.onnx beside NAME.onnx.

    Raises:
        KerasRecipesError: there is no such file, it needs a newer kerasrecipes, or no engine runs its task.
        WeightsCorrupt: it is damaged, no file of ours, or another recipe's.
    """
    from kerasrecipes.engines.models import MODELS

    told = described(path, recipe)
    if told.get("part") != "whole":
        raise KerasRecipesError(f"{path} takes pieces of the input: load the file without {STEP}, which finds this one")
    if told["task"] not in MODELS:
        raise KerasRecipesError(f'{told["recipe"]}: engines run no {told["task"]}; load it with engine="keras"')

    def opened() -> Any:
        place = steps() if steps else path.with_name(f"{path.stem}{STEP}.onnx")
        parts = described(place, told["recipe"])
        if (parts.get("part"), parts.get("twin")) != ("step", told.get("twin")):
            raise WeightsCorrupt(f"{place} was not written together with {path}: export {told['recipe']} again")
        return open_session(place, engine, precision)

    return MODELS[told["task"]](told, open_session(path, engine, precision), opened)


def runs(recipe: str) -> bool:
    """Whether engines have the verbs of a recipe's task."""
    from kerasrecipes.engines.models import MODELS
    from kerasrecipes.registry import get_recipe

    return get_recipe(recipe).task in MODELS


def described(path: Path, recipe: str | None) -> dict[str, Any]:
    """The description in a file that this version can open."""
    if not path.is_file():
        raise KerasRecipesError(f"There is no file {path}")
    told = read_description(path)
    if told.get("format", 0) > FORMAT:
        raise KerasRecipesError(f"{path} was written by kerasrecipes {told.get('kerasrecipes')}: update kerasrecipes")
    if recipe is not None and told["recipe"] != recipe:
        raise WeightsCorrupt(f"{path} holds {told['recipe']}, not {recipe}: export {recipe} again")
    return told
