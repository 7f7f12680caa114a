"""Activations of layers on an image: all channels as tiles, as in the Deep Visualization Toolbox's layer pane."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, to_model_input, to_uint8_image
from kerasrecipes.graph.units import channel_axis, find_layer_call, layer_names
from kerasrecipes.utils import plotting

GAMMA_CHOICES = (1.0, 0.7, 0.5, 0.3)  # of the toolbox
NORMALIZATION_MODES = ("map", "layer")
_SKIPPED = "Dropout Flatten ZeroPadding Cropping Reshape Rescaling SubtractChannelMeans Normalization"
SKIPPED_LAYERS = tuple(_SKIPPED.split())  # beginnings of class names


@dataclass(frozen=True)
class ActivationMaps(plotting.Figure):
    """Activations of layers on one image.

    Args:
        layers: (height, width, channels) float32 by layer name, or (units,) for layers without positions.
        image: (height, width, 3) uint8, the input of the model.
    """

    layers: dict[str, np.ndarray] = field(repr=False)
    image: np.ndarray = field(repr=False)

    def render(self, layer: str, scale: str = "map", gamma: float = 1.0, columns: int | None = None) -> np.ndarray:
        """Arrange a layer's channels in one gray image, uint8.

        Black is zero, or the minimum if that is negative.

        Args:
            layer: Name of the layer.
            scale: White is the maximum of each "map" or of the whole "layer".
            gamma: Exponent of values from 0 to 1; below 1 it brightens weak activations (see `GAMMA_CHOICES`).
            columns: Number of tiles in a row.
        """
        if layer not in self.layers:
            raise KerasRecipesError(f"There is no layer {layer!r} here; there are {', '.join(self.layers)}")
        if scale not in NORMALIZATION_MODES or gamma <= 0:
            raise KerasRecipesError(f'scale is "map" or "layer" and gamma above 0, not {scale!r} and {gamma}')
        values = self.layers[layer]
        tiles = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[:, None, None]
        axes = (1, 2) if scale == "map" and values.ndim == 3 else None
        low = np.minimum(tiles.min(axes, keepdims=True), 0)
        extent = tiles.max(axes, keepdims=True) - low
        tiles = ((tiles - low) / np.where(extent > 0, extent, 1)) ** gamma
        return plotting.image_grid(np.round(255 * tiles).astype("uint8"), columns, gap=0 if values.ndim == 1 else 1)

    def plot(self, scale: str = "map", gamma: float = 1.0) -> Any:
        """Plot the image and the channels of every layer."""
        panels = [("image", self.image)]
        panels += [
            (f"{k} {' x '.join(map(str, v.shape))}", self.render(k, scale, gamma)) for k, v in self.layers.items()
        ]
        columns = min(len(panels), 4)
        rows = -(-len(panels) // columns)
        figure = plotting.new_figure(3.2 * columns, 3.4 * rows)
        for number, (title, image) in enumerate(panels):
            interpolation = "antialiased" if max(image.shape[:2]) > 300 else "nearest"
            axes = figure.add_subplot(rows, columns, number + 1)
            plotting.imshow(axes, image, title, interpolation=interpolation)
        return figure

    def save_sheets(self, folder: str | Path, scale: str = "map", gamma: float = 1.0) -> list[Path]:
        """Write each layer's tiles without rescaling as LAYER.png."""
        return [
            plotting.save_image(Path(folder) / f"{name.replace('/', '_')}.png", self.render(name, scale, gamma))
            for name in self.layers
        ]


def activation_maps(
    model: Any, image: Any, layers: Sequence[str] | None = None,
    value_range: tuple[float, float] = DEFAULT_VALUE_RANGE,
) -> ActivationMaps:  # fmt: skip
    """Compute the activations of layers on an image.

    Args:
        model: Functional or Sequential model of an image.
        image: See `model_input.to_model_input`.
        layers: Names of layers. Default: all that change values (no dropout, padding or flattening).
        value_range: Black and white in the input of models that are not recipes.

    Raises:
        KerasRecipesError: There is no such layer.
        ImageError: The image cannot be read.

    Example:
        >>> activation_maps(kerasrecipes.load("squeezenet"), "cat.png", ["conv1", "fire5"]).save("maps.png")
    """
    inputs = to_model_input(model, image, value_range)[:1]
    names = list(layers) if layers else default_layers(model)
    axes = [channel_axis(find_layer_call(model, name)) for name in names]
    outputs = {}
    for name, axis, values in zip(names, axes, make_layer_forward(model, names)(inputs), strict=True):
        values = np.moveaxis(values, axis, -1)[0]
        outputs[name] = values.reshape(-1) if values.ndim not in (1, 3) else values
    return ActivationMaps(outputs, to_uint8_image(model, inputs[0], value_range))


def default_layers(model: Any) -> list[str]:
    """Return the names of the layers that change values."""
    names = [n for n in layer_names(model) if not find_layer_call(model, n).kind.startswith(SKIPPED_LAYERS)]
    if not names:
        raise KerasRecipesError(f"{model.name} has no layers whose activations could be shown")
    return names
