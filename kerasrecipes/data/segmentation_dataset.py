"""Batches of images and masks for training, and what `fit` of a segmenter accepts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes.data.image_dataset import BaseImageDataset, to_uint8
from kerasrecipes.data.segmentation_masks import (
    check_labels,
    check_mask_values,
    check_unlabeled_pixels,
    count_mask_values,
    load_masks,
    replace_mask_values,
)
from kerasrecipes.errors import DataError


def prepare_fit_masks(
    x: Any, y: Any, model: Any, mask_values: Mapping[int, int] | None = None
) -> tuple[Any, Any] | None:
    """Turn what `fit` was given into images and masks, or return None for what Keras handles itself."""
    if isinstance(x, str | Path) and y is None:
        return load_masks([f"masks:{x}"], model.classes, mask_values)
    if isinstance(x, list | tuple) and y is not None and len(x) and isinstance(x[0], np.ndarray):
        try:
            x, y = np.stack(x), np.stack(y)
        except ValueError as error:
            raise DataError(
                "All images of a training set must have one size, and so must their masks: cut or resize them first"
            ) from error
    if not isinstance(x, np.ndarray) or y is None:
        if mask_values:
            raise DataError(
                "mask_values works on folders and arrays: replace the values before model.downsample_labels"
            )
        return None
    y = np.asarray(y)
    if x.ndim != 4 or x.shape[-1] != 3 or x.shape[:3] != y.shape:
        raise DataError(
            f"Images of shape {x.shape} and masks of shape {y.shape} do not fit: pass images (batch, height, width, 3) and "
            "masks (batch, height, width) with a class number for every pixel"
        )
    values = check_mask_values(mask_values, model.classes)
    y = replace_mask_values(y, values)
    check_labels(y, model.classes, "Masks hold")
    y = y.astype("uint8")
    check_unlabeled_pixels([count_mask_values(m) for m in y], [f"number {i}" for i in range(len(y))], values)
    return to_uint8(x), y


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
            raise DataError(
                "All images of a training set must have one size: cut or resize them first, or add ?size=WIDTHxHEIGHT to --data"
            )
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
