"""Receptive fields: which part of the input a unit sees, through strides, dilation, padding and branches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph import receptive_propagation
from kerasrecipes.graph.receptive_rules import ReceptiveIntervals
from kerasrecipes.graph.traversal import LayerCall, StopTraversal, functional_graph, input_name, shape_visitor, traverse
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call, find_unit
from kerasrecipes.utils import plotting

SIZE_ORDER = {True: "width first", False: "of samples or characters"}  # a size is written


@dataclass(frozen=True)
class ReceptiveField(plotting.Figure):
    """What a unit sees.

    Args:
        unit: with its place. box: (start, stop) for each axis of the input (rows and columns in pixels, or samples): the
            smallest that holds all places the unit depends on, cut at the edges; empty where it sees only padding.
        size: places of the input on these axes.
        span: of units far from all edges; None where they see the whole input. stride: input places between two units.
        picture: what `plot` draws the box on, (height, width, 3) uint8; None for an empty ground.
    """

    unit: Unit
    box: tuple[tuple[int, int], ...]
    size: tuple[int, ...]
    span: tuple[int | None, ...]
    stride: tuple[float | None, ...]
    picture: np.ndarray | None = field(default=None, repr=False)

    def __str__(self) -> str:
        names = ("rows", "columns") if len(self.box) == 2 else ("samples",) if len(self.box) == 1 else ("places",) * 9
        parts = (f"{name} {a} to {b - 1}" for name, (a, b) in zip(names, self.box, strict=False))
        spans = " x ".join("all" if s is None else str(s) for s in self.span)
        return f"{self.unit}: {', '.join(parts)} of {' x '.join(map(str, self.size))}; without edges {spans}"

    def crop(self, array: np.ndarray) -> np.ndarray:
        """The box out of an array (rows, columns, ...) or (samples, ...)."""
        return array[tuple(slice(a, b) for a, b in self.box)]

    def plot(self) -> Any:
        """The box on the picture."""
        if len(self.box) != 2:
            raise KerasRecipesError(f"Only fields in pictures can be drawn; {self}")
        from matplotlib.patches import Rectangle

        height, width = self.size
        drawn = plotting.new_figure(4 * max(width / height, 0.5), 4.2)
        axes = drawn.add_subplot()
        ground = np.full((height, width, 3), 235, "uint8") if self.picture is None else self.picture
        plotting.imshow(axes, ground, f"{self.unit}: {' x '.join(str(b - a) for a, b in self.box)} pixels")
        (top, bottom), (left, right) = self.box
        for colour, line in (("white", 3.4), ("#c62828", 1.6)):
            axes.add_patch(
                Rectangle(
                    (left - 0.5, top - 0.5),
                    right - left,
                    bottom - top,
                    fill=False,
                    color=colour,
                    lw=line,
                    clip_on=False,
                )
            )
        return drawn


@dataclass(frozen=True)
class _TracedTensor:
    """A value on the walk: a symbolic tensor and its field."""

    spec: Any
    field: ReceptiveIntervals | None


def receptive_intervals(
    model: Any, shapes: list[tuple] | None = None, until: str | None = None, lenient: bool = False
) -> dict[str, tuple[tuple, ReceptiveIntervals | None]]:
    """Name of a step -> the shape of its first output, and its field (None where it depends on no place).

    Args:
        shapes: of the inputs without the batch, where the model leaves sizes open.
        until: name of the last step that is wanted. lenient: fields above an unknown layer are None instead of an error.

    Raises:
        KerasRecipesError: a layer whose effect on places is not known, or sizes that are open.
    """
    graph = functional_graph(model)
    shapes = shapes or [tuple(t.shape[1:]) for t in graph.inputs]
    found: dict[str, tuple[tuple, ReceptiveIntervals | None]] = {}
    tracked = _spatial_input_index(graph)

    def visit(step: LayerCall, arguments: tuple, keywords: dict) -> Any:
        flat = [v for v in keras.tree.flatten((arguments, keywords)) if isinstance(v, _TracedTensor)]
        plain = keras.tree.map_structure(lambda v: v.spec if isinstance(v, _TracedTensor) else v, (arguments, keywords))
        specs = keras.tree.flatten(shape_visitor(step, *plain))
        outputs = [tuple(s.shape) for s in specs]
        try:
            fields = receptive_propagation.propagate(step, [(tuple(v.spec.shape), v.field) for v in flat], outputs)
        except KerasRecipesError:
            if not lenient:
                raise
            fields = [None] * len(outputs)
        found[step.name] = outputs[0], fields[0]
        if step.name == until:
            raise StopTraversal
        return [_TracedTensor(s, f) for s, f in zip(specs, fields, strict=True)]

    given = []
    for number, (shape, tensor) in enumerate(zip(shapes, graph.inputs, strict=True)):
        spec = keras.KerasTensor((1, *shape), dtype=tensor.dtype)
        if number == tracked and None in shape:
            raise KerasRecipesError(
                f"The input {input_name(tensor)} of {model.name} leaves its size open, {shape}: say it (size=...)"
            )
        given.append(
            _TracedTensor(spec, receptive_propagation.input_intervals(tuple(spec.shape)) if number == tracked else None)
        )
    traverse(graph, given, visit)
    return found


def _spatial_input_index(graph: Any) -> int:
    """Number of the input that has places: the audio, else the first that has."""
    names = [input_name(t) for t in graph.inputs]
    if "audio" in names:
        return names.index("audio")
    sizes = [len(t.shape) for t in graph.inputs]
    return next((i for i, n in enumerate(sizes) if n > 2), next((i for i, n in enumerate(sizes) if n == 2), 0))


def input_shapes(model: Any, size: Any = None) -> list[tuple]:
    """The inputs' shapes without the batch; open sizes of the input with places are `size`, of sound by default a
    second. A mapping, {"audio": (16000,), "spectrogram": (100, 80)}, says several inputs' shapes."""
    graph = functional_graph(model)
    shapes = [tuple(t.shape[1:]) for t in graph.inputs]
    if isinstance(size, Mapping):
        return [tuple(size.get(input_name(t), s)) for t, s in zip(graph.inputs, shapes, strict=True)]
    number = _spatial_input_index(graph)
    if size is None and hasattr(model, "sample_rate"):
        size = (model.sample_rate,)
    if size is not None:
        rest = list(size)
        shapes[number] = tuple(
            rest.pop(0) if rest and n < max(len(shapes[number]) - 1, 1) else s for n, s in enumerate(shapes[number])
        )
    return shapes


