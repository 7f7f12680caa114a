"""Tensors of TensorFlow's checkpoints, also in archives. No graph is run."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, reader
from kerasrecipes.hub.tar_checkpoint import unpack_checkpoint
from kerasrecipes.utils.weight_checks import check_declared_bytes


def import_tensorflow(path: str | Path) -> Any:
    try:
        import tensorflow
    except ImportError as error:
        raise KerasRecipesError(f"{path} is a file of TensorFlow: pip install tensorflow-cpu to read it") from error
    return tensorflow


@reader(WeightsCorrupted)
def read_tf_checkpoint(path: str | Path) -> dict[str, np.ndarray]:
    """Return the floating-point variables of a checkpoint of TensorFlow 1 or 2.

    Args:
        path: The checkpoint's prefix, or its `.index` file.

    Raises:
        WeightsCorrupted: It is no checkpoint, or its index names more bytes than its files have.
        KerasRecipesError: TensorFlow is not installed.
    """
    return read_variables(import_tensorflow(path), Path(str(path).removesuffix(".index")))


@reader(WeightsCorrupted)
def read_tf_archive(path: str | Path) -> dict[str, np.ndarray]:
    """Return the floating-point variables of the checkpoint in a tar file, which is unpacked into a temporary folder.

    Raises:
        WeightsCorrupted: It holds no checkpoint, several, links, or more bytes than its size allows, or it is damaged.
        KerasRecipesError: TensorFlow is not installed.
    """
    tensorflow = import_tensorflow(path)
    with tempfile.TemporaryDirectory(prefix="kerasrecipes-") as folder:
        return read_variables(tensorflow, unpack_checkpoint(path, Path(folder)))


def read_variables(tensorflow: Any, prefix: Path) -> dict[str, np.ndarray]:
    """Return the floating-point variables of a checkpoint.

    Raises:
        ValueError: Its index names more bytes than its files have.
        tensorflow.errors.OpError: It is no checkpoint.
    """
    stored = tensorflow.train.load_checkpoint(str(prefix))
    types = stored.get_variable_to_dtype_map()
    shapes = {n: s for n, s in stored.get_variable_to_shape_map().items() if types[n].is_floating}
    available = sum(file.stat().st_size for file in prefix.parent.glob(f"{prefix.name}.data-*"))
    check_declared_bytes({name: (shape, types[name].size) for name, shape in shapes.items()}, available)
    return {name: np.asarray(stored.get_tensor(name), "float32") for name in sorted(shapes)}
