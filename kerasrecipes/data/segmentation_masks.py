"""Sets of pictures with a class for every pixel, and batches of them for training."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from kerasrecipes import image
from kerasrecipes.data.images import to_uint8
from kerasrecipes.data.specs import expand_data_root, parse_spec
from kerasrecipes.errors import DataError, ImageError

IGNORE_INDEX = 255
SPEC_HELP = "camvid:FILE?split=train, val or test, or masks:FOLDER"


def load_masks(specs: Sequence[str], classes: Sequence[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The pictures and masks that words name.

    Args:
        specs: `camvid:FILE` (an `.npz` with JPEG pictures and masks of the SegNet split, `?split=train`, `val` or `test`),
            `masks:FOLDER` (`pictures/NAME.*` and `masks/NAME.png`, whose pixel values are class numbers, 255 for none).
        classes: names; of CamVid labels beyond them mean "none".

    Returns:
        (height, width, 3) uint8 each, (height, width) uint8 each with 255 where no class is given.

    Raises:
        DataError: a word names no set, pictures and masks do not belong together, or a mask in a folder holds labels that
            are neither classes nor 255.
    """
    pictures: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    for spec in specs:
        kind, path, options = parse_spec(spec)
        split = options.pop("split", "train") if kind == "camvid" else ""
        if kind not in ("camvid", "masks") or not path or options:
            raise DataError(f"{spec!r} names no set of masks: write {SPEC_HELP}")
        found = (
            camvid(Path(expand_data_root(path, spec)), split)
            if kind == "camvid"
            else mask_folder(Path(expand_data_root(path, spec)))
        )
        for picture, mask, name in found:
            if picture.shape[:2] != mask.shape:
                raise DataError(f"{name}: the picture has {picture.shape[:2]} pixels, its mask {mask.shape}")
            if kind == "masks":
                check_labels(mask, classes, f"{name}: its mask holds")
            pictures.append(picture)
            masks.append(np.where(mask < len(classes), mask, IGNORE_INDEX).astype("uint8"))
    return pictures, masks


def check_labels(masks: np.ndarray, classes: Sequence[str], who: str) -> None:
    """
    Raises:
        DataError: a label is no class and not 255; begins with `who`.
    """
    unknown = np.setdiff1d(masks, [*range(len(classes)), IGNORE_INDEX])
    if unknown.size:
        raise DataError(
            f"{who} labels {unknown.tolist()[:5]}, but there are {len(classes)} classes, numbered from 0: write {IGNORE_INDEX} where a "
            "pixel has none"
        )


def prepare_fit_masks(x: Any, y: Any, model: Any) -> tuple[Any, Any] | None:
    """Pictures and masks from what a `Segmenter`'s `fit` takes, None where Keras shall take it as it is.

    Raises:
        DataError: pictures and masks of other shapes than (batch, height, width, 3) and (batch, height, width), a label that is no
            class and not 255, or what `load_masks` raises for a folder.
        ImageError: numbers of pictures beyond their range.
    """
    if isinstance(x, str | Path) and y is None:
        return load_masks([f"masks:{x}"], model.classes)
    if isinstance(x, list | tuple) and y is not None and len(x) and isinstance(x[0], np.ndarray):
        try:
            x, y = np.stack(x), np.stack(y)
        except ValueError as error:
            raise DataError(
                "The pictures of a training set have one size, and their masks too: cut or resize them first"
            ) from error
    if not isinstance(x, np.ndarray) or y is None:
        return None
    y = np.asarray(y)
    if x.ndim != 4 or x.shape[-1] != 3 or x.shape[:3] != y.shape:
        raise DataError(
            f"Pictures of shape {x.shape} and masks of shape {y.shape} do not fit: pass pictures (batch, height, width, 3) and "
            "masks (batch, height, width) with the number of a class for every pixel"
        )
    check_labels(y, model.classes, "Masks hold")
    return to_uint8(x), y.astype("uint8")


