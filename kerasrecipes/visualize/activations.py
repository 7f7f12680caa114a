"""What each layer makes of a picture: all maps of all layers as tiles, as in the toolbox's layer pane."""

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

GAMMA_CHOICES = (1.0, 0.7, 0.5, 0.3)  # the toolbox's boosts
NORMALIZATION_MODES = ("map", "layer")
SKIPPED_LAYERS = (
    "Dropout",
    "Flatten",
    "ZeroPadding",
    "Cropping",
    "Reshape",
    "Rescaling",
    "ChannelMeans",
    "Normalization",
)  # kinds


@dataclass(frozen=True)
class ActivationMaps(plotting.Figure):
    """Activations of layers on one picture.

    Args:
        layers: name -> (height, width, maps), or (units,) of layers without places; float32.
        picture: (height, width, 3) uint8, what the network saw.
    """

    layers: dict[str, np.ndarray] = field(repr=False)
    picture: np.ndarray = field(repr=False)

    def image(self, layer: str, scale: str = "map", gamma: float = 1.0, columns: int | None = None) -> np.ndarray:
        """A layer's maps as one grey sheet, uint8; zero is black, unless a layer is negative: then its least value is.

        Args:
            scale: white is the largest of each "map" or of the whole "layer".
            gamma: of values from 0 to 1; below 1 shows weak activations (`GAMMAS`: 1, 0.7, 0.5, 0.3).

        Raises:
            KerasRecipesError: no such layer or scale, or gamma is not positive.
        """
        if layer not in self.layers:
            raise KerasRecipesError(f"There is no layer {layer!r} here; there are {', '.join(self.layers)}")
        if scale not in NORMALIZATION_MODES or gamma <= 0:
            raise KerasRecipesError(f'scale is "map" or "layer" and gamma above 0, not {scale!r} and {gamma}')
        values = self.layers[layer]
        tiles = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[:, None, None]
        axes = (1, 2) if scale == "map" and values.ndim == 3 else None
        low = np.minimum(tiles.min(axes, keepdims=True), 0)
        spread = tiles.max(axes, keepdims=True) - low
        shown = ((tiles - low) / np.where(spread > 0, spread, 1)) ** gamma
        return plotting.image_grid(np.round(255 * shown).astype("uint8"), columns, gap=0 if values.ndim == 1 else 1)

    def plot(self, scale: str = "map", gamma: float = 1.0) -> Any:
        """The picture and every layer's sheet."""
        images = [("picture", self.picture)]
        images += [(f"{name} {_size(v)}", self.image(name, scale, gamma)) for name, v in self.layers.items()]
        columns = min(len(images), 4)
        rows = -(-len(images) // columns)
        drawn = plotting.new_figure(3.2 * columns, 3.4 * rows)
        for number, (title, image) in enumerate(images):
            axes = drawn.add_subplot(rows, columns, number + 1)
            large = max(image.shape[:2]) > 300
            plotting.imshow(axes, image, title, interpolation="antialiased" if large else "nearest")
        return drawn

    def save_sheets(self, folder: str | Path, scale: str = "map", gamma: float = 1.0) -> list[Path]:
        """Write each layer's sheet, pixel by pixel, as LAYER.png."""
        return [
            plotting.save_image(Path(folder) / f"{name.replace('/', '_')}.png", self.image(name, scale, gamma))
            for name in self.layers
        ]


def _size(values: np.ndarray) -> str:
    return " x ".join(map(str, values.shape))


def activation_maps(
    model: Any, picture: Any, layers: Sequence[str] | None = None, span: tuple[float, float] = DEFAULT_VALUE_RANGE
) -> ActivationMaps:
    """The activations of layers on a picture.

    Args:
        model: any functional or Sequential model of a picture. picture: see `pictures.as_input`.
        layers: names; by default all whose output changes (no dropout, padding or flattening).
        span: black and white in the input, of models that are no recipes.

    Raises:
        KerasRecipesError: no such layer. ImageError: no picture.

    Example:
        >>> activation_maps(kerasrecipes.load("squeezenet"), "cat.png", ["conv1", "fire5"]).save("maps.png")
    """
    inputs = to_model_input(model, picture, span)[:1]
    names = list(layers) if layers else default_layers(model)
    steps = {name: find_layer_call(model, name) for name in names}
    found = {}
    for name, values in zip(names, make_layer_forward(model, names)(inputs), strict=True):
        values = np.moveaxis(values, channel_axis(steps[name]), -1)[0]
        found[name] = values.reshape(-1) if values.ndim not in (1, 3) else values
    return ActivationMaps(found, to_uint8_image(model, inputs[0], span))


def default_layers(model: Any) -> list[str]:
    """Layers worth looking at."""
    names = [n for n in layer_names(model) if not find_layer_call(model, n).kind.startswith(SKIPPED_LAYERS)]
    if not names:
        raise KerasRecipesError(f"{model.name} has no layers whose activations could be shown")
    return names
