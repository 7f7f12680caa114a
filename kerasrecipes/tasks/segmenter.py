"""Segmentation: a class for every pixel, and the verb `segment`."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasrecipes.data.segmentation_dataset import SegmentationDataset, prepare_fit_masks
from kerasrecipes.data.segmentation_masks import IGNORE_INDEX, check_labels
from kerasrecipes.errors import DataError
from kerasrecipes.image import load_image
from kerasrecipes.inference.image_segmentation import TILE_SIZE, ImageSegmentationMixin, find_cell_offset
from kerasrecipes.tasks.image_classifier import ImageModel, bind_arguments


@keras.saving.register_keras_serializable("kerasrecipes")
class Segmenter(ImageSegmentationMixin, ImageModel):
    """A segmenter: images with context (batch, height, width, 3), 0 to 255 -> logits (batch, rows, columns, classes).

    `segment` takes images of any size. `fit` and `evaluate` take images (batch, height, width, 3) with masks (batch, height,
    width), 255 where a pixel has no class, or a folder of both.

    Args:
        recipe: Name of a registered recipe.
        classes: Names of the classes, or their number. None for the recipe's own.
        config: Changes to the recipe's configuration.

    Example:
        >>> segmentation = kerasrecipes.load("dilated_camvid_small").segment("street.jpg")
        >>> segmentation.class_areas(), segmentation.overlay("street.jpg")
    """

    default_batch_size = 8
    default_metrics = ()

    def __init__(self, recipe: str, classes: Any = None, config: dict | None = None, **kwargs: Any):
        super().__init__(recipe, classes, config, **kwargs)
        if len(self.classes) > IGNORE_INDEX:
            raise DataError(
                f"{len(self.classes)} classes: masks have 8 bits and {IGNORE_INDEX} means no class, so {IGNORE_INDEX} at most"
            )
        config = {**self.recipe.config, **self.changes}
        self.stride = 2 ** config["pools"]
        self.margin = context_margin(config)
        self.alignment = config["alignment"]
        self.label_offset = int(find_cell_offset(self.alignment) * self.stride)  # pixel of a cell that gives its label
        self._stages: tuple[Any, Any] | None = None

    @property
    def palette(self) -> np.ndarray:
        """Colors (classes, 3) uint8: the recipe's, and Pascal VOC's for other classes."""
        colors = self.recipe.palette()
        return np.array([colors.get(name) or voc_color(i) for i, name in enumerate(self.classes)], "uint8")

    @property
    def front_end_head(self) -> keras.Layer:
        """The front end's logits: the layer `front`, or `logits` if no context module follows."""
        return self.get_layer("front" if any(layer.name == "front" for layer in self.layers) else "logits")

    # ------------------------------------------------------------------ training

    def default_loss(self) -> Any:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORE_INDEX)

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any, augment: bool = False,
        mask_values: Mapping[int, int] | None = None, **kwargs: Any,
    ):  # fmt: skip
        """Train as Keras does, also on a folder of images and masks.

        Images get their context, and every cell the label of one pixel, those of `validation_data` too: of its center pixel,
        or of its first with `alignment="release"`.

        Args:
            x: An array of images (batch, height, width, 3), 0 to 255, or floats from 0 to 1. A folder with `images/NAME.*` and
                `masks/NAME.png`, all of one size. Or anything Keras takes: a `tf.data.Dataset` must already yield
                `model.preprocess(images)` and `model.downsample_labels(masks)`.
            y: An array of masks (batch, height, width) of class indices, 255 where a pixel has no class.
            batch_size: Default 8.
            *args: Arguments of Keras's `fit`.
            augment: Mirror and enlarge images at random, differently in every epoch and call.
                `keras.utils.set_random_seed` makes it repeatable.
            mask_values: {pixel value of the masks: class index, or 255 for no class}, for those of `validation_data` too.
                {255: 1} reads masks of 0 and 255 as classes 0 and 1, and {255: 255} says that 255 means no class, where a
                warning asks. Default: none.
            **kwargs: Arguments of Keras's `fit`.

        Raises:
            DataError: Images and masks do not belong together, a label is no class and not 255, no pixel or only class 0 could
                be learned, or images or classes have weights.
            ImageError: The values of the images are out of range.
        """
        options = {"mask_values": mask_values}
        return super().fit(x, y, batch_size, *args, augment=augment, read_options=options, **kwargs)

    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any,
        mask_values: Mapping[int, int] | None = None, **kwargs: Any,
    ):  # fmt: skip
        """Evaluate as Keras does, on anything `fit` takes, with its `mask_values`."""
        size, evaluate = batch_size or self.default_batch_size, super().evaluate
        arguments = bind_arguments(evaluate, None, None, None, *args, **kwargs)
        arrays = self.prepare_arrays(x, y, mask_values=mask_values)
        if arrays is None:
            return evaluate(**arguments | {"x": x, "y": y, "batch_size": size})
        weights = arguments.pop("sample_weight", None)
        return evaluate(
            **arguments | {"x": self.make_dataset(*arrays, batch_size=size, shuffle=False, weights=weights)}
        )

    def prepare_arrays(self, x: Any, y: Any, **options: Any) -> Any:
        return prepare_fit_masks(x, y, self, **options)

    def make_dataset(self, images: Any, masks: Any, *, weights: Any = None, **options: Any) -> Any:
        if weights is not None:
            raise DataError("Masks take no sample_weight: give pixels that should not count the label 255")
        return SegmentationDataset(images, masks, self, **options)

    def prepare_class_weight(self, class_weight: Any) -> dict[int, float]:
        raise DataError("Masks take no class_weight: pass compile() a loss of your own that weights the classes")

    def make_validation(self, images: Any, labels: Any, weights: Any, batch_size: int) -> Any:
        """Return batches in order."""
        return self.make_dataset(images, labels, batch_size=batch_size, shuffle=False, weights=weights)

    def downsample_labels(self, masks: np.ndarray) -> np.ndarray:
        """Return the label of one pixel of each cell, (batch, rows, columns) int32.

        This is the center pixel, or the first with `alignment="release"`.

        Raises:
            DataError: A label is no class and not 255.
        """
        check_labels(masks, self.classes, "Masks hold")
        down, right = (-n % self.stride for n in masks.shape[1:3])
        padded = np.pad(masks.astype("int32"), ((0, 0), (0, down), (0, right)), constant_values=IGNORE_INDEX)
        return padded[:, self.label_offset :: self.stride, self.label_offset :: self.stride]

    # ------------------------------------------------------------------ inference

    def predict_cell_logits(self, image: np.ndarray, tile_size: int = TILE_SIZE) -> np.ndarray:
        """Return the logits (rows, columns, classes) of one image (height, width, 3).

        The front end runs in tiles, which do not change the result because none of its convolutions is padded. The context
        module runs on the whole image.
        """
        front, context = self.compiled_stages()
        padded, step = self.pad_context(image[None]), max(tile_size // self.stride, 1)
        rows, columns = ((n - 2 * self.margin) // self.stride for n in padded.shape[1:3])
        bands = []
        for top in range(0, rows, step):
            height = min(step, rows - top) * self.stride + 2 * self.margin
            y, tiles = top * self.stride, []
            for first_column in range(0, columns, step):
                width = min(step, columns - first_column) * self.stride + 2 * self.margin
                x = first_column * self.stride
                tiles.append(front(padded[:, y : y + height, x : x + width].astype("float32")))
            bands.append(np.concatenate(tiles, axis=2))
        maps = np.concatenate(bands, axis=1)
        return (context(maps) if context else maps)[0]

    def network_input(self, source: Any) -> np.ndarray:
        """Return an image as a batch of the network's input, with context."""
        return self.preprocess(load_image(source)[None])

    def compiled_stages(self) -> tuple[Any, Any]:
        """Return the front end and the context module (or None) as compiled functions."""
        from kerasrecipes.inference.compiled import compile_forward

        if self._stages is None:
            features = self.front_end_head.output
            context = compile_forward(keras.Model(features, self.output)) if features is not self.output else None
            self._stages = compile_forward(keras.Model(self.input, features)), context
        return self._stages


def context_margin(config: dict) -> int:
    """Return the pixels that the front end needs on each side of an image: half of receptive field minus stride."""
    jump, field, dilation = 1, 1, 1
    for number, block in enumerate(config["blocks"], 1):
        field += 2 * dilation * jump * len(block)
        if number <= config["pools"]:
            field, jump = field + jump, 2 * jump
        else:
            dilation *= 2
    field += sum((kernel - 1) * (dilation if kernel > 1 else 1) * jump for _, kernel in config["dense"])
    return (field - jump) // 2


def voc_color(index: int) -> tuple[int, int, int]:
    """Return the color of a class index in Pascal VOC's palette, which spreads the bits of the index over the channels."""
    red_green_blue = [0, 0, 0]
    for k in range(8):
        for channel in range(3):
            red_green_blue[channel] |= ((index >> (3 * k + channel)) & 1) << (7 - k)
    return red_green_blue[0], red_green_blue[1], red_green_blue[2]
