"""Image data sets: MNIST, CIFAR-10 and class folders."""

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import image
from kerasrecipes.data.specs import list_forms, parse_spec
from kerasrecipes.errors import DataError, ImageError, reader
from kerasrecipes.utils.npz_arrays import open_npz

CIFAR_SIZE = 32  # height and width of a CIFAR-10 image


def load_image_datasets(
    specs: Sequence[str], classes: Sequence[str], preprocessing: image.ImagePreprocessing
) -> tuple[np.ndarray, np.ndarray]:
    """Load and join image sets, resized as the recipe resizes: images (n, height, width, channels) uint8 and class indices (n,) int32.

    Each specification takes `?split=NAME`, by default the training split. `&part=held` takes every tenth image, as ConvNetJS does to
    validate, and `&part=kept` the others. `classes` are the class names of the model.
    """
    sources, labels = [], []
    for spec in specs:
        x, y = read_image_set(spec, classes)
        sources += list(x)
        labels.append(np.asarray(y, "int32"))
    if not sources:
        raise DataError(f"{', '.join(specs)} holds no image")
    first = preprocessing.resize(image.load_image(sources[0]))
    images = np.empty((len(sources), *first.shape), "uint8")  # filled in place: ImageNet's validation images take 10 GB
    for i, source in enumerate(sources):
        images[i] = preprocessing.resize(image.load_image(source)).astype("uint8")
    return images, np.concatenate(labels)


def read_image_set(spec: str, classes: Sequence[str]) -> tuple[Sequence[Any], np.ndarray]:
    """Return the images or their paths, and the class indices, of one set. `classes` are the class names of the model."""
    reader, path, options, shared = parse_spec(spec, "images")
    splits, part = reader.options["split"].split("|"), shared.get("part")
    split = options.get("split", splits[0])
    if split not in splits or part not in (None, "held", "kept"):
        raise DataError(f"{spec!r} names no image set: write {list_forms('images')}")
    x, y = reader.read(Path(path), split, classes)
    if not part:
        return x, y
    members = np.flatnonzero((np.arange(len(x)) % 10 == 0) == (part == "held"))
    return [x[i] for i in members], y[members]


@reader(DataError)
def mnist(path: Path, split: str, classes: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Read MNIST's digits (n, 28, 28) uint8 and labels (n,) in the canonical order."""
    if path.suffix == ".npz" and path.is_file():
        with open_npz(path) as arrays:
            return arrays[f"x_{split}"], arrays[f"y_{split}"]
    stem = {"train": "train", "test": "t10k"}[split]
    return read_idx(path / f"{stem}-images-idx3-ubyte"), read_idx(path / f"{stem}-labels-idx1-ubyte")


def read_idx(path: Path) -> np.ndarray:
    """Read an array from a file in MNIST's format. The file may be compressed by gzip."""
    compressed = path.with_name(path.name + ".gz")
    if not path.exists() and not compressed.exists():
        raise DataError(f"There is no {path}: MNIST is an .npz file, or a folder with the four idx files")
    content = path.read_bytes() if path.exists() else gzip.decompress(compressed.read_bytes())
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    return np.frombuffer(content, "uint8", offset=4 + 4 * content[3]).reshape(shape)


@reader(DataError)
def cifar10(folder: Path, split: str, classes: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Read CIFAR-10's images (n, 32, 32, 3) uint8 and labels (n,): sprite sheets with labels.npz, or the binary batches."""
    if (folder / "labels.npz").is_file():
        with open_npz(folder / "labels.npz") as labels:
            y = labels["train" if split == "train" else "test_first1000"]
        sheets = sorted(folder.glob("train_*.jpg")) if split == "train" else [folder / "test_first1000.png"]
        x = np.concatenate([split_sprite_sheet(sheet)[:1000] for sheet in sheets])
        if len(x) != len(y):
            raise DataError(f"{folder} holds {len(x)} images and {len(y)} labels of the split {split}")
        return x, y
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
    if missing := [n for n in names if not (folder / n).is_file()]:
        raise DataError(
            f"{folder} holds neither labels.npz nor {', '.join(missing)}: pass the folder of CIFAR-10's binary version"
        )
    size = 1 + 3 * CIFAR_SIZE * CIFAR_SIZE
    rows = np.concatenate([np.fromfile(folder / n, "uint8").reshape(-1, size) for n in names])
    return rows[:, 1:].reshape(-1, 3, CIFAR_SIZE, CIFAR_SIZE).transpose(0, 2, 3, 1), rows[:, 0]


def split_sprite_sheet(path: Path) -> np.ndarray:
    """Cut a sprite sheet into its tiles, row by row: (tiles, 32, 32, 3) uint8."""
    sheet = image.load_image(path)
    rows, columns = sheet.shape[0] // CIFAR_SIZE, sheet.shape[1] // CIFAR_SIZE
    return sheet.reshape(rows, CIFAR_SIZE, columns, CIFAR_SIZE, 3).swapaxes(1, 2).reshape(-1, CIFAR_SIZE, CIFAR_SIZE, 3)


@reader(DataError)
def image_folder(root: Path, split: str, classes: Sequence[str] = ()) -> tuple[list[str], np.ndarray]:
    """List the paths and labels of `root/[split/]CLASS/*.png`."""
    root = root / split if (root / split).is_dir() else root
    if not root.is_dir():
        raise DataError(f"There is no folder {root}")
    names = list_class_folders(root)
    if unknown := sorted(set(names) - set(classes)):
        raise DataError(
            f"{root} has folders that are no class: {', '.join(unknown[:5])}; classes are {', '.join(list(classes)[:12])}"
        )
    if not names:
        raise DataError(f"{root} holds no folders: put each class's images into a folder of its name")
    try:
        paths = {name: image.list_image_files(root / name) for name in names}
    except ImageError as error:
        raise DataError(str(error)) from error
    labels = [list(classes).index(name) for name in names for _ in paths[name]]
    return [path for name in names for path in paths[name]], np.array(labels, "int32")


def list_class_folders(root: Path, split: str = "") -> list[str]:
    """Return the names of the folders of `root`, or of its folder of this split, which are class names; none for a file."""
    root = root / split if (root / split).is_dir() else root
    return sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
