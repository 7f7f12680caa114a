"""Checkpoints: all variables of a run and its state in one file."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import DataError, convert_errors
from kerasrecipes.utils.files import atomic_write
from kerasrecipes.utils.npz_arrays import open_npz

SAME_CONFIGURATION = "continue with the configuration that the run was started with (its run.json)"


def named_variables(model: keras.Model) -> list[tuple[str, Any]]:
    """Return every variable of model and optimizer, random states included, with a name that begins with its position."""
    variables = [(f"model/{i}/{v.path}", v) for i, v in enumerate(model.variables)]
    return variables + [(f"optimizer/{i}", v) for i, v in enumerate(model.optimizer.variables)]


def save_checkpoint(path: Path, model: keras.Model, state: dict[str, Any]) -> None:
    """Write all variables and the state, a dict of JSON values."""
    arrays: dict[str, Any] = {
        name: to_storable(keras.ops.convert_to_numpy(v.value)) for name, v in named_variables(model)
    }
    if keras.config.backend() == "torch":  # its dropout uses torch's own random generator
        import torch

        arrays["torch/0"] = torch.get_rng_state().numpy()
    arrays = {"state": np.array(json.dumps(state)), **{n.replace("/", "|"): a for n, a in arrays.items()}}
    atomic_write(path, lambda file: np.savez(file, **arrays), durable=True)


def read_stamp(path: Path) -> tuple[int, ...] | None:
    """Return numbers that change whenever the file is written, None if there is no file."""
    if not path.exists():
        return None
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def to_storable(values: np.ndarray) -> np.ndarray:
    """Return bfloat16, which numpy's files cannot hold, as float32, which is exact."""
    return values.astype("float32") if values.dtype.name == "bfloat16" else values


def load_checkpoint(path: Path, model: keras.Model) -> dict[str, Any]:
    """Set all variables and torch's random state from the file, and return the run's state.

    Variables are matched by position and shape, because the numbers in automatic layer names depend on what else was built.

    Raises:
        DataError: The file is damaged, or belongs to another model.
    """
    with convert_errors(DataError, path), open_npz(path) as file:
        arrays = {"/".join(n.split("|")[:2]): n for n in file if n not in ("state", "torch|0")}
        variables = named_variables(model)
        if len(arrays) != len(variables):
            raise DataError(
                f"{path} holds {len(arrays)} variables, this model and optimizer have {len(variables)}: {SAME_CONFIGURATION}"
            )
        for name, variable in variables:
            value = file[arrays["/".join(name.split("/")[:2])]]
            if value.shape != tuple(variable.shape):
                raise DataError(
                    f"{path}: {name} has shape {value.shape}, the model has {tuple(variable.shape)}: {SAME_CONFIGURATION}"
                )
            variable.assign(value)
        if "torch|0" in file and keras.config.backend() == "torch":
            import torch

            torch.set_rng_state(torch.from_numpy(file["torch|0"]))
        state = json.loads(str(file["state"]))
        if not isinstance(state, dict):
            raise DataError(f"{path} holds no state of a run: start the training again, without --resume")
        return state
