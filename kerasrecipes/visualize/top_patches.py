"""What units react to most: the pictures of a set, and their patches, with the highest activations (arXiv 1311.2901,
figure 2), in one pass and in bounded memory."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes import image
from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.graph.autodiff import compile_function, forward_to_layers
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, to_model_input, to_uint8_image
from kerasrecipes.graph.receptive_field import input_shapes, receptive_intervals, spatial_axes, unit_box
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call, find_unit
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.saliency import SaliencyMethod, layer_output_sizes, render_signed

TOP_K = 9
BATCH = 16


@dataclass
class TopActivations:
    """The highest activations of all maps of a layer; one place for each picture and map.

    Args:
        layer: name. values: (maps, count) falling; -inf where fewer pictures were seen. pictures: (maps, count) their numbers,
            -1 likewise. places: (maps, count) flat. sizes: places on each axis. sources: the pictures, by number.
        errors: pictures that could not be read.
    """

    layer: str
    values: np.ndarray
    pictures: np.ndarray
    places: np.ndarray
    sizes: tuple[int, ...]
    sources: list[Any] = field(repr=False, default_factory=list)
    errors: list[ImageError] = field(repr=False, default_factory=list)

    def feed(self, values: np.ndarray, places: np.ndarray, first: int) -> None:
        """Take in a batch: (batch, maps) largest values and their places, of pictures numbered from `first`."""
        numbers = np.broadcast_to(first + np.arange(len(values))[None], values.T.shape)
        joined = np.concatenate([self.values, values.T], 1)
        order = np.argsort(-joined, axis=1, kind="stable")[:, : self.values.shape[1]]  # earlier pictures win ties
        self.values = np.take_along_axis(joined, order, 1)
        self.pictures = np.take_along_axis(np.concatenate([self.pictures, numbers], 1), order, 1)
        self.places = np.take_along_axis(np.concatenate([self.places, places.T], 1), order, 1)


def find_top_activations(
    model: Any, pictures: Any, layers: Sequence[str], count: int = TOP_K, *, batch: int = BATCH,
    span: tuple[float, float] = DEFAULT_VALUE_RANGE, progress: Callable[[int, int], None] | None = None,
) -> dict[str, TopActivations]:  # fmt: skip
    """The `count` highest activations of every map of some layers over a set, in one pass.

    Args:
        pictures: a folder, a list of what `read_image` takes, or an array (pictures, height, width, channels) of inputs.
        layers: names. batch: pictures in one pass; memory is that of a batch and of `count` numbers per map.
        progress: called with (pictures seen, pictures).

    Raises:
        KerasRecipesError: no such layer. ImageError: no picture can be read.
    """
    layers = list(dict.fromkeys(layers))
    steps = [find_layer_call(model, name) for name in layers]
    axes = [channel_axis(s) for s in steps]

    def largest(x: Any) -> list[Any]:
        found = []
        for y, axis in zip(forward_to_layers(model, x, layers), axes, strict=True):
            y = y if axis == -1 else ops.moveaxis(y, axis, -1)
            flat = ops.reshape(y, (ops.shape(y)[0], -1, y.shape[-1]))
            found += [ops.cast(ops.max(flat, axis=1), "float32"), ops.cast(ops.argmax(flat, axis=1), "int32")]
        return found

    look = compile_function(model, largest)
    ready = isinstance(pictures, np.ndarray) and pictures.ndim == 4
    sources = [x[None] for x in pictures] if ready else image.list_image_files(pictures)
    found: dict[str, TopActivations] = {}
    errors: list[ImageError] = []
    kept: list[Any] = []
    for at in range(0, len(sources), batch):
        inputs = []
        for source in sources[at : at + batch]:
            try:
                inputs.append(to_model_input(model, source, span)[0])
                kept.append(source)
            except ImageError as error:
                errors.append(error)
        if not inputs:
            continue
        filled = np.stack(inputs + [inputs[0]] * (batch - len(inputs)))
        outputs = look(filled)
        for number, name in enumerate(layers):
            values, places = (o[: len(inputs)] for o in outputs[2 * number : 2 * number + 2])
            if name not in found:
                maps = values.shape[1]
                none = np.full((maps, count), -1)
                found[name] = TopActivations(
                    name, np.full((maps, count), -np.inf, "float32"), none, none.copy(),
                    layer_output_sizes(model, name, filled.shape[1:3]), kept, errors,
                )  # fmt: skip
            found[name].feed(values, places, len(kept) - len(inputs))
        if progress:
            progress(min(at + batch, len(sources)), len(sources))
    if not found:
        raise errors[0] if errors else ImageError("There are no pictures to look at")
    return found


@dataclass(frozen=True)
class TopPatches(plotting.Figure):
    """The pictures that a unit reacts to most.

    Args:
        unit: without a place. activations: falling. sources: of the pictures. places: of the unit in each.
        patches: (patches, height, width, 3) uint8, cut at the unit's receptive field; grey beyond the picture's edges.
        projections: likewise, the unit's activity led back to the picture; None where not asked for.
    """

    unit: Unit
    activations: tuple[float, ...]
    sources: tuple[Any, ...] = field(repr=False)
    places: tuple[tuple[int, ...], ...] = field(repr=False)
    patches: np.ndarray = field(repr=False)
    projections: np.ndarray | None = field(default=None, repr=False)

    def image(self, columns: int = 3) -> np.ndarray:
        """The patches as one sheet, uint8."""
        return plotting.image_grid(self.patches, columns, gap=2)

    def projection_image(self, columns: int = 3) -> np.ndarray:
        """Their projections as one sheet, uint8."""
        if self.projections is None:
            raise KerasRecipesError('No projections were asked for: method="deconv"')
        return plotting.image_grid(self.projections, columns, gap=2)

    def plot(self) -> Any:
        """Patches and projections side by side, as in figure 2 of the paper."""
        title = f"{self.unit}: {self.activations[0]:.1f} to {self.activations[-1]:.1f}"
        sheets = [(title, self.image())]
        if self.projections is not None:
            sheets.insert(0, ("led back to the picture", self.projection_image()))
        return plotting.side_by_side(sheets, 4.0)


def top_image_patches(
    model: Any, maxima: TopActivations, unit: str | Unit, *, method: str | None = "deconv", filter: str = "raw",
    span: tuple[float, float] = DEFAULT_VALUE_RANGE, projector: SaliencyMethod | None = None,
) -> TopPatches:  # fmt: skip
    """The patches of a unit from what `find_maxima` found.

    Args:
        unit: of the layer that `maxima` is of; its place is not used. method: "deconv", "guided", "gradient", or None for no
            projections. filter: how they are drawn, see `backward.Projection.image`.
        projector: to lead back with, compiled before; must be of that layer.

    Raises:
        KerasRecipesError: the unit is of another layer, or no picture was seen.
    """
    found = find_unit(model, unit)
    if found.layer != maxima.layer:
        raise KerasRecipesError(f"These maxima are of {maxima.layer}, not of {found.layer}")
    seen = maxima.pictures[found.channel] >= 0
    numbers, flat = maxima.pictures[found.channel][seen], maxima.places[found.channel][seen]
    sources = [maxima.sources[i] for i in numbers]
    inputs = np.concatenate([to_model_input(model, source, span) for source in sources])
    places = [tuple(int(i) for i in np.unravel_index(int(p), maxima.sizes)) if maxima.sizes else () for p in flat]
    fields = receptive_intervals(model, input_shapes(model, inputs.shape[1:3]), until=found.layer)[found.layer][1]
    axes = spatial_axes(find_layer_call(model, found.layer))
    cuts = [_patch_bounds(fields, axes, p, inputs.shape[1:3]) for p in places]
    patches = np.stack(
        [_crop_with_padding(to_uint8_image(model, x, span), *c) for x, c in zip(inputs, cuts, strict=True)]
    )
    projections = None
    if method is not None:
        projector = projector or SaliencyMethod(model, found.layer, method)
        back = projector(inputs, [found.channel] * len(inputs), [int(p) for p in flat])[0]
        drawn = (render_signed(v, filter) for v in back)
        colour = (v if v.ndim == 3 else np.repeat(v[..., None], 3, -1) for v in drawn)
        projections = np.stack([_crop_with_padding(v, *c) for v, c in zip(colour, cuts, strict=True)])
    values = tuple(float(v) for v in maxima.values[found.channel][seen])
    return TopPatches(Unit(found.layer, found.channel), values, tuple(sources), tuple(places), patches, projections)


def _patch_bounds(
    fields: Any, axes: list[int], place: tuple[int, ...], size: Iterable[int]
) -> tuple[list[int], list[int]]:
    """First pixels and sides of a patch: the receptive field in full, also where it reaches over the edge."""
    begins, sides = [], []
    box = unit_box(fields, axes, place)
    for r, (a, b), n in zip(fields, box, size, strict=True):
        side = n if r.span is None or r.axis is None else min(r.span, n)
        begins.append(0 if side == n else b - side if a == 0 else a)
        sides.append(side)
    return begins, sides


def _crop_with_padding(picture: np.ndarray, begins: list[int], sides: list[int]) -> np.ndarray:
    """A part of (height, width, 3); middle grey outside."""
    patch = np.full((*sides, 3), 128, "uint8")
    inside = [(max(b, 0), min(b + s, n)) for b, s, n in zip(begins, sides, picture.shape, strict=False)]
    target = tuple(slice(lo - b, hi - b) for (lo, hi), b in zip(inside, begins, strict=True))
    patch[target] = picture[tuple(slice(*i) for i in inside)]
    return patch
