"""Tensors of PyTorch Lightning's checkpoints, which name classes of their authors' programs. None of these is imported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import WeightsCorrupted, reader
from kerasrecipes.hub.torch_checkpoint import open_checkpoint, read_torch_checkpoint


class Ignored:
    """Stands for an object of a class or a result of a function that a file names. It keeps nothing and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def make_dictionary(*args: Any) -> dict:
    """Return an empty dictionary, which stands for `collections.defaultdict`."""
    return {}


def make_stand_in(name: str) -> Callable[..., Any]:
    """Return a new class or function that replaces the one of a name, for instance "omegaconf.dictconfig.DictConfig"."""
    return make_dictionary if name == "collections.defaultdict" else type("Ignored", (Ignored,), {})


@reader(WeightsCorrupted)
def read_lightning_checkpoint(path: str | Path) -> dict[str, np.ndarray]:
    """Return all tensors of a checkpoint, as `read_torch_checkpoint` does, where it also holds settings of the training.

    Settings are objects of the authors' classes. Each class and function that the file names is replaced by `Ignored`, so that
    nothing is imported or called.

    Raises:
        WeightsCorrupted: It is no such file.
        KerasRecipesError: torch is not installed, or is too old to read strangers' files.
    """
    try:
        from torch import serialization
    except ImportError:
        return read_torch_checkpoint(path)  # which says what to install
    if not hasattr(serialization, "get_unsafe_globals_in_checkpoint"):
        return read_torch_checkpoint(path)
    with open_checkpoint(path) as source:
        names = serialization.get_unsafe_globals_in_checkpoint(source)
    with serialization.safe_globals([(make_stand_in(name), name) for name in names]):
        return read_torch_checkpoint(path)
