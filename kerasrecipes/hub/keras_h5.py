"""Tensors of Keras's older `.h5` files. Links, virtual data sets and data in other files are refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import WeightsCorrupted, reader
from kerasrecipes.hub.h5_heaps import check_heaps_of_file
from kerasrecipes.utils.weight_checks import check_declared_bytes

MAX_DEPTH = 12  # groups in groups


@reader(WeightsCorrupted)
def read_keras_h5(path: str | Path) -> dict[str, np.ndarray]:
    """Return the floating-point arrays of a `.h5` file, as "LAYER.NUMBER" in the order of the layer's weights.

    The names of the weights in a layer differ between versions of Keras, and their order does not. Arrays of groups that are no
    layers of Keras have their paths.

    Raises:
        WeightsCorrupted: It is no such file, it holds links or refers to other files, or it declares more bytes than it has.
    """
    import h5py

    check_heaps_of_file(Path(path))
    with h5py.File(path, "r") as file:
        root = file["model_weights"] if isinstance(file.get("model_weights", getlink=True), h5py.HardLink) else file
        datasets = dict(walk_datasets(root, "", MAX_DEPTH))
        declared = {name: (dataset.shape, dataset.dtype.itemsize) for name, dataset in datasets.items()}
        check_declared_bytes(declared, Path(path).stat().st_size)
        tensors = {name: np.asarray(dataset[()], "float32") for name, dataset in datasets.items()}
    if not tensors:
        raise ValueError("it holds no arrays")
    return tensors


def walk_datasets(group: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the name and the data set of each floating-point array in a group."""
    import h5py

    if prefix and "weight_names" in group.attrs:  # a layer
        for number, name in enumerate(group.attrs["weight_names"]):
            item = group
            for part in (name.decode("utf-8") if isinstance(name, bytes) else str(name)).split("/"):
                item = follow_hard_link(item, part)
            if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
                yield f"{prefix.removesuffix('/')}.{number}", check_storage(item)
        return
    for name in group:
        item = follow_hard_link(group, name)
        if isinstance(item, h5py.Group):
            if not depth:
                raise ValueError(f"{prefix}{name} is a group in more than {MAX_DEPTH} groups")
            yield from walk_datasets(item, f"{prefix}{name}/", depth - 1)
        elif isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            yield f"{prefix}{name}", check_storage(item)


def follow_hard_link(group: Any, name: str) -> Any:
    """Return the member of a group, which is no soft link and in no other file."""
    import h5py

    if not isinstance(group, h5py.Group) or not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link, or is missing")
    return group[name]


def check_storage(dataset: Any) -> Any:
    """Return a data set whose values are in the file itself."""
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{dataset.name} has its values in another file")
    return dataset
