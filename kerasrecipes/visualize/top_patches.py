"""Images of a set, and their patches, that activate units most (arXiv 1311.2901, figure 2), in one scan with bounded memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.graph.autodiff import compile_function, forward_to_layers
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, to_model_input, to_uint8_image
from kerasrecipes.graph.receptive_field import input_shapes, receptive_intervals, spatial_axes, unit_box
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call, find_unit
from kerasrecipes.image import list_image_files
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.saliency import SaliencyMethod, layer_output_sizes, render_signed

TOP_K = 9
BATCH_SIZE = 16


@dataclass
class TopActivations:
    """Highest activations of all channels of a layer, one position for each image and channel.

    Args:
        values: (channels, count) in descending order; -inf if there are fewer images.
        images: (channels, count) indices of the images; -1 if there are fewer.
        positions: (channels, count) flat positions.
        errors: Errors of images that could not be read.
    """

    layer: str
    values: np.ndarray
    images: np.ndarray
    positions: np.ndarray
    sizes: tuple[int, ...]
    sources: list[Any] = field(repr=False, default_factory=list)
    errors: list[ImageError] = field(repr=False, default_factory=list)

    def update(self, values: np.ndarray, positions: np.ndarray, first: int) -> None:
        """Add a batch: maxima (batch, channels) and their positions, of images numbered from `first`."""
        numbers = np.broadcast_to(first + np.arange(len(values))[None], values.T.shape)
        merged = np.concatenate([self.values, values.T], 1)
        order = np.argsort(-merged, axis=1, kind="stable")[:, : self.values.shape[1]]  # earlier images win ties
        self.values = np.take_along_axis(merged, order, 1)
        self.images = np.take_along_axis(np.concatenate([self.images, numbers], 1), order, 1)
        self.positions = np.take_along_axis(np.concatenate([self.positions, positions.T], 1), order, 1)


def find_top_activations(
    model: Any, images: Any, layers: Sequence[str], count: int = TOP_K, *, batch_size: int = BATCH_SIZE,
    value_range: tuple[float, float] = DEFAULT_VALUE_RANGE, progress: Callable[[int, int], None] | None = None,
) -> dict[str, TopActivations]:  # fmt: skip
    """Find the `count` highest activations of every channel of layers over a set of images, in one scan.

    Args:
        model: Functional or Sequential model of an image.
        images: A folder, a list of images as `load_image` takes them, or an array (images, height, width, channels) of inputs.
        layers: Names of the layers.
        count: Number of images for each channel.
        batch_size: Images in a batch. Memory is that of one batch and of `count` numbers for each channel.
        value_range: Black and white in the input of models that are not recipes.
        progress: Called with (done, total) images.

    Raises:
        KerasRecipesError: There is no such layer.
        ImageError: No image can be read.
    """
    is_batch = isinstance(images, np.ndarray) and images.ndim == 4
    sources = [x[None] for x in images] if is_batch else list_image_files(images)
    scan = ImageScan(sources)
    for done in scan.run(model, layers, count, batch_size=batch_size, value_range=value_range):
        if progress:
            progress(done, len(sources))
    if not scan.tops:
        raise scan.errors[0] if scan.errors else ImageError("There are no images to scan")
    return scan.tops


@dataclass
class ImageScan:
    """A scan of images for the highest activations, which may stop after any batch and go on later.

    Args:
        sources: Images as `load_image` takes them, or inputs (1, height, width, channels).
        done: Number of images that have been scanned.
        readable: Those of them that could be read; `TopActivations.images` are indices of this list.
        errors: Errors of the others.
        tops: Highest activations so far, by layer.
    """

    sources: Sequence[Any]
    done: int = 0
    readable: list[Any] = field(default_factory=list)
    errors: list[ImageError] = field(default_factory=list)
    tops: dict[str, TopActivations] = field(default_factory=dict)

    def run(
        self, model: Any, layers: Sequence[str], count: int = TOP_K, *, batch_size: int = BATCH_SIZE,
        value_range: tuple[float, float] = DEFAULT_VALUE_RANGE,
    ) -> Iterator[int]:  # fmt: skip
        """Scan the remaining images, and yield how many images are done after each batch. See `find_top_activations`."""
        layers = list(dict.fromkeys(layers))
        run = compile_maxima(model, layers)
        for start in range(self.done, len(self.sources), batch_size):
            inputs, first = [], len(self.readable)
            for source in self.sources[start : start + batch_size]:
                try:
                    inputs.append(to_model_input(model, source, value_range)[0])
                    self.readable.append(source)
                except ImageError as error:
                    self.errors.append(error)
            if inputs:
                filled = np.stack(inputs + [inputs[0]] * (batch_size - len(inputs)))
                outputs = [output[: len(inputs)] for output in run(filled)]
                for name, values, positions in zip(layers, outputs[::2], outputs[1::2], strict=True):
                    if name not in self.tops:
                        empty = np.full((values.shape[1], count), -1)
                        sizes = layer_output_sizes(model, name, filled.shape[1:3])
                        lowest = np.full(empty.shape, -np.inf, "float32")
                        self.tops[name] = TopActivations(
                            name, lowest, empty, empty.copy(), sizes, self.readable, self.errors
                        )
                    self.tops[name].update(values, positions, first)
            self.done = min(start + batch_size, len(self.sources))
            yield self.done


def compile_maxima(model: Any, layers: Sequence[str]) -> Callable[..., list[np.ndarray]]:
    """Return a function from a batch to the largest value (batch, channels) and its flat position for each layer in turn."""
    axes = [channel_axis(find_layer_call(model, name)) for name in layers]

    def compute_maxima(x: Any) -> list[Any]:
        results = []
        for y, axis in zip(forward_to_layers(model, x, layers), axes, strict=True):
            y = y if axis == -1 else ops.moveaxis(y, axis, -1)
            flat = ops.reshape(y, (ops.shape(y)[0], -1, y.shape[-1]))
            results += [ops.cast(ops.max(flat, axis=1), "float32"), ops.cast(ops.argmax(flat, axis=1), "int32")]
        return results

    return compile_function(model, compute_maxima)


@dataclass(frozen=True)
class TopPatches(plotting.Figure):
    """Images that activate a unit most.

    Args:
        activations: Activations in descending order.
        positions: Position of the unit in each image.
        patches: (patches, height, width, 3) uint8, the unit's receptive fields, gray beyond the edges of the image.
        saliency: The unit's saliency in the patches, rendered likewise, or None.
    """

    unit: Unit
    activations: tuple[float, ...]
    sources: tuple[Any, ...] = field(repr=False)
    positions: tuple[tuple[int, ...], ...] = field(repr=False)
    patches: np.ndarray = field(repr=False)
    saliency: np.ndarray | None = field(default=None, repr=False)

    def render(self, columns: int = 3) -> np.ndarray:
        """Arrange the patches in one image, uint8."""
        return plotting.image_grid(self.patches, columns, gap=2)

    def render_saliency(self, columns: int = 3) -> np.ndarray:
        """Arrange the saliency of the patches in one image, uint8."""
        if self.saliency is None:
            raise KerasRecipesError('There is no saliency: pass method="deconv"')
        return plotting.image_grid(self.saliency, columns, gap=2)

    def plot(self) -> Any:
        """Plot saliency and patches side by side, as in figure 2 of the paper."""
        panels = [] if self.saliency is None else [("saliency", self.render_saliency())]
        panels.append((f"{self.unit}: {self.activations[0]:.1f} to {self.activations[-1]:.1f}", self.render()))
        return plotting.side_by_side(panels, 4.0)


def top_image_patches(
    model: Any, top: TopActivations, unit: str | Unit, *, method: str | None = "deconv", render_mode: str = "raw",
    value_range: tuple[float, float] = DEFAULT_VALUE_RANGE, saliency_method: SaliencyMethod | None = None,
) -> TopPatches:  # fmt: skip
    """Cut the patches of a unit from the images of `find_top_activations`.

    Args:
        model: Functional or Sequential model of an image.
        top: Top activations of the unit's layer.
        unit: Unit; its position is ignored.
        method: "deconv", "guided", "gradient", or None for no saliency.
        render_mode: Rendering of the saliency, see `saliency.render_signed`.
        value_range: Black and white in the input of models that are not recipes.
        saliency_method: Compiled method of the layer to reuse.

    Raises:
        KerasRecipesError: The unit is in another layer.
    """
    unit = find_unit(model, unit)
    if unit.layer != top.layer:
        raise KerasRecipesError(f"These activations are of {top.layer}, not of {unit.layer}")
    valid = top.images[unit.channel] >= 0
    numbers, flat = top.images[unit.channel][valid], top.positions[unit.channel][valid]
    sources = [top.sources[i] for i in numbers]
    inputs = np.concatenate([to_model_input(model, source, value_range) for source in sources])
    positions = [tuple(int(i) for i in np.unravel_index(int(p), top.sizes)) if top.sizes else () for p in flat]
    shapes = input_shapes(model, inputs.shape[1:3])
    intervals = receptive_intervals(model, shapes, until=unit.layer)[unit.layer][1]
    axes = spatial_axes(find_layer_call(model, unit.layer))
    bounds = [_patch_bounds(intervals, axes, p, inputs.shape[1:3]) for p in positions]

    def crop_all(images: Iterable[np.ndarray]) -> np.ndarray:
        return np.stack([_crop_with_padding(image, *b) for image, b in zip(images, bounds, strict=True)])

    patches = crop_all(to_uint8_image(model, x, value_range) for x in inputs)
    saliency = None
    if method is not None:
        compute = saliency_method or SaliencyMethod(model, unit.layer, method)
        values = compute(inputs, [unit.channel] * len(inputs), [int(p) for p in flat])[0]
        rendered = (render_signed(v, render_mode) for v in values)
        saliency = crop_all(v if v.ndim == 3 else np.repeat(v[..., None], 3, -1) for v in rendered)
    activations = tuple(float(v) for v in top.values[unit.channel][valid])
    return TopPatches(Unit(unit.layer, unit.channel), activations, tuple(sources), tuple(positions), patches, saliency)


def _patch_bounds(
    intervals: Any, axes: list[int], position: tuple[int, ...], size: Iterable[int]
) -> tuple[list[int], list[int]]:
    """Return first pixels and sizes of a patch: the full receptive field, also beyond the edges."""
    starts, sizes = [], []
    box = unit_box(intervals, axes, position)
    for r, (a, b), n in zip(intervals, box, size, strict=True):
        side = n if r.span is None or r.axis is None else min(r.span, n)
        starts.append(0 if side == n else b - side if a == 0 else a)
        sizes.append(side)
    return starts, sizes


def _crop_with_padding(image: np.ndarray, starts: list[int], sizes: list[int]) -> np.ndarray:
    """Crop (height, width, 3), with middle gray outside."""
    patch = np.full((*sizes, 3), 128, "uint8")
    inside = [(max(a, 0), min(a + s, n)) for a, s, n in zip(starts, sizes, image.shape, strict=False)]
    target = tuple(slice(low - a, high - a) for (low, high), a in zip(inside, starts, strict=True))
    patch[target] = image[tuple(slice(*i) for i in inside)]
    return patch
