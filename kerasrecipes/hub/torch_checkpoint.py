"""Tensors of PyTorch's checkpoints, without running anything that a file names."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, reader

MIN_VERSION = (2, 6)  # before, weights_only=True let some files run code
MAX_DEPTH = 8  # dictionaries in dictionaries


@reader(WeightsCorrupted)
def read_torch_checkpoint(path: str | Path) -> dict[str, np.ndarray]:
    """Return all tensors of a file of `torch.save`, by their keys joined with dots.

    The entry `state_dict`, if there is one, is read alone.

    Raises:
        WeightsCorrupted: It is no such file, or it holds objects other than tensors, numbers and texts.
        KerasRecipesError: torch is not installed, or is too old to read strangers' files.
    """
    try:
        import torch
    except ImportError as error:
        raise KerasRecipesError(f"{path} is a file of PyTorch: pip install torch to read it") from error
    version = tuple(int(number) for number in torch.__version__.split(".")[:2])
    if version < MIN_VERSION:
        raise KerasRecipesError(f"torch {torch.__version__} can run code of a file: pip install 'torch>=2.6' to read {path}")
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    tensors = dict(walk_tensors(content, "", MAX_DEPTH))
    if not tensors:
        raise ValueError("it holds no tensors")
    return tensors


def walk_tensors(value: Any, name: str, depth: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the values of each tensor in nested dictionaries."""
    import torch

    if isinstance(value, torch.Tensor):
        if value.layout is torch.strided and value.is_floating_point():
            yield name, value.detach().to(torch.float32).numpy()
    elif isinstance(value, Mapping) and depth:
        for key, item in value.items():
            yield from walk_tensors(item, f"{name}.{key}" if name else str(key), depth - 1)
