"""Batches of images for training, and what `fit` of an image model accepts."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import image
from kerasrecipes.data.class_labels import encode_labels
from kerasrecipes.data.images import image_folder
from kerasrecipes.data.keras_adapter import EpochDataset
from kerasrecipes.errors import DataError, ImageError


def prepare_fit_images(x: Any, y: Any, model: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Turn what `fit` was given into resized images and class indices, or return None for what Keras handles itself."""
    preprocessing = model.preprocessing
    if isinstance(x, str | Path) and y is None:
        paths, labels = image_folder(Path(x), "", model.classes)
        return np.stack([preprocessing.resize(image.load_image(p)) for p in paths]), labels
    if isinstance(x, list | tuple) and y is not None and not (x and isinstance(x[0], dict)):
        labels = prepare_fit_labels(x, y, model)
        return np.stack([preprocessing.resize(image.load_image(p)) for p in x]), labels
    if isinstance(x, np.ndarray) and y is not None:
        x = x[..., None] if x.ndim == 3 else x
        (height, width), channels = preprocessing.resize_to, preprocessing.channels
        if x.ndim != 4 or x.shape[1:3] not in ((height, width), preprocessing.crop_size) or x.shape[-1] != channels:
            raise ImageError(
                f"An array of shape {x.shape} holds no images of this recipe: it takes (batch, {height}, {width}, {channels}), "
                "0 to 255; pass a list for images of other sizes"
            )
        labels = prepare_fit_labels(x, y, model)
        return to_uint8(x), labels
    return None


def prepare_fit_labels(images: Any, labels: Any, model: Any) -> np.ndarray:
    """Return a class index for each image."""
    indices = encode_labels(labels, model.classes)
    if len(indices) != len(images):
        raise DataError(f"{len(images)} images have {len(indices)} labels: give each image one")
    return indices


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Scale an array of images to uint8.

    The range of uint16 is 0 to 65535 and that of floats 0 to 1, as in `image.load_image`. If a float is greater than 1, the
    range of all floats is 0 to 255, as that of integers.
    """
    if images.dtype == np.uint8 or not images.size:
        return images
    if images.dtype.kind not in "iuf":
        raise ImageError(f"The images hold {images.dtype}: pass uint8 (0 to 255), uint16, or floats from 0 to 1")
    lowest, highest = float(images.min()), float(images.max())
    top = 65535 if images.dtype == np.uint16 else 1 if images.dtype.kind == "f" and highest <= 1 else 255
    if not 0 <= lowest <= highest <= top:
        raise ImageError(
            f"The images hold numbers from {lowest:.3g} to {highest:.3g}: pass 0 to 255, or floats from 0 to 1; the network "
            "subtracts means and scales by itself"
        )
    return np.round(images.astype("float32") * np.float32(255 / top)).astype("uint8")


class BaseImageDataset(EpochDataset):
    """Batches of a fixed size in an order that depends only on the seed and the epoch."""

    def __init__(self, images: Any, batch_size: int, augment: bool, shuffle: bool, seed: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.images, self.batch_size, self.augment, self.shuffle, self.seed = images, batch_size, augment, shuffle, seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Set the order of an epoch, counted from 0."""
        self.epoch = epoch
        size = len(self.images)
        self.order = np.random.default_rng((self.seed, epoch)).permutation(size) if self.shuffle else np.arange(size)

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        return self.make_batch(self.batch_members(index), np.random.default_rng((self.seed, self.epoch, index)))

    def batch_members(self, index: int) -> np.ndarray:
        """Return the image indices of a batch."""
        return self.order[index * self.batch_size : (index + 1) * self.batch_size]

    def make_batch(self, members: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return the arrays of some images. Subclasses implement this."""
        raise NotImplementedError


class ImageDataset(BaseImageDataset):
    """Batches for an `ImageClassifier`: ((batch, height, width, channels) float32, (batch,) int32).

    Args:
        images: Images (n, height, width, channels), resized or at the network's size.
        labels: Class indices (n,).
        preprocessing: The recipe's.
        batch_size: Images in a batch. Default 32.
        augment: True for random crops, mirrored if the recipe mirrors; False (default) for the center.
        shuffle: True (default) for another order in every epoch.
        weights: Sample weights (n,), the third array of a batch, or None.
        seed: Seed of order and crops. Default 0.
        **kwargs: Arguments of `keras.utils.PyDataset`.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, preprocessing: image.ImagePreprocessing, *, batch_size: int = 32,
        augment: bool = False, shuffle: bool = True, weights: np.ndarray | None = None, seed: int = 0, **kwargs: Any,
    ):  # fmt: skip
        self.labels, self.weights, self.preprocessing = labels, weights, preprocessing
        super().__init__(images, batch_size, augment, shuffle, seed, **kwargs)

    def make_batch(self, members: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return crops, class indices and the sample weights, if there are any."""
        crops = self.augmented_crops(self.images[members].astype("float32"), rng)
        return crops, self.labels[members], *(() if self.weights is None else (self.weights[members],))

    def augmented_crops(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return one crop of each image: the center, or a random one, half of them mirrored."""
        rule = self.preprocessing
        if images.shape[1:3] == rule.crop_size and rule.resize_to != rule.crop_size:
            return images
        if not self.augment:
            y, x = (rule.resize_to[0] - rule.crop_size[0]) // 2, (rule.resize_to[1] - rule.crop_size[1]) // 2
            return images[:, y : y + rule.crop_size[0], x : x + rule.crop_size[1]]
        (h, w), p = rule.crop_size, rule.padding
        padded = np.pad(images, ((0, 0), (p, p), (p, p), (0, 0)), constant_values=rule.fill_value)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (h, w), axis=(1, 2))  # (batch, y, x, channels, h, w)
        ys, xs = (rng.integers(windows.shape[i], size=len(images)) for i in (1, 2))
        crops = windows[np.arange(len(images)), ys, xs].transpose(0, 2, 3, 1)
        mirrored = rng.integers(2, size=len(images)).astype(bool) & rule.horizontal_flip
        return np.where(mirrored[:, None, None, None], crops[:, :, ::-1], crops)
