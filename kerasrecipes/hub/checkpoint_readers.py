"""The table of readers of other programs' checkpoints: each returns {name of a tensor: numpy array}."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted
from kerasrecipes.hub.caffemodel import read_caffemodel
from kerasrecipes.hub.keras_h5 import read_keras_h5
from kerasrecipes.hub.lightning_checkpoint import read_lightning_checkpoint
from kerasrecipes.hub.tf_checkpoint import read_tf_archive, read_tf_checkpoint
from kerasrecipes.hub.tflite_file import read_tflite
from kerasrecipes.hub.torch_checkpoint import read_torch_checkpoint
from kerasrecipes.utils.escaping import escape_controls
from kerasrecipes.utils.weight_checks import describe_bad_values

KERAS_WEIGHTS = ".weights.h5"  # of Keras 3, which `Model.load_weights` reads


class CheckpointReader(NamedTuple):
    """A reader of one kind of files: the ends of their names, and what they are."""

    suffixes: tuple[str, ...]
    read: Callable[[Path], dict[str, np.ndarray]]
    help: str


READERS = {
    "caffe": CheckpointReader((".caffemodel", "-weights"), read_caffemodel, "weights of Caffe"),
    "torch": CheckpointReader((".pth", ".pt"), read_torch_checkpoint, "checkpoint of PyTorch"),
    "lightning": CheckpointReader((".ckpt",), read_lightning_checkpoint, "checkpoint of PyTorch Lightning"),
    "tensorflow": CheckpointReader((".index",), read_tf_checkpoint, "checkpoint of TensorFlow, its index file"),
    "tensorflow_archive": CheckpointReader((".tar.gz", ".tgz", ".tar"), read_tf_archive, "checkpoint of TensorFlow in an archive"),
    "keras_h5": CheckpointReader((".h5", ".hdf5"), read_keras_h5, "weights or model of Keras 1 or 2"),
    "tflite": CheckpointReader((".tflite",), read_tflite, "model of TensorFlow Lite"),
}


def find_kind(path: str | Path) -> str | None:
    """Return the kind of a file by its name, or None for Keras's own `.weights.h5` and for all others."""
    name = Path(path).name.lower()
    if name.endswith(KERAS_WEIGHTS):
        return None
    return next((kind for kind, entry in READERS.items() if name.endswith(entry.suffixes)), None)


def read_checkpoint(path: str | Path, kind: str | None = None) -> dict[str, np.ndarray]:
    """Read all floating-point tensors of a file. Nothing in it is run.

    Args:
        path: File.
        kind: A key of `READERS`. Default: by the name of the file.

    Raises:
        KerasRecipesError: There is no such file or kind.
        WeightsCorrupted: The file is damaged or of another kind, or its numbers cannot be weights.
    """
    path, kind = Path(path), kind or find_kind(path)
    if kind not in READERS:
        forms = ", ".join(f"{suffix} ({entry.help})" for entry in READERS.values() for suffix in entry.suffixes)
        raise KerasRecipesError(f"{path} is no checkpoint that can be imported by its name: there are {forms}")
    if not path.is_file():
        raise KerasRecipesError(f"There is no file {path}")
    tensors = READERS[kind].read(path)
    for name, values in tensors.items():
        if problem := describe_bad_values(values):
            raise WeightsCorrupted(f"{path}: the tensor {escape_controls(name)} {problem}: fetch the file again")
    return tensors
