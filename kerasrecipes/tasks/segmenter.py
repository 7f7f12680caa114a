"""Segmentation: a class for every pixel, and the verb `segment`."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasrecipes.data.segmentation_masks import IGNORE_INDEX, SegmentationDataset, check_labels, prepare_fit_masks
from kerasrecipes.errors import DataError
from kerasrecipes.inference.image_segmentation import TILE_SIZE, ImageSegmentationMixin
from kerasrecipes.tasks.image_classifier import ImageModel, bind_arguments


@keras.saving.register_keras_serializable("kerasrecipes")
class Segmenter(ImageSegmentationMixin, ImageModel):
    """A segmenter: pictures with a margin (batch, height, width, 3), 0 to 255 -> scores (batch, rows, columns, classes).

    `segment` takes pictures of any size; `fit` and `evaluate` take pictures (batch, height, width, 3) with masks (batch, height,
    width), 255 where no class is given, or a folder of both.

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
        if len(self.classes) > IGNORE_INDEX:
            raise DataError(
                f"{len(self.classes)} classes: masks have 8 bits, and {IGNORE_INDEX} is for no class; {IGNORE_INDEX} at most"
            )
        settings = {**self.recipe.config, **self.changes}
        self.stride = 2 ** settings["pools"]
        self.margin = context_margin(settings)
        self._parts: Any = None

    @property
    def palette(self) -> np.ndarray:
        """(classes, 3) uint8: the recipe's colours, for other classes evenly spread ones."""
        known = self.recipe.palette()
        return np.array([known.get(name) or voc_color(i) for i, name in enumerate(self.classes)], "uint8")

    @property
    def front_end_head(self) -> keras.Layer:
        """The front end's layer of scores: `front`, or `logits` where no context module follows."""
        return self.get_layer("front" if any(layer.name == "front" for layer in self.layers) else "logits")

    # ------------------------------------------------------------------ training

    default_batch_size = 8

    def default_loss(self) -> Any:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORE_INDEX)

    def compile(self, optimizer: Any = None, loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """As Keras's; without arguments the recipe's optimiser, cross entropy over labelled cells, and no metrics."""
        super().compile(optimizer, loss, [] if metrics is None else metrics, **kwargs)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *args: Any,
        augment: bool = False,
        **kwargs: Any,
    ):
        """Keras's `fit`; also takes a folder of pictures and masks. Pictures get their margin, and every cell the label at its
        middle, those of `validation_data` too.

        Args:
            x: an array of pictures (batch, height, width, 3), 0 to 255, or floats from 0 to 1; a folder with `pictures/NAME.*` and
                `masks/NAME.png`, all of one size; or anything Keras takes: a `tf.data.Dataset` must already give
                `model.preprocess(pictures)` and `model.cells(masks)`.
            y: an array of masks (batch, height, width) of class numbers, 255 where a pixel has none.
            batch_size: default 8.
            augment: mirror and enlarge pictures at random, otherwise in every pass and call; `keras.utils.set_random_seed` fixes it.

        Raises:
            DataError: pictures and masks do not belong together, a label is no class and not 255, or pictures have weights.
            ImageError: numbers of pictures beyond their range.
        """
        return super().fit(x, y, batch_size, *args, augment=augment, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any, **kwargs: Any):
        """Keras's `evaluate`, on what `fit` takes; raises what it raises."""
        size, evaluate = batch_size or self.default_batch_size, super().evaluate
        asked, found = bind_arguments(evaluate, None, None, None, *args, **kwargs), self.arrays(x, y)
        if found is None:
            return evaluate(**asked | {"x": x, "y": y, "batch_size": size})
        batches = self.batches(*found, batch_size=size, shuffle=False, weights=asked.pop("sample_weight", None))
        return evaluate(**asked | {"x": batches})

    def arrays(self, x: Any, y: Any) -> Any:
        return prepare_fit_masks(x, y, self)

    def batches(self, pictures: Any, masks: Any, *, weights: Any = None, **options: Any) -> Any:
        if weights is not None:
            raise DataError("sample_weight is not for masks: give pixels that shall not count the label 255")
        return SegmentationDataset(pictures, masks, self, **options)

    def prepare_validation(self, data: Any, batch_size: int) -> Any:
        """Batches in order."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        found = self.arrays(x, y)
        return data if found is None else self.batches(*found, batch_size=batch_size, shuffle=False, weights=weights)

    def cells(self, masks: np.ndarray) -> np.ndarray:
        """Labels of the cells: the pixel in the middle of each, (batch, rows, columns) int32.

        Raises:
            DataError: a label is no class and not 255.
        """
        check_labels(masks, self.classes, "Masks hold")
        down, right = (-n % self.stride for n in masks.shape[1:3])
        padded = np.pad(masks.astype("int32"), ((0, 0), (0, down), (0, right)), constant_values=IGNORE_INDEX)
        half = self.stride // 2
        return padded[:, half :: self.stride, half :: self.stride]

    # ------------------------------------------------------------------ segmenting

    def predict_logits(self, picture: np.ndarray, tile: int = TILE_SIZE) -> np.ndarray:
        """Scores (rows, columns, classes) of one picture (height, width, 3): the front end in tiles, which change nothing, for
        none of its convolutions is padded; then the context module over all."""
        from kerasrecipes.inference.compiled import compile_forward

        if self._parts is None:
            front = self.front_end_head.output
            behind = front is not self.output
            self._parts = CompiledStages(
                compile_forward(keras.Model(self.input, front)),
                compile_forward(keras.Model(front, self.output)) if behind else None,
            )
        padded, step = self.pad_context(picture[None]), max(tile // self.stride, 1)
        rows, columns = ((n - 2 * self.margin) // self.stride for n in padded.shape[1:3])
        bands = []
        for top in range(0, rows, step):
            band = []
            for left in range(0, columns, step):
                high, wide = (
                    min(step, end - at) * self.stride + 2 * self.margin for end, at in ((rows, top), (columns, left))
                )
                y, x = top * self.stride, left * self.stride
                band.append(self._parts.front(padded[:, y : y + high, x : x + wide].astype("float32")))
            bands.append(np.concatenate(band, axis=2))
        maps = np.concatenate(bands, axis=1)
        return (self._parts.context(maps) if self._parts.context else maps)[0]


@dataclass
class CompiledStages:
    """Compiled functions of the two halves; not a Keras model, which would become a part of this one."""

    front: Any
    context: Any


def context_margin(config: dict) -> int:
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


def voc_color(number: int) -> tuple[int, int, int]:
    """A colour for the class of that number: the bits of Pascal VOC's palette."""
    colour = [0, 0, 0]
    for k in range(8):
        for j in range(3):
            colour[j] |= ((number >> (3 * k + j)) & 1) << (7 - k)
    return colour[0], colour[1], colour[2]
