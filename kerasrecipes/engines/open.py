"""Opening exported files in onnxruntime or OpenVINO, with the verbs and results of the Keras models and without Keras."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasrecipes.engines.chunked_session import ChunkedSession
from kerasrecipes.engines.metadata import METADATA_VERSION
from kerasrecipes.engines.onnx_metadata import read_description
from kerasrecipes.engines.onnx_tensors import check_tensors
from kerasrecipes.engines.session import open_session
from kerasrecipes.engines.task_models import ENGINE_MODELS
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, reader
from kerasrecipes.registry import get_recipe

STEP_SUFFIX = ".step"  # in the names of streaming files


@reader(WeightsCorrupted)
def load_file(
    path: Path, engine: str = "auto", precision: str | None = None, recipe: str | None = None,
    find_step_file: Callable[[], Path] | None = None,
) -> Any:  # fmt: skip
    """Return the model of a file that `kerasrecipes export --format onnx` wrote.

    Args:
        path: Path of the file. The streaming file of a released recipe also opens as one for whole recordings.
        engine: As in `open_session`.
        precision: As in `open_session`.
        recipe: Name of the recipe that the file must hold. Default: any.
        find_step_file: Returns the path of its streaming file. Default: NAME.step.onnx beside NAME.onnx.

    Raises:
        KerasRecipesError: There is no such file, it needs a newer kerasrecipes, or engines do not support its task.
        WeightsCorrupted: The file is damaged, not exported by kerasrecipes, or of another recipe. Or weights lie in another
            file or are no finite numbers, which is checked for files without a manifest row.
    """
    metadata = read_metadata_checked(path, recipe, is_released=recipe is not None)
    is_step = metadata.get("part") == "step"
    if metadata.get("part") != "whole" and not (is_step and recipe is not None):
        raise KerasRecipesError(
            f"{path} takes chunks of the input: load the file without {STEP_SUFFIX} in its name, which opens this one"
        )
    if metadata["task"] not in ENGINE_MODELS:
        name, task = metadata["recipe"], metadata["task"]
        raise KerasRecipesError(f'{name}: engines do not support the task {task}; load it with engine="keras"')

    def open_step_session() -> Any:
        if is_step:
            return session
        step_path = find_step_file() if find_step_file else path.with_name(f"{path.stem}{STEP_SUFFIX}.onnx")
        step = read_metadata_checked(step_path, metadata["recipe"], is_released=recipe is not None)
        if (step.get("part"), step.get("weights_hash")) != ("step", metadata.get("weights_hash")):
            raise WeightsCorrupted(
                f"{step_path} was not written together with {path}: export {metadata['recipe']} again"
            )
        return open_session(step_path, engine, precision)

    session = open_session(path, engine, precision)
    whole = ChunkedSession(metadata, session, lambda: model.streaming_graph()) if is_step else session
    model = ENGINE_MODELS[metadata["task"]](metadata, whole, open_step_session)
    check_labels(model, metadata["logits_size"], path)
    model.opening = load_file, (path.absolute(), model.engine, precision, recipe)
    return model


def supports_recipe(recipe: str) -> bool:
    """Return True if engines support the task of a recipe."""
    return get_recipe(recipe).task in ENGINE_MODELS


def check_labels(model: Any, logits_size: int | None, path: Path) -> None:
    """Raise `WeightsCorrupted` if a model has another number of classes or symbols than its file has logits."""
    labels = len(model.classes) if hasattr(model, "classes") else getattr(model, "alphabet", None) and model.alphabet.vocab_size
    if labels and logits_size and labels != logits_size:
        raise WeightsCorrupted(
            f"{path} names {labels} labels for {logits_size} logits: export the model again, with all its labels"
        )


def read_metadata_checked(path: Path, recipe: str | None, is_released: bool) -> dict[str, Any]:
    """Return the metadata of a file that this version can open. Released files have been checked by their hash."""
    if not path.is_file():
        raise KerasRecipesError(f"There is no file {path}")
    metadata = read_description(path)
    if not is_released:
        check_tensors(path)
    if metadata.get("format", 0) > METADATA_VERSION:
        raise KerasRecipesError(
            f"{path} was written by kerasrecipes {metadata.get('kerasrecipes')}: update kerasrecipes"
        )
    if recipe is not None and metadata["recipe"] != recipe:
        raise WeightsCorrupted(f"{path} holds {metadata['recipe']}, not {recipe}: export {recipe} again")
    return metadata
