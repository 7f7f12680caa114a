"""Receptive fields: the part of the input that a unit depends on, through strides, dilation, padding and branches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.model_input import to_model_input, to_uint8_image
from kerasrecipes.graph.receptive_propagation import input_intervals, propagate
from kerasrecipes.graph.receptive_rules import ReceptiveIntervals
from kerasrecipes.graph.traversal import LayerCall, StopTraversal, functional_graph, input_name, shape_visitor, traverse
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call, find_unit
from kerasrecipes.utils import plotting

SIZE_ORDER = {True: "width first", False: "in samples or characters"}  # of a size as text


@dataclass(frozen=True)
class ReceptiveField(plotting.Figure):
    """Receptive field of a unit.

    Args:
        box: (start, stop) for each axis of the input (rows and columns in pixels, or samples): the smallest box around all
            positions that the unit depends on, clipped at the edges. Empty if the unit depends on padding only.
        size: Size of the input on these axes.
        span: Size of the receptive field of units far from all edges; None for the whole input.
        stride: Input positions between two neighboring units.
        image: (height, width, 3) uint8 background of the plot, or None.
    """

    unit: Unit
    box: tuple[tuple[int, int], ...]
    size: tuple[int, ...]
    span: tuple[int | None, ...]
    stride: tuple[float | None, ...]
    image: np.ndarray | None = field(default=None, repr=False)

    def __str__(self) -> str:
        names = {1: ("samples",), 2: ("rows", "columns")}.get(len(self.box), ("positions",) * len(self.box))
        parts = (f"{name} {a} to {b - 1}" for name, (a, b) in zip(names, self.box, strict=True))
        spans = " x ".join("all" if s is None else str(s) for s in self.span)
        return f"{self.unit}: {', '.join(parts)} of {' x '.join(map(str, self.size))}; without edges {spans}"

    def crop(self, array: np.ndarray) -> np.ndarray:
        """Return the box of an array (rows, columns, ...) or (samples, ...)."""
        return array[tuple(slice(a, b) for a, b in self.box)]

    def plot(self) -> Any:
        """Plot the box on the image."""
        if len(self.box) != 2:
            raise KerasRecipesError(f"Only receptive fields in images can be plotted; {self}")
        from matplotlib.patches import Rectangle

        height, width = self.size
        figure = plotting.new_figure(4 * max(width / height, 0.5), 4.2)
        axes = figure.add_subplot()
        background = np.full((height, width, 3), 235, "uint8") if self.image is None else self.image
        plotting.imshow(axes, background, f"{self.unit}: {' x '.join(str(b - a) for a, b in self.box)} pixels")
        (top, bottom), (left, right) = self.box
        corner = (left - 0.5, top - 0.5)
        for color, line in (("white", 3.4), ("#c62828", 1.6)):
            rectangle = Rectangle(corner, right - left, bottom - top, fill=False, color=color, lw=line, clip_on=False)
            axes.add_patch(rectangle)
        return figure


@dataclass(frozen=True)
class _TracedTensor:
    """A symbolic tensor and its receptive intervals during traversal."""

    spec: Any
    intervals: ReceptiveIntervals | None


def receptive_intervals(
    model: Any, shapes: list[tuple] | None = None, until: str | None = None, lenient: bool = False
) -> dict[str, tuple[tuple, ReceptiveIntervals | None]]:
    """Return the shape and the receptive intervals of each layer call's first output, by name.

    The intervals are None for outputs that depend on no position.

    Args:
        model: Functional or Sequential model.
        shapes: Shapes of the inputs without the batch axis, where the model leaves sizes open.
        until: Name of the last layer call to compute.
        lenient: Return None instead of raising for an unknown layer and the layers after it.

    Raises:
        KerasRecipesError: A layer has no rule, or a size is open.
    """
    graph = functional_graph(model)
    shapes = shapes or [tuple(t.shape[1:]) for t in graph.inputs]
    results: dict[str, tuple[tuple, ReceptiveIntervals | None]] = {}
    tracked = _spatial_input_index(graph)

    def visit(call: LayerCall, arguments: tuple, keywords: dict) -> Any:
        flat = [v for v in keras.tree.flatten((arguments, keywords)) if isinstance(v, _TracedTensor)]
        plain = keras.tree.map_structure(lambda v: v.spec if isinstance(v, _TracedTensor) else v, (arguments, keywords))
        specs = keras.tree.flatten(shape_visitor(call, *plain))
        outputs = [tuple(s.shape) for s in specs]
        try:
            intervals = propagate(call, [(tuple(v.spec.shape), v.intervals) for v in flat], outputs)
        except KerasRecipesError:
            if not lenient:
                raise
            intervals = [None] * len(outputs)
        results[call.name] = outputs[0], intervals[0]
        if call.name == until:
            raise StopTraversal
        return [_TracedTensor(s, i) for s, i in zip(specs, intervals, strict=True)]

    inputs = []
    for number, (shape, tensor) in enumerate(zip(shapes, graph.inputs, strict=True)):
        if number == tracked and None in shape:
            raise KerasRecipesError(
                f"The input {input_name(tensor)} of {model.name} leaves its size open, {shape}: pass size=..."
            )
        spec = keras.KerasTensor((1, *shape), dtype=tensor.dtype)
        inputs.append(_TracedTensor(spec, input_intervals(tuple(spec.shape)) if number == tracked else None))
    traverse(graph, inputs, visit)
    return results


def _spatial_input_index(graph: Any) -> int:
    """Return the index of the input with positions: "audio", else the first one with most axes."""
    names = [input_name(t) for t in graph.inputs]
    if "audio" in names:
        return names.index("audio")
    ranks = [len(t.shape) for t in graph.inputs]
    return next((i for i, n in enumerate(ranks) if n > 2), next((i for i, n in enumerate(ranks) if n == 2), 0))


def input_shapes(model: Any, size: Any = None) -> list[tuple]:
    """Return the shapes of the inputs without the batch axis.

    Args:
        model: Functional or Sequential model.
        size: Open sizes of the input with positions: (height, width), (samples,), a text for `parse_size`, or a mapping from
            names to shapes, {"audio": (16000,), "spectrogram": (100, 80)}. Default for audio: one second.
    """
    graph = functional_graph(model)
    shapes = [tuple(t.shape[1:]) for t in graph.inputs]
    if isinstance(size, Mapping):
        return [tuple(size.get(input_name(t), s)) for t, s in zip(graph.inputs, shapes, strict=True)]
    if isinstance(size, str):
        size = parse_size(model, size)
    number = _spatial_input_index(graph)
    if size is None and hasattr(model, "sample_rate"):
        size = (model.sample_rate,)
    if size is not None:
        rest, rank = list(size), max(len(shapes[number]) - 1, 1)
        shapes[number] = tuple(rest.pop(0) if rest and n < rank else s for n, s in enumerate(shapes[number]))
    return shapes


def parse_size(model: Any, text: str) -> tuple[int, ...]:
    """Parse the size "240x180" (width, height) or "16000" (samples) to (height, width) or (samples,)."""
    graph = functional_graph(model)
    shape = tuple(graph.inputs[_spatial_input_index(graph)].shape[1:])
    expected = shape[: max(len(shape) - 1, 1)]
    words = text.split("x")
    size = tuple(int(word) for word in reversed(words) if word.isdecimal())
    fits = all(n is None or n == value for n, value in zip(expected, size, strict=False))
    if len(size) != len(words) or len(size) != len(expected) or not fits or 0 in size:
        pattern = "x".join("?" if n is None else str(n) for n in reversed(expected))
        raise KerasRecipesError(
            f"{text!r} is not an input size of {model.name}: {pattern}, where ? is any number, {SIZE_ORDER[len(expected) > 1]}"
        )
    return size


def spatial_axes(call: LayerCall) -> list[int]:
    """Return the axes of a layer's output other than batch and channels."""
    rank = len(call.outputs[0].shape)
    return [a for a in range(1, rank) if a != channel_axis(call) % rank]


