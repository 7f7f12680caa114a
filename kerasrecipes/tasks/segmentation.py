"""Segmentation: a class for every pixel, and the verb `segment`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from kerasrecipes import image
from kerasrecipes.errors import DataError, ImageError
from kerasrecipes.tasks.images import PictureModel

IGNORED = 255  # label of pixels that count neither in the loss nor in the scores
TILE = 512  # pixels of a picture that go through the front end at once, on each side


@dataclass(frozen=True)
class Segmentation:
    """A picture's classes.

    Args:
        mask: (height, width) uint8, numbers of `classes`. classes: their names. palette: (classes, 3) uint8.
        confidence: (height, width) float32, the probability of the class that was chosen (the model's own).
    """

    mask: np.ndarray
    classes: tuple[str, ...]
    palette: np.ndarray = field(repr=False)
    confidence: np.ndarray = field(repr=False)

    def areas(self) -> dict[str, float]:
        """Share of the picture that each class covers, largest first; classes that are not there are left out."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.classes)) / self.mask.size
        order = np.argsort(-counts, kind="stable")
        return {self.classes[i]: float(counts[i]) for i in order if counts[i] > 0}

    def colours(self) -> np.ndarray:
        """(height, width, 3) uint8: every pixel in its class's colour."""
        return self.palette[self.mask]

    def overlay(self, picture: Any, share: float = 0.5) -> np.ndarray:
        """The colours over the picture: (height, width, 3) uint8.

        Raises:
            ImageError: a picture of another size.
        """
        ground = image.read_image(picture)
        if ground.shape[:2] != self.mask.shape:
            raise ImageError(
                f"The picture has {ground.shape[1]} x {ground.shape[0]} pixels, the mask {self.mask.shape[1]} x {self.mask.shape[0]}"
            )
        return np.round((1 - share) * ground + share * self.colours()).astype("uint8")

    def __str__(self) -> str:
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in self.areas().items())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the mask is left out."""
        return {
            "width": self.mask.shape[1],
            "height": self.mask.shape[0],
            "areas": {k: round(v, 5) for k, v in self.areas().items()},
        }

    def save(self, path: str | Path) -> None:
        """The mask as a PNG with the palette: pixel values are class numbers."""
        picture = Image.fromarray(self.mask)
        picture.putpalette(self.palette.tobytes())
        partial = Path(path).with_name(f".{Path(path).name}.partial")
        picture.save(partial, format="PNG")
        partial.replace(path)


@keras.saving.register_keras_serializable("kerasrecipes")
class Segmenter(PictureModel):
    """A segmenter: pictures with a margin (batch, height, width, 3), 0 to 255 -> scores (batch, rows, columns, classes).

    `segment` takes pictures of any size; `fit` takes pictures (batch, height, width, 3) with masks (batch, height, width), 255
    where no class is given.

    Args:
        recipe: name of a registered recipe.
        classes: names of the classes, or their number; None for the recipe's own.
        config: changes to the recipe's configuration.

    Example:
        >>> found = kerasrecipes.load("dilated_camvid_small").segment("street.jpg")
        >>> found.areas(), found.overlay("street.jpg")
    """

    def __init__(self, recipe: str, classes: Any = None, config: dict | None = None, **kwargs: Any):
        super().__init__(recipe, classes, config, **kwargs)
        settings = {**self.recipe.config, **self.changes}
        self.stride = 2 ** settings["pools"]
        self.margin = margin(settings)
        self._parts: Any = None

    @property
    def palette(self) -> np.ndarray:
        """(classes, 3) uint8: the recipe's colours, for other classes evenly spread ones."""
        known = self.recipe.palette()
        return np.array([known.get(name) or spread(i) for i, name in enumerate(self.classes)], "uint8")

    # ------------------------------------------------------------------ training

    def own_loss(self) -> Any:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORED)

    def compile(self, optimizer: Any = None, loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """As Keras's; without arguments the recipe's optimiser, cross entropy over labelled cells, and no metrics."""
        super().compile(optimizer, loss, [] if metrics is None else metrics, **kwargs)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any):
        """Keras's `fit`; pictures (batch, height, width, 3), 0 to 255, with masks (batch, height, width) get their margin, and
        every cell the label at its middle."""
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and y.ndim == 3:
            x, y = self.inputs_of(x), self.cells(y)
        return super().fit(x, y, *args, **kwargs)

    def inputs_of(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures with the margin mirrored around them (arXiv 1511.07122, section 4), sides padded to whole cells."""
        down, right = (-n % self.stride for n in pictures.shape[1:3])
        m = self.margin
        around = ((0, 0), (m, m + down), (m, m + right), (0, 0))
        return np.pad(np.asarray(pictures, "float32"), around, mode="reflect")

    def cells(self, masks: np.ndarray) -> np.ndarray:
        """Labels of the cells: the pixel in the middle of each, (batch, rows, columns) int32.

        Raises:
            DataError: a label is no class and not 255.
        """
        wrong = np.setdiff1d(np.unique(masks), [*range(len(self.classes)), IGNORED])
        if len(wrong):
            raise DataError(
                f"Masks hold the labels {wrong[:5].tolist()}, but there are {len(self.classes)} classes, and {IGNORED} for none"
            )
        down, right = (-n % self.stride for n in masks.shape[1:3])
        padded = np.pad(masks.astype("int32"), ((0, 0), (0, down), (0, right)), constant_values=IGNORED)
        half = self.stride // 2
        return padded[:, half :: self.stride, half :: self.stride]

    # ------------------------------------------------------------------ segmenting

    def segment(self, pictures: Any, tile: int = TILE) -> Any:
        """A class for every pixel.

        Args:
            pictures: what `kerasrecipes.image.read_image` takes, of any size; or a list or folder of such.
            tile: side of the parts that go through the front end at once, in pixels; the result does not depend on it.

        Returns:
            A `Segmentation`; for a list or folder a list in order, where a bad picture's place holds its `ImageError`.

        Raises:
            ImageError: a single picture cannot be read.
        """
        several = image.is_list(pictures)
        found: list[Any] = []
        for source in image.expand(pictures):
            read = image.tried([source])[0]
            found.append(read if isinstance(read, ImageError) else self._segmented(read, tile))
        if several:
            return found
        if isinstance(found[0], ImageError):
            raise found[0]
        return found[0]

    def _segmented(self, picture: np.ndarray, tile: int) -> Segmentation:
        scores = self.cell_scores(picture, tile)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        probabilities = enlarge(scores / scores.sum(-1, keepdims=True), self.stride)[
            : picture.shape[0], : picture.shape[1]
        ]
        return Segmentation(probabilities.argmax(-1).astype("uint8"), self.classes, self.palette, probabilities.max(-1))

    def cell_scores(self, picture: np.ndarray, tile: int = TILE) -> np.ndarray:
        """Scores (rows, columns, classes) of one picture (height, width, 3): the front end in tiles, which change nothing, for
        none of its convolutions is padded; then the context module over all."""
        from kerasrecipes.tasks.forward import compiled

        if self._parts is None:
            names = [layer.name for layer in self.layers]
            front = self.get_layer("front" if "front" in names else "logits").output
            self._parts = Parts(
                compiled(keras.Model(self.input, front)),
                compiled(keras.Model(front, self.output)) if "front" in names else None,
            )
        padded, step = self.inputs_of(picture[None]), max(tile // self.stride, 1)
        rows, columns = ((n - 2 * self.margin) // self.stride for n in padded.shape[1:3])
        bands = []
        for top in range(0, rows, step):
            band = []
            for left in range(0, columns, step):
                high, wide = (
                    min(step, end - at) * self.stride + 2 * self.margin for end, at in ((rows, top), (columns, left))
                )
                y, x = top * self.stride, left * self.stride
                band.append(self._parts.front(padded[:, y : y + high, x : x + wide]))
            bands.append(np.concatenate(band, axis=2))
        maps = np.concatenate(bands, axis=1)
        return (self._parts.context(maps) if self._parts.context else maps)[0]


@dataclass
class Parts:
    """Compiled functions of the two halves; not a Keras model, which would become a part of this one."""

    front: Any
    context: Any


def margin(config: dict) -> int:
    """Pixels on each side of a picture that the front end needs: half of receptive field minus stride."""
    jump, field, dilation = 1, 1, 1
    for number, block in enumerate(config["blocks"], 1):
        field += 2 * dilation * jump * len(block)
        if number <= config["pools"]:
            field, jump = field + jump, 2 * jump
        else:
            dilation *= 2
    field += sum((kernel - 1) * (dilation if kernel > 1 else 1) * jump for _, kernel in config["dense"])
    return (field - jump) // 2


def enlarge(maps: np.ndarray, factor: int) -> np.ndarray:
    """Bilinear: (rows, columns, classes) -> (factor rows, factor columns, classes) float32; beyond the outer cells' middles
    their own values."""

    def along(values: np.ndarray, axis: int) -> np.ndarray:
        size = values.shape[axis]
        at = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
        low = np.minimum(at.astype(int), max(size - 2, 0))
        share = (at - low).astype("float32")
        shape = [1] * values.ndim
        shape[axis] = -1
        upper = np.take(values, np.minimum(low + 1, size - 1), axis)
        return np.take(values, low, axis) * (1 - share.reshape(shape)) + upper * share.reshape(shape)

    return along(along(maps.astype("float32"), 0), 1)


def spread(number: int) -> tuple[int, int, int]:
    """A colour for the class of that number: the bits of Pascal VOC's palette."""
    colour = [0, 0, 0]
    for k in range(8):
        for j in range(3):
            colour[j] |= ((number >> (3 * k + j)) & 1) << (7 - k)
    return colour[0], colour[1], colour[2]
