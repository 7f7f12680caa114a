"""The layers of any model as a table: shapes, parameters, multiply-adds, receptive fields."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.graph.receptive_field import input_shapes, receptive_intervals
from kerasrecipes.graph.receptive_rules import ReceptiveIntervals
from kerasrecipes.graph.traversal import LayerCall, layer_edges, layer_shapes
from kerasrecipes.utils import plotting

RECURRENT = ("LSTM", "GRU", "SimpleRNN", "Bidirectional", "RNN")  # Keras's own
ZERO_MAC_LAYERS = ("Embedding", "Transitions")  # looked up; used by the criterion alone
COLUMNS = ("layer", "kind", "output", "parameters", "multiply-adds", "receptive field", "stride")


@dataclass(frozen=True)
class LayerRow:
    """A layer.

    Args:
        name, kind: of the step. inputs: names of the steps that it reads.
        shape: of its output without the batch. parameters: its own weights, counted once.
        multiply_adds: products of its kernels for one input; additions, biases and poolings are not counted. None where they
            depend on a size that is open.
        span: input places that a unit far from all edges sees, per axis; "all" is None; () where it is not known.
        stride: input places between two units.
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
        """As the table writes it, in the order of `HEADS`; "?" is what is not known."""
        return (
            self.name, self.kind, " x ".join("?" if n is None else str(n) for n in self.shape), f"{self.parameters:,}",
            _number(self.multiply_adds), _sizes(self.span, "all"), _sizes(self.stride, "-"),
        )  # fmt: skip


def _sizes(values: tuple, missing: str) -> str:
    words = [missing if v is None else f"{v:g}" for v in values]
    return "?" if not words else words[0] if len(set(words)) == 1 else " x ".join(words)


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


@dataclass(frozen=True)
class LayerTable(plotting.Figure):
    """All layers in the order of computation; `str` and `to_markdown` write them out."""

    name: str
    rows: tuple[LayerRow, ...]

    @property
    def parameters(self) -> int:
        """Of all layers; shared weights count once."""
        return sum(r.parameters for r in self.rows)

    @property
    def multiply_adds(self) -> int | None:
        """Of all layers; None where one's are not known."""
        counts = [r.multiply_adds for r in self.rows if r.multiply_adds is not None]
        return sum(counts) if len(counts) == len(self.rows) else None

    def __getitem__(self, name: str) -> LayerRow:
        return next(r for r in self.rows if r.name == name)

    def lines(self) -> list[tuple[str, ...]]:
        """`HEADS`, the cells of each layer, and the sums."""
        total = ("in all", "", "", f"{self.parameters:,}", _number(self.multiply_adds), "", "")
        return [COLUMNS, *(r.cells() for r in self.rows), total]

    def __str__(self) -> str:
        lines = self.lines()
        widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
        right = (3, 4, 5, 6)
        return "\n".join(
            "  ".join(
                c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def to_markdown(self) -> str:
        """A Markdown table."""
        head, *rest = self.lines()
        align = ["---"] * 3 + ["---:"] * 4
        return "\n".join(f"| {' | '.join(line)} |" for line in [head, tuple(align), *rest])

    def plot(self) -> Any:
        """The table as a figure."""
        head, *rest = self.lines()
        drawn = plotting.new_figure(8.8, 0.4 + 0.22 * len(rest))
        axes = drawn.add_subplot()
        axes.axis("off")
        table = axes.table(rest, colLabels=head, loc="center", cellLoc="right", edges="horizontal")
        table.auto_set_font_size(False)
        table.set_fontsize(8)
        table.auto_set_column_width(list(range(len(head))))
        for (_, column), cell in table.get_celld().items():
            cell.set_edgecolor("#d0d0d0")
            if column < 3:
                cell.set_text_props(ha="left")
        return drawn


def layer_table(model: Any, size: tuple[int, ...] | dict[str, tuple] | None = None) -> LayerTable:
    """The layers of a functional or Sequential model.

    Args:
        size: of the input, where the model leaves it open: (height, width), (samples,), or {input: shape}; of speech one second by
            default.

    Raises:
        KerasRecipesError: the model has no graph.

    Example:
        >>> print(layer_table(kerasrecipes.load("squeezenet")))
    """
    given = input_shapes(model, size)
    shapes = layer_shapes(model, given)
    known = not any(None in s for s in given)
    fields = receptive_intervals(model, given, lenient=True) if known else {}
    seen: set[int] = set()
    rows = []
    for step, inputs in layer_edges(model):
        weights = [w for w in getattr(step.operation, "weights", []) if id(w) not in seen]
        seen.update(map(id, weights))
        field: ReceptiveIntervals = fields.get(step.name, ((), None))[1] or ()
        shape = shapes[step.name][0]
        taken = shapes[inputs[0]][0] if inputs else ()
        rows.append(
            LayerRow(
                step.name, step.kind, inputs, tuple(shape[1:]), sum(int(np.prod(w.shape)) for w in weights),
                count_macs(step, taken, shape), tuple(r.span for r in field),
                tuple(None if r.stride is None else float(r.stride) for r in field),
            )
        )  # fmt: skip
    return LayerTable(model.name, tuple(rows))


def count_macs(step: LayerCall, taken: tuple, given: tuple) -> int | None:
    """Products of a step's kernels for a batch of one; None where a size is open.

    Every weight of a kernel is used once per place of the output, of a transposed convolution and a recurrence once per place of
    the input, of a locally connected layer once; of a tiled convolution each place uses one of the kernels.
    """
    kernels = [w for w in getattr(step.operation, "weights", []) if _is_kernel(w)]
    if step.kind in ZERO_MAC_LAYERS or not kernels:
        return 0
    if step.kind.startswith("TiledConv"):
        kernels = kernels[:1]
    weights = sum(int(np.prod(w.shape)) for w in kernels)
    if step.kind.startswith("LocallyConnected"):
        return weights
    first = getattr(step.operation, "data_format", None) == "channels_first"
    shape = taken if step.kind.endswith("Transpose") or step.kind in RECURRENT else given
    places = shape[1:2] if step.kind in RECURRENT else shape[2:] if first and len(shape) > 2 else shape[1:-1]
    return None if None in places else weights * int(np.prod(places, dtype="int64"))


def _is_kernel(weight: Any) -> bool:
    return len(weight.shape) > 1 and "normalization" not in weight.path and "bias" not in weight.name
