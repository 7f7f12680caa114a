"""Everything a run is, in one file that is either whole or not there."""

import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np


def named_variables(model: keras.Model) -> list[tuple[str, Any]]:
    """Every variable of model and optimiser, random states included, under a name that a rebuilt model gives it too."""
    own = [(f"model/{i}/{v.path}", v) for i, v in enumerate(model.variables)]
    return own + [(f"optimizer/{i}", v) for i, v in enumerate(model.optimizer.variables)]


def save_checkpoint(path: Path, model: keras.Model, state: dict[str, Any]) -> None:
    """Write all variables and the JSON-able `state`; the old file stays until the new one is complete."""
    arrays: dict[str, Any] = {
        name: to_storable(keras.ops.convert_to_numpy(v.value)) for name, v in named_variables(model)
    }
    if keras.config.backend() == "torch":  # its dropout draws from a generator of its own
        import torch

        arrays["torch/0"] = torch.get_rng_state().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        np.savez(file, state=np.array(json.dumps(state)), **{n.replace("/", "|"): a for n, a in arrays.items()})
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def to_storable(values: np.ndarray) -> np.ndarray:
    """As numpy's files can hold them: bfloat16 is no type of theirs, and exact in float32."""
    return values.astype("float32") if values.dtype.name == "bfloat16" else values


def load_checkpoint(path: Path, model: keras.Model, chance: bool = True) -> dict[str, Any]:
    """Set all variables from the file and return its state; with `chance` also torch's random numbers.

    Variables are matched by position and shape: the automatic numbers in layer names depend on what else was built.
    """
    with np.load(path) as file:
        stored = {"/".join(n.split("|")[:2]): n for n in file.files if n not in ("state", "torch|0")}
        wanted = named_variables(model)
        if len(stored) != len(wanted):
            raise ValueError(f"{path} holds {len(stored)} variables, this model and optimiser have {len(wanted)}")
        for name, variable in wanted:
            value = file[stored["/".join(name.split("/")[:2])]]
            if value.shape != tuple(variable.shape):
                raise ValueError(f"{path}: {name} has shape {value.shape}, the model wants {tuple(variable.shape)}")
            variable.assign(value)
        if chance and "torch|0" in file.files and keras.config.backend() == "torch":
            import torch

            torch.set_rng_state(torch.from_numpy(file["torch|0"]))
        return json.loads(str(file["state"]))
