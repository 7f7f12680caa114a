"""Sets of pictures: MNIST and CIFAR-10 as they are at hand, folders of classes, and batches for `model.fit`."""

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from kerasrecipes import image
from kerasrecipes.data.specs import expand_data_root, parse_spec
from kerasrecipes.errors import DataError, ImageError

CIFAR_SIZE = 32  # pixels of a CIFAR-10 picture
SPEC_HELP = "mnist:FILE, cifar10:FOLDER or folder:FOLDER, each with ?split=train or test"


def load_image_datasets(
    specs: Sequence[str], classes: Sequence[str], rule: image.ImagePreprocessing
) -> tuple[np.ndarray, np.ndarray]:
    """The pictures that words name, on the recipe's canvas, and their labels.

    Args:
        specs: `mnist:FILE` (an `.npz` with x_train, y_train, x_test, y_test, or a folder with the four official idx files),
            `cifar10:FOLDER` (sheets of tiles, or the official binary batches), `folder:FOLDER` (one folder of pictures per
            class), each with `?split=train` (default) or `?split=test`; `&part=held` takes every tenth picture, as
            ConvNetJS does to validate, `&part=kept` the others.
        classes: names, for folders. rule: of the recipe.

    Returns:
        (pictures, height, width, channels) uint8, (pictures,) int32.

    Raises:
        DataError: a word names no set, or the set lacks a file.
    """
    pictures, labels = [], []
    for spec in specs:
        kind, path, options = parse_spec(spec)
        split, part = options.pop("split", "train"), options.pop("part", None)
        if (
            kind not in READERS
            or not path
            or options
            or split not in ("train", "test")
            or part not in (None, "held", "kept")
        ):
            raise DataError(f"{spec!r} names no set of pictures: write {SPEC_HELP}")
        x, y = READERS[kind](Path(expand_data_root(path, spec)), split, classes)
        if part:
            chosen = (np.arange(len(x)) % 10 == 0) == (part == "held")
            x, y = (
                (x[chosen], y[chosen])
                if isinstance(x, np.ndarray)
                else ([p for p, c in zip(x, chosen, strict=True) if c], y[chosen])
            )
        pictures.append(np.stack([rule.resize(image.load_image(p)).astype("uint8") for p in x]))
        labels.append(np.asarray(y, "int32"))
    return np.concatenate(pictures), np.concatenate(labels)