def parse_size(model: Any, text: str) -> tuple[int, ...]:
    """The size that a command line's "240x180" (width, height) or "16000" (samples) says: (height, width) or (samples,).

    Raises:
        KerasRecipesError: no such words, or the model takes no input of that size.
    """
    graph = functional_graph(model)
    shape = tuple(graph.inputs[_spatial_input_index(graph)].shape[1:])
    open_sizes = shape[: max(len(shape) - 1, 1)]
    words = text.split("x")
    size = tuple(int(word) for word in reversed(words) if word.isdecimal())
    fits = all(own is None or own == n for own, n in zip(open_sizes, size, strict=False))
    if len(size) != len(words) or len(size) != len(open_sizes) or not fits or 0 in size:
        takes = "x".join("?" if n is None else str(n) for n in reversed(open_sizes))
        raise KerasRecipesError(
            f"{text!r} is no size of an input of {model.name}: {takes}, where ? is any number, {SIZE_ORDER[len(open_sizes) > 1]}"
        )
    return size


def spatial_axes(step: LayerCall) -> list[int]:
    """The axes of a step's output other than the batch and the maps."""
    rank = len(step.outputs[0].shape)
    return [a for a in range(1, rank) if a != channel_axis(step) % rank]


def unit_box(reach_field: ReceptiveIntervals, axes: list[int], place: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """(start, stop) on each axis of the input; empty ranges where only padding is seen."""
    box = []
    for r in reach_field:
        index = 0 if r.axis is None else place[axes.index(r.axis)]
        low, high = int(r.low[index]), int(r.high[index])
        box.append((low, high + 1) if high >= low else (0, 0))
    return tuple(box)


def receptive_field(
    model: Any, unit: str | Unit, *, picture: Any = None, size: tuple[int, ...] | None = None
) -> ReceptiveField:
    """What a unit of a convolutional graph sees of the input.

    Computed from kernels, strides, dilation and padding, exactly: a place inside the box may still have no influence
    where weights are zero or dilation leaves holes, and none outside has any. Rows and columns are computed apart: a
    branch that sees only padding in its rows still counts for the columns of the units it is merged into. Not counted:
    statistics over a whole utterance that normalise it. Recurrences and attention see everything.

    Args:
        model: any functional or Sequential model. unit: "conv3:17@6,6"; without a place, the middle one.
        picture: drawn under the box; prepared as the model's input is. size: of the input, where the model leaves it open.

    Raises:
        KerasRecipesError: no such unit, a layer of an unknown kind, or an open size.

    Example:
        >>> receptive_field(kerasrecipes.load("squeezenet"), "pool1:0").span
        (11, 11)
    """
    found = find_unit(model, unit)
    if picture is not None:
        from kerasrecipes.graph.model_input import to_model_input, to_uint8_image

        batch = to_model_input(model, picture)
        size, picture = batch.shape[1:3], to_uint8_image(model, batch[0])
    shape, reaches = receptive_intervals(model, input_shapes(model, size), until=found.layer)[found.layer]
    if not reaches:
        raise KerasRecipesError(f"{found.layer} depends on no place of the input")
    axes = spatial_axes(find_layer_call(model, found.layer))
    place = found.place if isinstance(found.place, tuple) else tuple(shape[a] // 2 for a in axes)
    whole = input_shapes(model, size)[_spatial_input_index(functional_graph(model))]
    inputs = receptive_propagation.input_intervals((1, *whole))
    return ReceptiveField(
        Unit(found.layer, found.channel, place), unit_box(reaches, axes, place), tuple(r.places for r in inputs),
        tuple(r.span for r in reaches), tuple(None if r.stride is None else float(r.stride) for r in reaches), picture,
    )  # fmt: skip