def unit_box(intervals: ReceptiveIntervals, axes: list[int], position: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return (start, stop) on each axis of the input. The range is empty if a unit depends on padding only."""
    box = []
    for r in intervals:
        index = 0 if r.axis is None else position[axes.index(r.axis)]
        low, high = int(r.low[index]), int(r.high[index])
        box.append((low, high + 1) if high >= low else (0, 0))
    return tuple(box)


def receptive_field(model: Any, unit: str | Unit, *, image: Any = None, size: Any = None) -> ReceptiveField:
    """Compute the receptive field of a unit.

    It is exact, computed from kernels, strides, dilation and padding: no position outside the box influences the unit. A position
    inside may have no influence where weights are zero or dilation leaves holes. Rows and columns are computed separately:
    a branch that depends on padding only in its rows still counts for the columns of the units that it is merged into.
    Normalization by statistics of the whole utterance is not counted. Recurrences and attention depend on everything.

    Args:
        model: Functional or Sequential model.
        unit: "conv3:17@6,6"; without a position, the middle one.
        image: Background of the plot, preprocessed as the model's input is.
        size: Size of the input where the model leaves it open, see `input_shapes`.

    Raises:
        KerasRecipesError: No such unit, a layer without a rule, or an open size.

    Example:
        >>> receptive_field(kerasrecipes.load("squeezenet"), "pool1:0").span
        (11, 11)
    """
    unit = find_unit(model, unit)
    if image is not None:
        batch = to_model_input(model, image)
        size, image = batch.shape[1:3], to_uint8_image(model, batch[0])
    shapes = input_shapes(model, size)
    shape, intervals = receptive_intervals(model, shapes, until=unit.layer)[unit.layer]
    if not intervals:
        raise KerasRecipesError(f"{unit.layer} does not depend on any position of the input")
    axes = spatial_axes(find_layer_call(model, unit.layer))
    position = unit.position if isinstance(unit.position, tuple) else tuple(shape[a] // 2 for a in axes)
    inputs = input_intervals((1, *shapes[_spatial_input_index(functional_graph(model))]))
    return ReceptiveField(
        Unit(unit.layer, unit.channel, position), unit_box(intervals, axes, position), tuple(r.num_positions for r in inputs),
        tuple(r.span for r in intervals), tuple(None if r.stride is None else float(r.stride) for r in intervals), image,
    )  # fmt: skip
