"""Exported files in onnxruntime or OpenVINO, with the verbs and results of the Keras models and without Keras."""

from pathlib import Path
from typing import Any

from kerasrecipes.engines.description import FORMAT
from kerasrecipes.engines.sessions import ENGINES, installed, open_session
from kerasrecipes.engines.wire import read_description
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupt

__all__ = ["ENGINES", "installed", "load_file", "open_session", "read_description"]


def load_file(path: Path, engine: str = "auto", precision: str | None = None, recipe: str | None = None) -> Any:
    """The model in a file that `kerasrecipes export --format onnx` wrote.

    Args:
        path: of the file. engine, precision: as `open_session` takes them.
        recipe: whose file it must be, None for any.

    Raises:
        KerasRecipesError: there is no such file, it needs a newer kerasrecipes, or no engine runs its task.
        WeightsCorrupt: it is damaged, no file of ours, or another recipe's.
    """
    from kerasrecipes.engines.models import MODELS

    if not path.is_file():
        raise KerasRecipesError(f"There is no file {path}")
    told = read_description(path)
    if told.get("format", 0) > FORMAT:
        raise KerasRecipesError(f"{path} was written by kerasrecipes {told.get('kerasrecipes')}: update kerasrecipes")
    if recipe is not None and told["recipe"] != recipe:
        raise WeightsCorrupt(f"{path} holds {told['recipe']}, not {recipe}: export {recipe} again")
    if told["task"] not in MODELS:
        raise KerasRecipesError(f'{told["recipe"]}: engines run no {told["task"]}; load it with engine="keras"')
    return MODELS[told["task"]](told, open_session(path, engine, precision))