def mnist(path: Path, split: str, classes: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Digits (pictures, 28, 28) uint8 and labels, in the canonical order."""
    if path.suffix == ".npz" and path.is_file():
        with np.load(path) as found:
            return found[f"x_{split}"], found[f"y_{split}"]
    stem = {"train": "train", "test": "t10k"}[split]
    return read_idx(path / f"{stem}-images-idx3-ubyte"), read_idx(path / f"{stem}-labels-idx1-ubyte")


def read_idx(path: Path) -> np.ndarray:
    """An array in the format of MNIST's files, packed by gzip or not."""
    packed = path.with_name(path.name + ".gz")
    if not path.exists() and not packed.exists():
        raise DataError(f"There is no {path}: MNIST is an .npz file, or a folder with the four idx files")
    content = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    return np.frombuffer(content, "uint8", offset=4 + 4 * content[3]).reshape(shape)


def cifar10(folder: Path, split: str, classes: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (pictures, 32, 32, 3) uint8 and labels: sheets of tiles with labels.npz, or the official binary batches."""
    if (folder / "labels.npz").is_file():
        with np.load(folder / "labels.npz") as labels:
            y = labels["train" if split == "train" else "test_first1000"]
        sheets = sorted(folder.glob("train_*.jpg")) if split == "train" else [folder / "test_first1000.png"]
        x = np.concatenate([split_sprite_sheet(sheet)[:1000] for sheet in sheets])
        if len(x) != len(y):
            raise DataError(f"{folder} holds {len(x)} pictures and {len(y)} labels of the split {split}")
        return x, y
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
    missing = [n for n in names if not (folder / n).is_file()]
    if missing:
        raise DataError(
            f"{folder} holds neither labels.npz nor {', '.join(missing)}: pass the folder of CIFAR-10's binary version"
        )
    rows = np.concatenate(
        [np.fromfile(folder / n, "uint8").reshape(-1, 1 + 3 * CIFAR_SIZE * CIFAR_SIZE) for n in names]
    )
    return rows[:, 1:].reshape(-1, 3, CIFAR_SIZE, CIFAR_SIZE).transpose(0, 2, 3, 1), rows[:, 0]


def split_sprite_sheet(path: Path) -> np.ndarray:
    """A sheet of tiles, row by row: (tiles, 32, 32, 3) uint8."""
    sheet = np.asarray(Image.open(path).convert("RGB"))
    rows, columns = sheet.shape[0] // CIFAR_SIZE, sheet.shape[1] // CIFAR_SIZE
    return sheet.reshape(rows, CIFAR_SIZE, columns, CIFAR_SIZE, 3).swapaxes(1, 2).reshape(-1, CIFAR_SIZE, CIFAR_SIZE, 3)


def image_folder(root: Path, split: str, classes: Sequence[str] = ()) -> tuple[list[str], np.ndarray]:
    """Paths and labels of `root/[split/]CLASS/*.png`."""
    root = root / split if (root / split).is_dir() else root
    if not root.is_dir():
        raise DataError(f"There is no folder {root}")
    found = sorted(p.name for p in root.iterdir() if p.is_dir())
    if unknown := sorted(set(found) - set(classes)):
        raise DataError(
            f"{root} has folders that are no class: {', '.join(unknown[:5])}; classes are {', '.join(list(classes)[:12])}"
        )
    try:
        listed = {name: image.list_image_files(root / name) for name in found}
    except ImageError as error:
        raise DataError(str(error)) from error
    if not listed:
        raise DataError(f"{root} holds no folders: put each class's pictures into a folder of its name")
    return [p for paths in listed.values() for p in paths], np.array(
        [list(classes).index(n) for n, paths in listed.items() for _ in paths], "int32"
    )


READERS: dict[str, Any] = {"mnist": mnist, "cifar10": cifar10, "folder": image_folder}


def prepare_fit_images(x: Any, y: Any, model: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Pictures on the canvas and label numbers from what `fit` takes, None where Keras shall take it as it is.

    Raises:
        DataError: labels of another form, or another number of labels than of pictures.
        ImageError: no pictures of the recipe, or numbers beyond their range.
    """
    rule = model.preparation
    if isinstance(x, str | Path) and y is None:
        paths, labels = image_folder(Path(x), "", model.classes)
        return np.stack([rule.resize(image.load_image(p)) for p in paths]), labels
    if isinstance(x, list | tuple) and y is not None and not (x and isinstance(x[0], dict)):
        labels = prepare_fit_labels(x, y, model)
        return np.stack([rule.resize(image.load_image(p)) for p in x]), labels
    if isinstance(x, np.ndarray) and y is not None:
        x = x[..., None] if x.ndim == 3 else x
        if x.ndim != 4 or x.shape[1:3] not in (rule.canvas, rule.size) or x.shape[-1] != rule.channels:
            raise ImageError(
                f"An array of shape {x.shape} holds no pictures of this recipe: it takes (batch, {rule.canvas[0]}, "
                f"{rule.canvas[1]}, {rule.channels}), 0 to 255; pass a list for pictures of other sizes"
            )
        labels = prepare_fit_labels(x, y, model)
        return to_uint8(x), labels
    return None


def prepare_fit_labels(pictures: Any, labels: Any, model: Any) -> np.ndarray:
    """A label number for each picture.

    Raises:
        DataError: labels of another form, or another number of labels than of pictures.
    """
    from kerasrecipes.tasks.image_classifier import encode_labels

    found = encode_labels(labels, model.classes)
    if len(found) != len(pictures):
        raise DataError(f"{len(pictures)} pictures have {len(found)} labels: give each picture one")
    return found


def to_uint8(pictures: np.ndarray) -> np.ndarray:
    """An array of pictures as uint8, 0 to 255.

    As in `image.read_image`, uint16 counts over its whole range and floats from 0 to 1; where one is greater, all floats count
    from 0 to 255, as integers do.

    Raises:
        ImageError: no numbers, or numbers beyond that.
    """
    if pictures.dtype == np.uint8 or not pictures.size:
        return pictures
    if pictures.dtype.kind not in "iuf":
        raise ImageError(f"The pictures hold {pictures.dtype}: pass uint8 (0 to 255), uint16, or floats from 0 to 1")
    lowest, highest = float(pictures.min()), float(pictures.max())
    top = 65535 if pictures.dtype == np.uint16 else 1 if pictures.dtype.kind == "f" and highest <= 1 else 255
    if not 0 <= lowest <= highest <= top:
        raise ImageError(
            f"The pictures hold numbers from {lowest:.3g} to {highest:.3g}: pass 0 to 255, or floats from 0 to 1; the network "
            "subtracts means and scales by itself"
        )
    return np.round(pictures.astype("float32") * np.float32(255 / top)).astype("uint8")


class ImageDataset(keras.utils.PyDataset):
    """Shuffled batches of pictures for `model.fit`: ((batch, height, width, channels) float32, (batch,) int32).

    Args:
        pictures: (pictures, height, width, channels) on the canvas or at the network's size. labels: (pictures,).
        rule: of the recipe. batch_size: pictures in a batch. augment: random views (shifted, mirrored), else the centre.
        shuffle: whether every pass has an order of its own. weights: (pictures,), the batches' third part, or None.
        seed: of order and views, another for every pass.
    """

    def __init__(
        self, pictures: np.ndarray, labels: np.ndarray, rule: image.ImagePreprocessing, *, batch_size: int = 32,
        augment: bool = False, shuffle: bool = True, weights: np.ndarray | None = None, seed: int = 0, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.pictures, self.labels, self.weights, self.rule = pictures, labels, weights, rule
        self.batch_size, self.augment, self.shuffle, self.seed = batch_size, augment, shuffle, seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Lay out a pass; the same number gives the same batches."""
        self.epoch = epoch
        size = len(self.pictures)
        self.order = np.random.default_rng((self.seed, epoch)).permutation(size) if self.shuffle else np.arange(size)

    def on_epoch_end(self) -> None:
        self.set_epoch(self.epoch + 1)

    def __len__(self) -> int:
        return -(-len(self.pictures) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        members = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        canvases = self.pictures[members].astype("float32")
        views = self.views(canvases, np.random.default_rng((self.seed, self.epoch, index)))
        return views, self.labels[members], *(() if self.weights is None else (self.weights[members],))

    def views(self, canvases: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One view of each: the centre, or a random place, mirrored half of the times."""
        rule = self.rule
        if canvases.shape[1:3] == rule.size and rule.canvas != rule.size:
            return canvases
        if not self.augment:
            top, left = (rule.canvas[0] - rule.size[0]) // 2, (rule.canvas[1] - rule.size[1]) // 2
            return canvases[:, top : top + rule.size[0], left : left + rule.size[1]]
        (h, w), p = rule.size, rule.pad
        padded = np.pad(canvases, ((0, 0), (p, p), (p, p), (0, 0)), constant_values=rule.fill)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (h, w), axis=(1, 2))  # (batch, y, x, channels, h, w)
        ys, xs = (rng.integers(windows.shape[i], size=len(canvases)) for i in (1, 2))
        found = windows[np.arange(len(canvases)), ys, xs].transpose(0, 2, 3, 1)
        mirrored = rng.integers(2, size=len(canvases)).astype(bool) & rule.flip
        return np.where(mirrored[:, None, None, None], found[:, :, ::-1], found)
