"""From any picture to a model's input and back: recipes know their own preparation, other models say their span."""

from typing import Any

import keras
import numpy as np

from kerasrecipes import image
from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.graph.traversal import functional_graph

DEFAULT_VALUE_RANGE = (0.0, 255.0)  # what black and white are in a model's input: ours take bytes


def input_shape(model: Any) -> tuple[int | None, int | None, int]:
    """(height, width, channels) of a model's picture.

    Raises:
        KerasRecipesError: it takes no picture.
    """
    inputs = functional_graph(model).inputs
    shape = inputs[0].shape
    if len(inputs) != 1 or len(shape) != 4:
        raise KerasRecipesError(f"{model.name} takes no picture: its inputs are {[tuple(t.shape) for t in inputs]}")
    if keras.config.image_data_format() == "channels_first":
        raise KerasRecipesError("Pictures are (batch, height, width, channels): set image_data_format to channels_last")
    return shape[1], shape[2], shape[3]


def to_model_input(model: Any, picture: Any, span: tuple[float, float] = DEFAULT_VALUE_RANGE) -> np.ndarray:
    """A picture as a model's input.

    Args:
        model: a recipe, whose preparation is used, or any model of one picture.
        picture: what `kerasrecipes.image.load_image` takes; an array (batch, height, width, channels) is an input as it is.
        span: what black and white are in the input, of models that are no recipes: (0, 255), (0, 1), (-1, 1) ...

    Returns:
        (1, height, width, channels) float32; the batch where one was given.

    Raises:
        ImageError: no picture, or a batch of another size. KerasRecipesError: the model takes no pictures.
    """
    height, width, channels = input_shape(model)
    if not isinstance(picture, str | bytes | bytearray) and hasattr(picture, "shape") and len(picture.shape) == 4:
        batch = np.asarray(picture, "float32")
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
            f"{model.name} takes {channels} channels: a picture has 1 or 3; pass an array (batch, height, width, channels)"
        )
    pixels = image.load_image(picture)
    rule = getattr(model, "preparation", None)
    if rule is None:
        size = (height or pixels.shape[0], width or pixels.shape[1])
        rule = image.ImagePreprocessing(canvas=size, size=size, channels=channels)
    values = rule.one(rule.resize(pixels))
    low, high = value_range(model, span)
    return (low + (high - low) * values[None] / 255).astype("float32")


def value_range(model: Any, span: tuple[float, float] = DEFAULT_VALUE_RANGE) -> tuple[float, float]:
    """Recipes take 0 to 255; others what is said.

    Raises:
        KerasRecipesError: no range.
    """
    if hasattr(model, "recipe"):
        return DEFAULT_VALUE_RANGE
    low, high = map(float, span)
    if not low < high:
        raise KerasRecipesError(f"span is {span}: black first, then a larger number for white")
    return low, high


def to_uint8_image(model: Any, values: np.ndarray, span: tuple[float, float] = DEFAULT_VALUE_RANGE) -> np.ndarray:
    """An input (height, width, channels) as (height, width, 3) uint8; other than 1 or 3 channels as their mean."""
    low, high = value_range(model, span)
    values = values if values.shape[-1] in (1, 3) else values.mean(-1, keepdims=True)
    pixels = np.clip(np.round((values - low) * 255 / (high - low)), 0, 255).astype("uint8")
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels
