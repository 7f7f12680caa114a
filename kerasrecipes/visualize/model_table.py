"""Table of a model's layers: shapes, parameters, multiply-adds and receptive fields."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.graph.receptive_field import input_shapes, receptive_intervals
from kerasrecipes.graph.receptive_rules import ReceptiveIntervals
from kerasrecipes.graph.traversal import LayerCall, layer_edges, layer_shapes
from kerasrecipes.utils import plotting

RECURRENT = ("LSTM", "GRU", "SimpleRNN", "Bidirectional", "RNN")  # Keras's own
ZERO_MAC_LAYERS = ("Embedding", "Transitions")  # a lookup, and weights that only the criterion uses
COLUMNS = ("layer", "kind", "output", "parameters", "multiply-adds", "receptive field", "stride")


@dataclass(frozen=True)
class LayerRow:
    """A layer call in the table.

    Args:
        inputs: Names of the layer calls that it reads.
        shape: Output shape without the batch axis.
        parameters: Number of the layer's weights, counted once.
        multiply_adds: Products of its kernels for one input, without additions, biases and pooling. None if they depend on an
            open size.
        span: Receptive field of units far from all edges, per axis; None for the whole input, () if it is not known.
        stride: Input positions between two neighboring units.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int | None, ...]
    parameters: int
    multiply_adds: int | None
    span: tuple[int | None, ...]
    stride: tuple[float | None, ...]

    def cells(self) -> tuple[str, ...]:
        """Return the texts of `COLUMNS` with "?" for unknown values."""
        return (
            self.name, self.kind, format_shape(self.shape), f"{self.parameters:,}",
            _format_count(self.multiply_adds), _format_sizes(self.span, "all"), _format_sizes(self.stride, "-"),
        )  # fmt: skip


def format_shape(shape: tuple[int | None, ...]) -> str:
    """Return a shape as "28 x 28 x 3" with "?" for open sizes."""
    return " x ".join("?" if n is None else str(n) for n in shape)


def _format_sizes(values: tuple, missing: str) -> str:
    words = [missing if v is None else f"{v:g}" for v in values]
    return "?" if not words else words[0] if len(set(words)) == 1 else " x ".join(words)


def _format_count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


@dataclass(frozen=True)
class LayerTable(plotting.Figure):
    """All layer calls in the order of computation. `str` and `to_markdown` write them as text."""

    name: str
    rows: tuple[LayerRow, ...]

    @property
    def parameters(self) -> int:
        """Number of all weights. Shared weights count once."""
        return sum(r.parameters for r in self.rows)

    @property
    def multiply_adds(self) -> int | None:
        """Multiply-adds of all layers, or None if those of one are not known."""
        counts = [r.multiply_adds for r in self.rows if r.multiply_adds is not None]
        return sum(counts) if len(counts) == len(self.rows) else None

    def __getitem__(self, name: str) -> LayerRow:
        return next(r for r in self.rows if r.name == name)

    def lines(self) -> list[tuple[str, ...]]:
        """Return `COLUMNS`, the cells of each layer, and the totals."""
        total = ("total", "", "", f"{self.parameters:,}", _format_count(self.multiply_adds), "", "")
        return [COLUMNS, *(r.cells() for r in self.rows), total]

    def __str__(self) -> str:
        lines = self.lines()
        widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]

        def pad(i: int, cell: str) -> str:
            return cell.ljust(widths[i]) if i < 3 else cell.rjust(widths[i])

        return "\n".join("  ".join(pad(i, c) for i, c in enumerate(line)).rstrip() for line in lines)

    def to_markdown(self) -> str:
        """Return a Markdown table."""
        head, *rest = self.lines()
        align = ["---"] * 3 + ["---:"] * 4
        return "\n".join(f"| {' | '.join(line)} |" for line in [head, tuple(align), *rest])

    def plot(self) -> Any:
        """Plot the table."""
        head, *rest = self.lines()
        figure = plotting.new_figure(8.8, 0.4 + 0.22 * len(rest))
        axes = figure.add_subplot()
        axes.axis("off")
        table = axes.table(rest, colLabels=head, loc="center", cellLoc="right", edges="horizontal")
        table.auto_set_font_size(False)
        table.set_fontsize(8)
        table.auto_set_column_width(list(range(len(head))))
        for (_, column), cell in table.get_celld().items():
            cell.set_edgecolor("#d0d0d0")
            if column < 3:
                cell.set_text_props(ha="left")
        return figure


def layer_table(model: Any, size: Any = None) -> LayerTable:
    """List the layers of a functional or Sequential model.

    Args:
        model: Functional or Sequential model.
        size: Size of the input where the model leaves it open: (height, width), (samples,) or {input: shape}, see
            `receptive_field.input_shapes`. Default for audio: one second.

    Raises:
        KerasRecipesError: The model has no graph.

    Example:
        >>> print(layer_table(kerasrecipes.load("squeezenet")))
    """
    sizes = input_shapes(model, size)
    shapes = layer_shapes(model, sizes)
    is_open = any(None in s for s in sizes)
    intervals = {} if is_open else receptive_intervals(model, sizes, lenient=True)
    counted: set[int] = set()
    rows = []
    for call, inputs in layer_edges(model):
        weights = [w for w in getattr(call.operation, "weights", []) if id(w) not in counted]
        counted.update(map(id, weights))
        field: ReceptiveIntervals = intervals.get(call.name, ((), None))[1] or ()
        shape = shapes[call.name][0]
        input_shape = shapes[inputs[0]][0] if inputs else ()
        rows.append(
            LayerRow(
                call.name, call.kind, inputs, tuple(shape[1:]), sum(int(np.prod(w.shape)) for w in weights),
                count_macs(call, input_shape, shape), tuple(r.span for r in field),
                tuple(None if r.stride is None else float(r.stride) for r in field),
            )
        )  # fmt: skip
    return LayerTable(model.name, tuple(rows))


def count_macs(call: LayerCall, input_shape: tuple, output_shape: tuple) -> int | None:
    """Count the products of a layer's kernels for a batch of one, or return None if a size is open.

    Every weight of a kernel is used once for each position of the output, for transposed convolutions and recurrences for each
    position of the input, for locally connected layers once. Tiled convolutions use one of their kernels for each position.
    """
    kernels = [w for w in getattr(call.operation, "weights", []) if _is_kernel(w)]
    if call.kind in ZERO_MAC_LAYERS or not kernels:
        return 0
    if call.kind.startswith("TiledConv"):
        kernels = kernels[:1]
    weights = sum(int(np.prod(w.shape)) for w in kernels)
    if call.kind.startswith("LocallyConnected"):
        return weights
    first = getattr(call.operation, "data_format", None) == "channels_first"
    shape = input_shape if call.kind.endswith("Transpose") or call.kind in RECURRENT else output_shape
    sizes = shape[1:2] if call.kind in RECURRENT else shape[2:] if first and len(shape) > 2 else shape[1:-1]
    return None if None in sizes else weights * int(np.prod(sizes, dtype="int64"))


def _is_kernel(weight: Any) -> bool:
    return len(weight.shape) > 1 and "normalization" not in weight.path and "bias" not in weight.name
