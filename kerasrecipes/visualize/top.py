"""What units react to most: the pictures of a set, and their patches, with the highest activations (arXiv 1311.2901,
figure 2), in one pass and in bounded memory."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes import image
from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.visualize import drawing
from kerasrecipes.visualize.backward import Projector, filtered, sizes_of
from kerasrecipes.visualize.compute import compiled, run
from kerasrecipes.visualize.pictures import SPAN, as_input, as_picture
from kerasrecipes.visualize.receptive import box_of, fields_of, input_shapes, place_axes
from kerasrecipes.visualize.units import Unit, channel_axis, find_step, find_unit

COUNT = 9
BATCH = 16


@dataclass
class Maxima:
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


def find_maxima(
    model: Any, pictures: Any, layers: Sequence[str], count: int = COUNT, *, batch: int = BATCH,
    span: tuple[float, float] = SPAN, progress: Callable[[int, int], None] | None = None,
) -> dict[str, Maxima]:  # fmt: skip
    """The `count` highest activations of every map of some layers over a set, in one pass.

    Args:
        pictures: a folder, a list of what `read_image` takes, or an array (pictures, height, width, channels) of inputs.
        layers: names. batch: pictures in one pass; memory is that of a batch and of `count` numbers per map.
        progress: called with (pictures seen, pictures).

    Raises:
        KerasRecipesError: no such layer. ImageError: no picture can be read.
    """
    layers = list(dict.fromkeys(layers))
    steps = [find_step(model, name) for name in layers]
    axes = [channel_axis(s) for s in steps]

    def largest(x: Any) -> list[Any]:
        found = []
        for y, axis in zip(run(model, x, layers), axes, strict=True):
            y = y if axis == -1 else ops.moveaxis(y, axis, -1)
            flat = ops.reshape(y, (ops.shape(y)[0], -1, y.shape[-1]))
            found += [ops.cast(ops.max(flat, axis=1), "float32"), ops.cast(ops.argmax(flat, axis=1), "int32")]
        return found

    look = compiled(model, largest)
    ready = isinstance(pictures, np.ndarray) and pictures.ndim == 4
    sources = [x[None] for x in pictures] if ready else image.expand(pictures)
    found: dict[str, Maxima] = {}
    errors: list[ImageError] = []
    kept: list[Any] = []
    for at in range(0, len(sources), batch):
        inputs = []
        for source in sources[at : at + batch]:
            try:
                inputs.append(as_input(model, source, span)[0])
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
                found[name] = Maxima(
                    name, np.full((maps, count), -np.inf, "float32"), none, none.copy(),
                    sizes_of(model, name, filled.shape[1:3]), kept, errors,
                )  # fmt: skip
            found[name].feed(values, places, len(kept) - len(inputs))
        if progress:
            progress(min(at + batch, len(sources)), len(sources))
    if not found:
        raise errors[0] if errors else ImageError("There are no pictures to look at")
    return found


@dataclass(frozen=True)
class TopPatches(drawing.Drawing):
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
        return drawing.montage(self.patches, columns, gap=2)

    def projection_image(self, columns: int = 3) -> np.ndarray:
        """Their projections as one sheet, uint8."""
        if self.projections is None:
            raise KerasRecipesError('No projections were asked for: method="deconv"')
        return drawing.montage(self.projections, columns, gap=2)

    def plot(self) -> Any:
        """Patches and projections side by side, as in figure 2 of the paper."""
        title = f"{self.unit}: {self.activations[0]:.1f} to {self.activations[-1]:.1f}"
        sheets = [(title, self.image())]
        if self.projections is not None:
            sheets.insert(0, ("led back to the picture", self.projection_image()))
        return drawing.side_by_side(sheets, 4.0)


def top_patches(
    model: Any, maxima: Maxima, unit: str | Unit, *, method: str | None = "deconv", filter: str = "raw",
    span: tuple[float, float] = SPAN, projector: Projector | None = None,
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
    inputs = np.concatenate([as_input(model, source, span) for source in sources])
    places = [tuple(int(i) for i in np.unravel_index(int(p), maxima.sizes)) if maxima.sizes else () for p in flat]
    fields = fields_of(model, input_shapes(model, inputs.shape[1:3]), until=found.layer)[found.layer][1]
    axes = place_axes(find_step(model, found.layer))
    cuts = [_cut(fields, axes, p, inputs.shape[1:3]) for p in places]
    patches = np.stack([_out_of(as_picture(model, x, span), *c) for x, c in zip(inputs, cuts, strict=True)])
    projections = None
    if method is not None:
        projector = projector or Projector(model, found.layer, method)
        back = projector(inputs, [found.channel] * len(inputs), [int(p) for p in flat])[0]
        drawn = (filtered(v, filter) for v in back)
        colour = (v if v.ndim == 3 else np.repeat(v[..., None], 3, -1) for v in drawn)
        projections = np.stack([_out_of(v, *c) for v, c in zip(colour, cuts, strict=True)])
    values = tuple(float(v) for v in maxima.values[found.channel][seen])
    return TopPatches(Unit(found.layer, found.channel), values, tuple(sources), tuple(places), patches, projections)


def _cut(fields: Any, axes: list[int], place: tuple[int, ...], size: Iterable[int]) -> tuple[list[int], list[int]]:
    """First pixels and sides of a patch: the receptive field in full, also where it reaches over the edge."""
    begins, sides = [], []
    box = box_of(fields, axes, place)
    for r, (a, b), n in zip(fields, box, size, strict=True):
        side = n if r.span is None or r.axis is None else min(r.span, n)
        begins.append(0 if side == n else b - side if a == 0 else a)
        sides.append(side)
    return begins, sides


def _out_of(picture: np.ndarray, begins: list[int], sides: list[int]) -> np.ndarray:
    """A part of (height, width, 3); middle grey outside."""
    patch = np.full((*sides, 3), 128, "uint8")
    inside = [(max(b, 0), min(b + s, n)) for b, s, n in zip(begins, sides, picture.shape, strict=False)]
    target = tuple(slice(lo - b, hi - b) for (lo, hi), b in zip(inside, begins, strict=True))
    patch[target] = picture[tuple(slice(*i) for i in inside)]
    return patch
