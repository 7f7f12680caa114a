"""Inspection of an input by `kerasrecipes look`, and the forms of its values. Does not import Keras."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes.errors import KerasRecipesError


@dataclass(frozen=True)
class Inspection:
    """An input and what a network computed from it.

    Args:
        inputs: (1, ...) float32, the input of the network.
        display: What the page shows: (height, width, 3) uint8 of an image, (frames, bands) float32 of speech.
        activations: (rows, columns, maps) float32 by layer. Layers without positions have one row and one column, layers over
            time one row for each frame.
        probabilities: (classes,) float32 of an image, (frames, symbols) of speech.
        milliseconds: Time of the forward pass.
        facts: Further values for the page.
    """

    inputs: np.ndarray = field(repr=False)
    display: np.ndarray = field(repr=False)
    activations: dict[str, np.ndarray] = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    milliseconds: float
    facts: dict[str, Any] = field(default_factory=dict)

    def get_activations(self, layer: str) -> np.ndarray:
        """Return the activations of a layer.

        Raises:
            KerasRecipesError: There is no such layer.
        """
        if layer not in self.activations:
            raise KerasRecipesError(f"There is no layer {layer!r:.80}; there are {', '.join(self.activations)}")
        return self.activations[layer]


def to_maps(values: np.ndarray) -> np.ndarray:
    """Return the output (..., channels) of a layer for one item as (rows, columns, maps) float32."""
    if values.ndim == 2:  # (frames, channels)
        values = values[:, None]
    return np.asarray(values if values.ndim == 3 else values.reshape(1, 1, -1), "float32")


def from_maps(values: np.ndarray, rank: int) -> np.ndarray:
    """Return (rows, columns, maps) as a batch of one output with `rank` axes and the channels last."""
    return {4: values, 3: values[:, 0]}.get(rank, values.reshape(-1))[None]


def to_probabilities(values: np.ndarray) -> np.ndarray:
    """Return a network's output (..., classes) as probabilities (classes,), averaged over positions.

    Outputs that are positive and sum to 1 are probabilities already, all others are logits.
    """
    rows = np.asarray(values, "float64").reshape(-1, values.shape[-1])
    if (rows < 0).any() or np.abs(rows.sum(-1) - 1).max() > 1e-3:
        rows = np.exp(rows - rows.max(-1, keepdims=True))
        rows /= rows.sum(-1, keepdims=True)
    return rows.mean(0).astype("float32")


def number_classes(count: int) -> list[str]:
    """Return names of classes that have none."""
    return [f"class {i}" for i in range(count)]


def stretch_image(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (height, width, 3) uint8 to another height and width, with other proportions."""
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC))
