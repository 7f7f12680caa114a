"""Where a recipe's weights are in somebody else's checkpoint: a table beside each recipe, and conversions of arrays.

A recipe's file holds `PUBLIC_LAYOUTS`, a tuple of `CheckpointLayout`. A new checkpoint of a known kind is one more entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasrecipes.hub.speech_conversions import SPEECH_CONVERSIONS

if TYPE_CHECKING:  # a list of recipes needs no numpy
    import numpy as np


class Target(NamedTuple):
    """The weight of a recipe that an array becomes.

    Args:
        shape: Shape of the weight.
        feature_shape: For the kernel of a dense layer after `Flatten`: the shape (height, width, channels) that was flattened.
            None for all others.
    """

    shape: tuple[int, ...]
    feature_shape: tuple[int, ...] | None = None


Conversion = Callable[[Sequence[Any], Target], Any]  # arrays, the weight -> its values


def keep_array(arrays: Sequence[np.ndarray], target: Target) -> np.ndarray:
    """Return the array as it is."""
    return arrays[0]


def reshape_array(arrays: Sequence[np.ndarray], target: Target) -> np.ndarray:
    """Return the array in the shape of the weight: the kernel of a dense layer that is a convolution here."""
    return arrays[0].reshape(target.shape) if arrays[0].size == prod(target.shape) else arrays[0]


def move_outputs_last(arrays: Sequence[np.ndarray], target: Target) -> np.ndarray:
    """Return a kernel (outputs, inputs, ...) as (..., inputs, outputs): of a dense layer or a convolution, in groups too."""
    return arrays[0].transpose(*range(2, arrays[0].ndim), 1, 0)


def sort_flattened_inputs(arrays: Sequence[np.ndarray], target: Target) -> np.ndarray:
    """Return a dense kernel (outputs, channels * height * width) as (height * width * channels, outputs)."""
    height, width, channels = target.feature_shape or (1, 1, target.shape[0])
    if arrays[0].shape != (target.shape[-1], height * width * channels):
        return move_outputs_last(arrays, target)  # the driver reports the shapes
    kernel = arrays[0].reshape(-1, channels, height, width).transpose(2, 3, 1, 0)
    return kernel.reshape(height * width * channels, -1)


def convert_blob(arrays: Sequence[np.ndarray], target: Target) -> np.ndarray:
    """Return a blob of Caffe: a kernel or a bias, whose shape has leading ones in older files."""
    array, rank = arrays[0], len(target.shape)
    while array.ndim > rank and array.shape[0] == 1:
        array = array[0]
    if rank == 1 or array.ndim < 2:
        return array
    return (sort_flattened_inputs if target.feature_shape else move_outputs_last)([array], target)


def convert_bgr_blob(arrays: Sequence[np.ndarray], target: Target) -> np.ndarray:
    """Return a blob of Caffe's first convolution, which reads blue, green, red, for a network that reads red, green, blue."""
    array = convert_blob(arrays, target)
    return array[:, :, ::-1] if array.ndim == 4 else array


def convert_halved_blob(arrays: Sequence[np.ndarray], target: Target) -> np.ndarray:
    """Return a blob of Caffe, a kernel divided by 2: after a dropout of a half that scales its outputs when it does not drop."""
    array = convert_blob(arrays, target)
    return array / 2 if array.ndim > 1 else array


CONVERSIONS: dict[str, Conversion] = {
    "unchanged": keep_array,
    "reshaped": reshape_array,
    "outputs_last": move_outputs_last,
    "flattened_channels_first": sort_flattened_inputs,
    "caffe": convert_blob,
    "caffe_bgr": convert_bgr_blob,
    "caffe_halved": convert_halved_blob,
    **SPEECH_CONVERSIONS,
}


class Source(NamedTuple):
    """The tensors of a file that one weight is made of, and the name of the conversion in `CONVERSIONS`."""

    tensors: tuple[str, ...]
    conversion: str = "unchanged"


@dataclass(frozen=True)
class CheckpointLayout:
    """Where the weights of recipes are in one family of files.

    Args:
        kind: Kind of the files, a key of `checkpoint_readers.READERS`.
        recipes: Names of the recipes.
        weights: {weight of the recipe: its source}. Weights have Keras's paths, for instance "conv1/kernel".
        optional: Weights that such files need not have. They keep their random values, and the report names them.
        config: Changes to the recipe's configuration with which it is the network of these files.
    """

    kind: str
    recipes: tuple[str, ...]
    weights: Mapping[str, Source]
    optional: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


def caffe_layers(*same_names: str, conversion: str = "caffe", **other_names: str) -> dict[str, Source]:
    """Return the sources of layers with a kernel and a bias in a file of Caffe.

    Args:
        *same_names: Layers with the same name in the recipe.
        conversion: "caffe", "caffe_bgr" for the first convolution of a recipe that reads red, green, blue, or "caffe_halved".
        **other_names: Name in the recipe = name in the file.
    """
    names = dict(zip(same_names, same_names, strict=True)) | other_names
    return {
        f"{layer}/{variable}": Source((f"{name}.{number}",), conversion)
        for layer, name in names.items()
        for number, variable in enumerate(("kernel", "bias"))
    }
