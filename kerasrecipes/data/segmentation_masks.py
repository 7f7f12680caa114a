"""Segmentation data sets: images with a class for every pixel, and batches of them for training."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes import image
from kerasrecipes.data.image_dataset import BaseImageDataset, to_uint8
from kerasrecipes.data.specs import parse_spec
from kerasrecipes.errors import DataError, ImageError, reader

IGNORE_INDEX = 255  # mask value of pixels without a class


def load_masks(specs: Sequence[str], classes: Sequence[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Load and join sets: images (height, width, 3) uint8 and masks (height, width) uint8 with 255 for pixels without class.

    CamVid's labels beyond `classes` count as "no class". In masks of a folder they raise `DataError`.
    """
    images: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    for spec in specs:
        reader, path, options, _ = parse_spec(spec, "masks")
        for pixels, mask, name in reader.read(Path(path), **options):
            if pixels.shape[:2] != mask.shape:
                raise DataError(f"{name}: the image has {pixels.shape[:2]} pixels, its mask {mask.shape}")
            if spec.startswith("masks:"):
                check_labels(mask, classes, f"{name}: its mask holds")
            images.append(pixels)
            masks.append(np.where(mask < len(classes), mask, IGNORE_INDEX).astype("uint8"))
    return images, masks


def check_labels(masks: np.ndarray, classes: Sequence[str], subject: str) -> None:
    """Check that all values of masks are classes or 255. The error message begins with `subject`."""
    unknown = np.setdiff1d(masks, [*range(len(classes)), IGNORE_INDEX])
    if unknown.size:
        raise DataError(
            f"{subject} labels {unknown.tolist()[:5]}, but there are {len(classes)} classes, numbered from 0: write {IGNORE_INDEX} "
            "where a pixel has none"
        )


def prepare_fit_masks(x: Any, y: Any, model: Any) -> tuple[Any, Any] | None:
    """Turn what `fit` was given into images and masks, or return None for what Keras handles itself."""
    if isinstance(x, str | Path) and y is None:
        return load_masks([f"masks:{x}"], model.classes)
    if isinstance(x, list | tuple) and y is not None and len(x) and isinstance(x[0], np.ndarray):
        try:
            x, y = np.stack(x), np.stack(y)
        except ValueError as error:
            raise DataError(
                "All images of a training set must have one size, and so must their masks: cut or resize them first"
            ) from error
    if not isinstance(x, np.ndarray) or y is None:
        return None
    y = np.asarray(y)
    if x.ndim != 4 or x.shape[-1] != 3 or x.shape[:3] != y.shape:
        raise DataError(
            f"Images of shape {x.shape} and masks of shape {y.shape} do not fit: pass images (batch, height, width, 3) and "
            "masks (batch, height, width) with a class number for every pixel"
        )
    check_labels(y, model.classes, "Masks hold")
    return to_uint8(x), y.astype("uint8")


@reader(DataError)
def camvid(path: Path, split: str = "train") -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Read CamVid's 367, 101 or 233 images, masks (11 classes, and 11 for none) and names of the SegNet split."""
    if not path.is_file():
        raise DataError(f"There is no file {path}")
    with np.load(path) as arrays:
        if f"{split}_jpeg" not in arrays:
            raise DataError(f"{path} has no split {split}: its splits are train, val and test")
        content, offsets = arrays[f"{split}_jpeg"].tobytes(), arrays[f"{split}_offset"]
        names, masks = arrays[f"{split}_name"], arrays[f"{split}_mask"]
    images = [np.asarray(Image.open(io.BytesIO(content[a:b])).convert("RGB")) for a, b in itertools.pairwise(offsets)]
    return list(zip(images, masks, (str(n) for n in names), strict=True))


@reader(DataError)
def mask_folder(root: Path) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Read `root/images/NAME.*` with `root/masks/NAME.png`, gray or with a palette."""
    try:
        paths = [Path(p) for p in image.list_image_files(root / "images")] if (root / "images").is_dir() else []
    except ImageError as error:
        raise DataError(str(error)) from error
    if not paths:
        raise DataError(f"{root} holds no folder `images`: put NAME.jpg there and its mask into masks/NAME.png")
    items = []
    for path in paths:
        mask = root / "masks" / f"{path.stem}.png"
        if not mask.is_file():
            raise DataError(f"{path} has no mask {mask}")
        items.append((image.load_image(path), read_mask(mask), path.stem))
    return items


def read_mask(path: Path) -> np.ndarray:
    """Read the pixel values of a gray image or one with a palette, (height, width) uint8."""
    try:
        with Image.open(path) as mask:
            if mask.mode not in ("L", "P"):
                raise DataError(
                    f"{path} holds colors ({mask.mode}): save class numbers as a gray image or with a palette"
                )
            return np.asarray(mask)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an image ({error}): save the mask again, as PNG") from error


class SegmentationDataset(BaseImageDataset):
    """Batches for a `Segmenter`: ((batch, height, width, 3) float32 with margin, (batch, rows, columns) int32).

    Args:
        images: Images of one size.
        masks: Masks of that size.
        model: Segmenter that pads images and downsamples masks.
        batch_size: Images in a batch. Default 8.
        augment: True to mirror half of the images and to enlarge each crop by a factor from 1 to 1.5. Default False.
        shuffle: True (default) for another order in every epoch.
        seed: Seed of order and augmentation. Default 0.
        **kwargs: Arguments of `keras.utils.PyDataset`.
    """

    def __init__(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray], model: Any, *, batch_size: int = 8,
        augment: bool = False, shuffle: bool = True, seed: int = 0, **kwargs: Any,
    ):  # fmt: skip
        if len({i.shape for i in images}) > 1:
            raise DataError("All images of a training set must have one size: cut or resize them first")
        self.masks, self.model = masks, model
        super().__init__(images, batch_size, augment, shuffle, seed, **kwargs)

    def make_batch(self, members: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the network's inputs, and class indices at its output resolution."""
        pairs = [(self.images[i], self.masks[i]) for i in members]
        if self.augment:
            pairs = [random_flip_and_zoom(*pair, rng) for pair in pairs]
        images, masks = (np.stack(part) for part in zip(*pairs, strict=True))
        return self.model.preprocess(images), self.model.downsample_labels(masks)


def random_flip_and_zoom(
    pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mirror half of the images, and enlarge a random crop by a factor from 1 to 1.5 to the image's size."""
    height, width = mask.shape
    scale = rng.uniform(1.0, 1.5)
    h, w = height / scale, width / scale
    y, x = rng.uniform(0, height - h), rng.uniform(0, width - w)
    box = (x, y, x + w, y + h)
    zoomed = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR, box=box)
    labels = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST, box=box)
    step = -1 if rng.integers(2) else 1
    return np.asarray(zoomed)[:, ::step], np.asarray(labels)[:, ::step]
