"""Tensors of PyTorch's checkpoints, without running anything that a file names."""

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, reader
from kerasrecipes.utils.weight_checks import check_declared_bytes

ZIP_MAGIC = b"PK\3\4"
MIN_VERSION = (2, 6)  # before, weights_only=True let some files run code
MAX_DEPTH = 8  # dictionaries in dictionaries


class CappedFile(io.BufferedReader):
    """A file that is never asked for more bytes than are left. Memory is taken for as many as a read asks for."""

    def read(self, size: int | None = -1) -> bytes:
        left = max(os.fstat(self.fileno()).st_size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


@contextmanager
def open_checkpoint(path: str | Path) -> Iterator[Path | CappedFile]:
    """Yield what torch may read: the path of an archive whose members are as large as they say, or another open file.

    Raises:
        ValueError: The members of an archive are much larger than the file.
        zipfile.BadZipFile: The archive is damaged.
    """
    with CappedFile(io.FileIO(path)) as file:
        if file.peek(4)[:4] != ZIP_MAGIC:
            yield file
            return
    with zipfile.ZipFile(path) as archive:
        sizes = {str(number): ((member.file_size,), 1) for number, member in enumerate(archive.infolist())}
    check_declared_bytes(sizes, Path(path).stat().st_size)
    yield Path(path)


@reader(WeightsCorrupted)
def read_torch_checkpoint(path: str | Path) -> dict[str, np.ndarray]:
    """Return all tensors of a file of `torch.save`, by their keys joined with dots.

    The entry `state_dict`, if there is one, is read alone.

    Raises:
        WeightsCorrupted: It is no such file, it holds objects other than tensors, numbers and texts, or it declares more bytes than
            it has.
        KerasRecipesError: torch is not installed, or is too old to read strangers' files.
    """
    try:
        import torch
    except ImportError as error:
        raise KerasRecipesError(f"{path} is a file of PyTorch: pip install torch to read it") from error
    version = tuple(int(number) for number in torch.__version__.split(".")[:2])
    if version < MIN_VERSION:
        raise KerasRecipesError(f"torch {torch.__version__} can run code of a file: pip install 'torch>=2.6' to read {path}")
    with open_checkpoint(path) as source:
        content = torch.load(source, map_location="cpu", weights_only=True)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    tensors = dict(walk_tensors(content, "", MAX_DEPTH, set()))
    if not tensors:
        raise ValueError("it holds no tensors")
    sizes = {name: (tuple(tensor.shape), tensor.element_size()) for name, tensor in tensors.items()}
    check_declared_bytes(sizes, Path(path).stat().st_size)  # strides can repeat one number
    return {name: tensor.detach().to(torch.float32).numpy() for name, tensor in tensors.items()}


def walk_tensors(value: Any, name: str, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield the name and the tensor of each floating-point tensor in nested dictionaries.

    Args:
        value: A tensor, a dictionary, or something else.
        name: Keys of the dictionaries around it, joined with dots.
        depth: Number of dictionaries in dictionaries that are looked into.
        seen: Identities of the dictionaries that were looked into, each of which is read once.
    """
    import torch

    if isinstance(value, torch.Tensor):
        if value.layout is torch.strided and value.is_floating_point():
            yield name, value
    elif isinstance(value, Mapping) and depth and id(value) not in seen:
        seen.add(id(value))
        for key, item in value.items():
            yield from walk_tensors(item, f"{name}.{key}" if name else str(key), depth - 1, seen)
