"""Filters of the first layer as images."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.traversal import layer_calls, layer_edges
from kerasrecipes.graph.units import find_layer_call
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.frequency_response import FilterResponses, filter_responses, has_waveform_filters


@dataclass(frozen=True)
class FilterGrid(plotting.Figure):
    """Filters of a layer over images.

    Args:
        filters: (filters, height, width, channels) in the image's channels.
    """

    layer: str
    filters: np.ndarray = field(repr=False)

    @property
    def rms(self) -> np.ndarray:
        """(filters,) root mean squares of the weights."""
        return np.sqrt((self.filters.astype("float64") ** 2).mean((1, 2, 3)))

    def render(self, scale: str = "filter", columns: int | None = None) -> np.ndarray:
        """Arrange all filters in one image, uint8, in color if they have 3 channels, else as the mean of the channels.

        Args:
            scale: Black and white are the largest magnitude of each "filter" or of the whole "layer"; middle gray is zero.
            columns: Number of filters in a row.
        """
        if scale not in ("filter", "layer"):
            raise KerasRecipesError(f'scale is "filter" or "layer", not {scale!r}')
        values = self.filters if self.filters.shape[-1] == 3 else self.filters.mean(-1)
        axes = tuple(range(1, values.ndim)) if scale == "filter" else None
        limit = np.abs(values).max(axes, keepdims=True)
        tiles = np.round(128 + 127 * values / np.where(limit > 0, limit, 1)).astype("uint8")
        return plotting.image_grid(tiles, columns)

    def plot(self) -> Any:
        """Plot all filters."""
        image = self.render()
        height, width = 6 * np.array(image.shape[:2]) / max(image.shape[:2])
        figure = plotting.new_figure(width, height + 0.3)
        count, height, width, _ = self.filters.shape
        plotting.imshow(figure.add_subplot(), image, f"{self.layer}: {count} filters {height} x {width}")
        return figure


def show_filters(model: Any, layer: str | None = None) -> FilterGrid:
    """Return the filters of a convolution over images, by default the first.

    Filters of models that read blue first (`SubtractChannelMeans(bgr=True)`) are reordered to red, green, blue.

    Raises:
        KerasRecipesError: No such layer, or it is not a two-dimensional convolution.

    Example:
        >>> show_filters(kerasrecipes.load("squeezenet")).save("filters.png")
    """
    convolutions = [c.name for c in layer_calls(model) if c.kind in ("Conv2D", "SequenceConv2D")]
    if layer is None and not convolutions:
        raise KerasRecipesError(f"{model.name} has no Conv2D layer, whose filters could be shown")
    call = find_layer_call(model, layer or convolutions[0])
    kernel = getattr(call.operation, "kernel", None)
    if kernel is None or len(kernel.shape) != 4:
        raise KerasRecipesError(
            f"{call.name} ({call.kind}) has no two-dimensional filters; {', '.join(convolutions)} have"
        )
    from keras import ops

    filters = np.moveaxis(ops.convert_to_numpy(kernel).astype("float32"), -1, 0)
    edges = {c.name: (c, inputs) for c, inputs in layer_edges(model)}
    name = next(iter(edges[call.name][1]), "")
    while name in edges and len(edges[name][1]) == 1 and not getattr(edges[name][0].operation, "weights", []):
        if getattr(edges[name][0].operation, "bgr", False):
            filters = filters[..., ::-1]
        name = edges[name][1][0]
    return FilterGrid(call.name, filters)


def show_first_filters(model: Any, layers: Sequence[str] = ()) -> FilterGrid | FilterResponses:
    """Return the filters of the first of `layers`, by default of the model's first convolution over an image or a waveform."""
    return filter_responses(model) if not layers and has_waveform_filters(model) else show_filters(model, *layers[:1])
