"""The filters of the first layer as pictures: the only ones whose inputs are colours."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.traversal import layer_calls, layer_edges
from kerasrecipes.graph.units import find_layer_call
from kerasrecipes.utils import plotting


@dataclass(frozen=True)
class FilterGrid(plotting.Figure):
    """Filters of a layer over pictures.

    Args:
        layer: its name. filters: (filters, height, width, channels), in the picture's channels.
    """

    layer: str
    filters: np.ndarray = field(repr=False)

    @property
    def rms(self) -> np.ndarray:
        """(filters,) root mean squares of the weights."""
        return np.sqrt((self.filters.astype("float64") ** 2).mean((1, 2, 3)))

    def image(self, scale: str = "filter", columns: int | None = None) -> np.ndarray:
        """All filters as one sheet, uint8: zero is middle grey, the largest weight of each "filter" (or of all: "layer")
        black or white; in colour where there are 3 channels, else the channels' mean."""
        if scale not in ("filter", "layer"):
            raise KerasRecipesError(f'scale is "filter" or "layer", not {scale!r}')
        values = self.filters if self.filters.shape[-1] == 3 else self.filters.mean(-1)
        axes = tuple(range(1, values.ndim)) if scale == "filter" else None
        most = np.abs(values).max(axes, keepdims=True)
        tiles = np.round(128 + 127 * values / np.where(most > 0, most, 1)).astype("uint8")
        return plotting.image_grid(tiles, columns)

    def plot(self) -> Any:
        """The sheet."""
        image = self.image()
        drawn = plotting.new_figure(
            6 * image.shape[1] / max(image.shape[:2]), 6 * image.shape[0] / max(image.shape[:2]) + 0.3
        )
        count, height, width, _ = self.filters.shape
        plotting.imshow(drawn.add_subplot(), image, f"{self.layer}: {count} filters {height} x {width}")
        return drawn


def show_filters(model: Any, layer: str | None = None) -> FilterGrid:
    """The filters of a convolution over pictures, by default the first.

    Weights of nets that read blue first (`ChannelMeans(bgr=True)`) are turned to red, green, blue.

    Raises:
        KerasRecipesError: no such layer, or no convolution of two dimensions.

    Example:
        >>> filter_sheet(kerasrecipes.load("squeezenet")).save("filters.png")
    """
    convolutions = [s.name for s in layer_calls(model) if s.kind in ("Conv2D", "SequenceConv2D")]
    if layer is None and not convolutions:
        raise KerasRecipesError(f"{model.name} has no Conv2D layer, whose filters could be shown")
    step = find_layer_call(model, layer or convolutions[0])
    kernel = getattr(step.operation, "kernel", None)
    if kernel is None or len(kernel.shape) != 4:
        raise KerasRecipesError(
            f"{step.name} ({step.kind}) has no filters of two dimensions; {', '.join(convolutions)} have"
        )
    from keras import ops

    filters = np.moveaxis(ops.convert_to_numpy(kernel).astype("float32"), -1, 0)
    below = {s.name: (s, inputs) for s, inputs in layer_edges(model)}
    name = below[step.name][1][0] if below[step.name][1] else ""
    while name in below and len(below[name][1]) == 1 and not getattr(below[name][0].operation, "weights", []):
        if getattr(below[name][0].operation, "bgr", False):
            filters = filters[..., ::-1]
        name = below[name][1][0]
    return FilterGrid(step.name, filters)
