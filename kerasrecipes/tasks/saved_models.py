"""Models of `.keras` files and of training runs' folders. Only this package's layers are built."""

import importlib
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kerasrecipes import registry
from kerasrecipes._lazy import choose_backend, keras
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted
from kerasrecipes.hub.h5_heaps import check_heaps_of_file
from kerasrecipes.tasks.table import TASK_MODELS
from kerasrecipes.utils.files import atomic_write, first_line
from kerasrecipes.utils.weight_checks import describe_bad_values

AVERAGED_MODEL = "averaged.keras"  # in a training run's folder: the model with its averaged weights


def is_saved_model(name: str) -> bool:
    """Return True for a `.keras` file or a training run's folder. A recipe's name is never a folder."""
    return name.endswith(".keras") or (name not in registry.all_recipes() and (Path(name) / AVERAGED_MODEL).is_file())


def load_saved_model(path: Path, random_weights: bool = False, compile: bool = True) -> Any:
    """Return the model of a `.keras` file or a training run's folder.

    Args:
        path: File or folder.
        random_weights: Return its architecture with random weights and all layers trainable.
        compile: Compile it as the saved model was, if that was compiled.
    """
    model = load_keras_file(path / AVERAGED_MODEL if path.is_dir() else path, compile and not random_weights)
    return type(model)(**{k: v for k, v in model.get_config().items() if k != "frozen"}) if random_weights else model


def save_averaged_model(model: Any, folder: Path) -> None:
    """Write a model as a run's averaged model, whole or not at all."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / AVERAGED_MODEL
        model.save(file)
        atomic_write(folder / AVERAGED_MODEL, file.read_bytes(), durable=True)


def load_keras_file(path: Path, compile: bool = False) -> Any:
    """Return a model that `model.save` wrote. Only this package's layers are built, and no code of the file is executed.

    With `compile` the model is compiled as the saved one was, if its optimizer, loss and metrics are Keras's own or registered
    with `keras.saving.register_keras_serializable`. If they are not, a warning says so and the model is not compiled.
    """
    if not path.is_file():
        raise KerasRecipesError(f"There is no file {path}")
    choose_backend()
    for entry in TASK_MODELS.values():  # each import registers its class
        importlib.import_module(entry.model.split(":")[0])
    if compile:
        try:
            return check_model(keras.saving.load_model(path, compile=True, safe_mode=True), path)
        except KerasRecipesError:
            raise
        except Exception as error:  # Keras, h5py and zipfile raise many classes
            uncompiled = load_keras_file(path)
            warnings.warn(
                f"{path} is loaded without its optimizer, loss and metrics: {first_line(error)}", stacklevel=4
            )
            return uncompiled
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except KerasRecipesError:
        raise
    except Exception as error:
        raise WeightsCorrupted(f"{path} is not a model this version can open: {first_line(error)}") from error
    return check_model(model, path)


def load_weights_checked(model: Any, path: Path, changes: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Set the model's weights from a `.weights.h5` file.

    Args:
        model: The model.
        path: The file.
        changes: The changes to the recipe's configuration with which the model was built, if the file is the recipe's own.

    Raises:
        KerasRecipesError: The file does not fit a model with these changes.
        WeightsCorrupted: It is no weights file, or it belongs to another architecture.
    """
    try:
        check_heaps_of_file(path)
        model.load_weights(path)
    except Exception as error:  # Keras and h5py raise many classes
        if changes:
            settings = ", ".join(f"{name}={value!r:.40}" for name, value in changes.items())
            raise KerasRecipesError(
                f"The weights of {model.recipe.name} are for another size than with {settings}: leave the change out, or pass "
                "weights=None to start from random weights"
            ) from error
        raise WeightsCorrupted(
            f"{path} does not fit {model.name}: {first_line(error)} "
            "Load it into the recipe and configuration it was saved from (kerasrecipes show NAME), or fetch it again."
        ) from error


def check_model(model: Any, path: Path) -> Any:
    """Return a loaded model if it is one of this package's tasks and its weights are finite numbers."""
    if not hasattr(model, "recipe"):
        raise KerasRecipesError(
            f"{path} holds a {type(model).__name__} of Keras, no model of a recipe: open it with keras.saving.load_model"
        )
    check_weights(model, path)
    return model


def check_weights(model: Any, path: Path) -> None:
    """Raise `WeightsCorrupted` if weights of a model, which were read from `path`, are no finite numbers."""
    for variable in model.variables:
        if problem := describe_bad_values(variable.numpy()):
            raise WeightsCorrupted(f"{path}: the weights {variable.path} {problem}: train again, or fetch another file")
