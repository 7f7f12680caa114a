"""Activation grids: for places of an image, the input that gives a layer the same activations (distill.pub/2018/building-blocks)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, model_value_range, to_model_input, to_uint8_image
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.activation_maximization import IMAGE_MEAN
from kerasrecipes.visualize.fourier_ascent import FourierAscent
from kerasrecipes.visualize.fourier_images import FourierSettings, initial_spectrum
from kerasrecipes.visualize.synthesis_region import make_ascent_target

BATCH_SIZE = 9  # inputs that are optimized together
STEPS = 128


@dataclass(frozen=True)
class ActivationGrid(plotting.Figure):
    """Inputs for the activations of a layer at several positions of an image.

    Args:
        layer: Name of the layer.
        positions: (rows, columns, 2) positions in the layer.
        images: (rows, columns, height, width, 3) uint8.
        cosines: (rows, columns) cosines between the activations of the image and those of each input.
        start_cosines: (rows, columns) the same for the random initial inputs.
        image: (height, width, 3) uint8, the input of the model.
    """

    layer: str
    positions: np.ndarray = field(repr=False)
    images: np.ndarray = field(repr=False)
    cosines: np.ndarray = field(repr=False)
    start_cosines: np.ndarray = field(repr=False)
    image: np.ndarray = field(repr=False)

    def plot(self) -> Any:
        """Plot the image and the grid."""
        rows, columns = self.images.shape[:2]
        grid = plotting.image_grid(self.images.reshape(-1, *self.images.shape[2:]), columns, gap=2)
        return plotting.side_by_side([("image", self.image), (f"{self.layer}, {rows} x {columns} positions", grid)], height=4.5)


def compute_activation_grid(
    model: Any, image: Any, layer: str | None = None, *, cells: int = 6, steps: int = STEPS, seed: int = 0,
    value_range: tuple[float, float] = DEFAULT_VALUE_RANGE, progress: Callable[[int, int], None] | None = None,
) -> ActivationGrid:  # fmt: skip
    """Synthesize, for a grid of positions in a layer, inputs that give it the activations of an image there.

    Each input is the receptive field of the position, as Fourier coefficients with random transforms. It maximizes the product of
    its activations with those of the image, times the cosine between both.

    Args:
        model: Functional or Sequential model of an image.
        image: See `model_input.to_model_input`.
        layer: Name of a layer with positions. Layers whose receptive field is the whole image take long.
        cells: Number of positions along each side, evenly spaced.
        steps: Number of steps of the ascent.
        seed: Random seed.
        value_range: Black and white in the input of models that are not recipes.
        progress: Called with (done, total) positions.

    Raises:
        KerasRecipesError: There is no such layer, it has no positions, or `cells` is below 1.
        ImageError: The image cannot be read.

    Example:
        >>> compute_activation_grid(kerasrecipes.load("squeezenet"), "cat.png", "fire4").save("grid.png")
    """
    if layer is None or cells < 1:
        raise KerasRecipesError("An activation grid needs 1 cell or more and a layer: name a layer, for instance the output of a stage")
    inputs = to_model_input(model, image, value_range)[:1]
    axis = channel_axis(find_layer_call(model, layer))
    activations = np.moveaxis(make_layer_forward(model, [layer])(inputs)[0], axis, -1)[0]
    if activations.ndim != 3:
        raise KerasRecipesError(f"{layer} has no positions: name a layer whose output is (height, width, channels)")
    rows, columns = (((np.arange(min(cells, n)) + 0.5) * n / min(cells, n)).astype(int) for n in activations.shape[:2])
    positions = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1)
    directions = activations[positions[..., 0], positions[..., 1]].reshape(-1, activations.shape[-1])
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    directions = directions / np.maximum(lengths, 1e-12)
    region = make_ascent_target(model, Unit(layer, 0, None), None, False, value_range)
    low, high = model_value_range(model, value_range)
    settings = FourierSettings(steps=steps)
    ascent = FourierAscent(
        model, layer, axis, settings, (region.shape[0], region.shape[1]), to_input=lambda x: low + (high - low) * x, cosine=True, seed=seed
    )
    starts = np.stack([initial_spectrum(region.shape, seed + i, settings.stddev) for i in range(len(directions))])
    forward = make_layer_forward(model, [layer])

    def measure_cosines(pixels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        y = np.moveaxis(forward((low + (high - low) * pixels).astype("float32"))[0], axis, -1)
        y = y.reshape(len(y), -1, y.shape[-1])[:, region.index]
        return (y * wanted).sum(1) / np.maximum(np.linalg.norm(y, axis=1), 1e-12)

    images, cosines, total = [], [], len(directions)
    for first in range(0, total, BATCH_SIZE):
        numbers = np.minimum(np.arange(first, first + BATCH_SIZE), total - 1)  # filled up, to compile once
        result = ascent.run_directions(starts[numbers], directions[numbers], [region.index] * BATCH_SIZE)
        count = min(BATCH_SIZE, total - first)
        pixels = (result.best + IMAGE_MEAN) / 255
        images += [to_uint8_image(model, low + (high - low) * v, value_range) for v in pixels[:count]]
        pairs = (measure_cosines(v, directions[numbers])[:count] for v in (pixels, ascent.to_images(starts[numbers])))
        cosines.append(np.stack(list(pairs)))
        if progress:
            progress(first + count, total)
    shape, tiles = positions.shape[:2], np.stack(images)
    last, first_cosines = (values.reshape(shape) for values in np.concatenate(cosines, axis=1))
    return ActivationGrid(
        layer, positions, tiles.reshape(*shape, *tiles.shape[1:]), last, first_cosines,
        to_uint8_image(model, inputs[0], value_range),
    )  # fmt: skip
