"""Conversion of images to a model's input and back. Recipes have their own preprocessing, other models a value range."""

from typing import Any

import keras
import numpy as np

from kerasrecipes import image as images
from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.graph.traversal import functional_graph
from kerasrecipes.utils.sources import FileContent

DEFAULT_VALUE_RANGE = (0.0, 255.0)  # black and white in a model's input


def input_shape(model: Any) -> tuple[int | None, int | None, int]:
    """Return (height, width, channels) of a model's image."""
    inputs = functional_graph(model).inputs
    shape = inputs[0].shape
    if len(inputs) != 1 or len(shape) != 4:
        raise KerasRecipesError(
            f"{model.name} does not take an image: its inputs are {[tuple(t.shape) for t in inputs]}"
        )
    if keras.config.image_data_format() == "channels_first":
        raise KerasRecipesError("Images are (batch, height, width, channels): set image_data_format to channels_last")
    return shape[1], shape[2], shape[3]


def to_model_input(model: Any, image: Any, value_range: tuple[float, float] = DEFAULT_VALUE_RANGE) -> np.ndarray:
    """Convert an image to a model's input.

    Args:
        model: A recipe, whose preprocessing is applied, or any model of one image.
        image: Anything that `kerasrecipes.image.load_image` takes. An array (batch, height, width, channels) is used as it is.
        value_range: Black and white in the input of models that are not recipes, for instance (0, 1).

    Returns:
        (1, height, width, channels) float32, or the batch that was passed.
    """
    height, width, channels = input_shape(model)
    if not isinstance(image, str | FileContent) and hasattr(image, "shape") and len(image.shape) == 4:
        batch = np.asarray(image, "float32")
        fits = all(s is None or s == n for s, n in zip((height, width, channels), batch.shape[1:], strict=True))
        if not fits or not len(batch):
            raise ImageError(
                f"A batch of shape {batch.shape} does not fit {model.name}: it takes (batch, {height}, {width}, {channels})"
            )
        if not np.isfinite(batch).all():
            raise ImageError("The batch holds numbers that are NaN or infinite: repair it first")
        return batch
    if channels not in (1, 3):
        raise KerasRecipesError(
            f"{model.name} takes {channels} channels: an image has 1 or 3; pass an array (batch, height, width, channels)"
        )
    pixels = images.load_image(image)
    preprocessing = getattr(model, "preprocessing", None)
    if preprocessing is None:
        size = (height or pixels.shape[0], width or pixels.shape[1])
        preprocessing = images.ImagePreprocessing(resize_to=size, crop_size=size, channels=channels)
    values = preprocessing.center_crop(preprocessing.resize(pixels))
    low, high = model_value_range(model, value_range)
    return (low + (high - low) * values[None] / 255).astype("float32")


def model_value_range(model: Any, value_range: tuple[float, float] = DEFAULT_VALUE_RANGE) -> tuple[float, float]:
    """Return black and white in a model's input: 0 and 255 for recipes, `value_range` for other models."""
    if hasattr(model, "recipe"):
        return DEFAULT_VALUE_RANGE
    low, high = map(float, value_range)
    if not low < high:
        raise KerasRecipesError(f"value_range is {value_range}: black first, then a larger number for white")
    return low, high


def to_uint8_image(
    model: Any, values: np.ndarray, value_range: tuple[float, float] = DEFAULT_VALUE_RANGE
) -> np.ndarray:
    """Convert an input (height, width, channels) to (height, width, 3) uint8. Other than 1 or 3 channels are averaged."""
    low, high = model_value_range(model, value_range)
    values = values if values.shape[-1] in (1, 3) else values.mean(-1, keepdims=True)
    pixels = np.clip(np.round((values - low) * 255 / (high - low)), 0, 255).astype("uint8")
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels
