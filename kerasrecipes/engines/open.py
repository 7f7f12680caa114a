"""Exported files in onnxruntime or OpenVINO, with the verbs and results of the Keras models and without Keras."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasrecipes.engines.metadata import METADATA_VERSION
from kerasrecipes.engines.onnx_metadata import read_description
from kerasrecipes.engines.session import ENGINES, installed, open_session
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted

__all__ = ["ENGINES", "installed", "load_file", "open_session", "read_description", "supports_recipe"]


STEP_SUFFIX = ".step"  # in the names of files of pieces


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
    from kerasrecipes.engines.task_models import ENGINE_MODELS

    told = read_metadata_checked(path, recipe)
    if told.get("part") != "whole":
        raise KerasRecipesError(
            f"{path} takes pieces of the input: load the file without {STEP_SUFFIX}, which finds this one"
        )
    if told["task"] not in ENGINE_MODELS:
        raise KerasRecipesError(f'{told["recipe"]}: engines run no {told["task"]}; load it with engine="keras"')

    def opened() -> Any:
        place = steps() if steps else path.with_name(f"{path.stem}{STEP_SUFFIX}.onnx")
        parts = read_metadata_checked(place, told["recipe"])
        if (parts.get("part"), parts.get("twin")) != ("step", told.get("twin")):
            raise WeightsCorrupted(f"{place} was not written together with {path}: export {told['recipe']} again")
        return open_session(place, engine, precision)

    return ENGINE_MODELS[told["task"]](told, open_session(path, engine, precision), opened)


def supports_recipe(recipe: str) -> bool:
    """Whether engines have the verbs of a recipe's task."""
    from kerasrecipes.engines.task_models import ENGINE_MODELS
    from kerasrecipes.registry import get_recipe

    return get_recipe(recipe).task in ENGINE_MODELS


def read_metadata_checked(path: Path, recipe: str | None) -> dict[str, Any]:
    """The description in a file that this version can open."""
    if not path.is_file():
        raise KerasRecipesError(f"There is no file {path}")
    told = read_description(path)
    if told.get("format", 0) > METADATA_VERSION:
        raise KerasRecipesError(f"{path} was written by kerasrecipes {told.get('kerasrecipes')}: update kerasrecipes")
    if recipe is not None and told["recipe"] != recipe:
        raise WeightsCorrupted(f"{path} holds {told['recipe']}, not {recipe}: export {recipe} again")
    return told