def camvid(path: Path, split: str) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """CamVid's 367, 101 or 233 pictures with masks of 11 classes, 11 for none."""
    if not path.is_file():
        raise DataError(f"There is no file {path}")
    with np.load(path) as found:
        if f"{split}_jpeg" not in found:
            raise DataError(f"{path} has no split {split}: train, val and test are those there are")
        content, at = found[f"{split}_jpeg"].tobytes(), found[f"{split}_offset"]
        names, masks = found[f"{split}_name"], found[f"{split}_mask"]
    pictures = [np.asarray(Image.open(io.BytesIO(content[a:b])).convert("RGB")) for a, b in itertools.pairwise(at)]
    return list(zip(pictures, masks, (str(n) for n in names), strict=True))


def mask_folder(root: Path) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """`root/pictures/NAME.*` with `root/masks/NAME.png`, grey or with a palette: pixel values are class numbers."""
    try:
        paths = [Path(p) for p in image.list_image_files(root / "pictures")] if (root / "pictures").is_dir() else []
    except ImageError as error:
        raise DataError(str(error)) from error
    if not paths:
        raise DataError(f"{root} holds no folder `pictures`: put NAME.jpg there and its mask into masks/NAME.png")
    found = []
    for path in paths:
        mask = root / "masks" / f"{path.stem}.png"
        if not mask.is_file():
            raise DataError(f"{path} has no mask {mask}")
        found.append((image.load_image(path), read_mask(mask), path.stem))
    return found


def read_mask(mask: Path) -> np.ndarray:
    """(height, width) uint8: the pixel values of a grey picture or one with a palette.

    Raises:
        DataError: the file is no picture, or one of colours.
    """
    try:
        with Image.open(mask) as labels:
            if labels.mode not in ("L", "P"):
                raise DataError(
                    f"{mask} holds colours ({labels.mode}): save class numbers as a grey picture or with a palette"
                )
            return np.asarray(labels)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{mask} cannot be read as a picture ({error}): save the mask again, as PNG") from error


class SegmentationDataset(keras.utils.PyDataset):
    """Shuffled batches for a `Segmenter`: ((batch, height, width, 3) float32 with margin, (batch, rows, columns) int32).

    Args:
        pictures, masks: lists of one size. model: whose margin and cells they get. batch_size: pictures in a batch.
        augment: mirror half of them, and enlarge each by a factor from 1 to 1.5 before a cut-out of the same size is taken.
        shuffle: whether every pass has an order of its own. seed: of order and changes, another for every pass.
    """

    def __init__(
        self, pictures: Sequence[np.ndarray], masks: Sequence[np.ndarray], model: Any, *, batch_size: int = 8,
        augment: bool = False, shuffle: bool = True, seed: int = 0, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if len({p.shape for p in pictures}) > 1:
            raise DataError("The pictures of a training set have one size: cut or resize them first")
        self.pictures, self.masks, self.model = pictures, masks, model
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

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        members = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        rng = np.random.default_rng((self.seed, self.epoch, index))
        pairs = [(self.pictures[i], self.masks[i]) for i in members]
        if self.augment:
            pairs = [random_flip_and_zoom(*pair, rng) for pair in pairs]
        pictures, masks = (np.stack(part) for part in zip(*pairs, strict=True))
        return self.model.preprocess(pictures), self.model.cells(masks)


def random_flip_and_zoom(
    picture: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mirrored or not, and a cut-out enlarged by a factor from 1 to 1.5."""
    height, width = mask.shape
    scale = rng.uniform(1.0, 1.5)
    h, w = height / scale, width / scale
    y, x = rng.uniform(0, height - h), rng.uniform(0, width - w)
    box = (x, y, x + w, y + h)
    large = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, box=box)
    labels = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST, box=box)
    step = -1 if rng.integers(2) else 1
    return np.asarray(large)[:, ::step], np.asarray(labels)[:, ::step]
