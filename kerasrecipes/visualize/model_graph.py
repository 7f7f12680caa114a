"""The architecture as a drawing: a box for each layer, a line for each tensor, branches side by side."""

from dataclasses import dataclass, field
from typing import Any

from kerasrecipes.utils import plotting
from kerasrecipes.visualize.model_table import LayerRow, LayerTable, layer_table

WIDTH, HEIGHT, GAP = 2.3, 0.62, 0.42  # of a box and between two rows, in units of the axes
COLOURS = {
    "Conv": "#c5cae9", "Pool": "#ffe0b2", "Dense": "#c8e6c9", "Norm": "#e1bee7", "Concatenate": "#eeeeee", "Add": "#eeeeee",
    "ReLU": "#ffcdd2", "Activation": "#ffcdd2", "LSTM": "#b2dfdb", "GRU": "#b2dfdb", "Recurrent": "#b2dfdb",
}  # fmt: skip
FOLDED_LAYERS = (
    "ReLU",
    "Activation",
    "ClippedReLU",
    "BatchNormalization",
    "SequenceBatchNormalization",
    "Dropout",
    "Mask",
)


@dataclass(frozen=True)
class GraphNode:
    """A drawn layer: its row of the table, the names it stands for, and where it is (column and row, rows go down)."""

    row: LayerRow
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    inputs: tuple[str, ...]
    x: float
    y: int


@dataclass(frozen=True)
class ModelGraph(plotting.Figure):
    """A model's layers as boxes; `boxes` in the order of computation, `columns` x `rows` of them."""

    name: str
    boxes: tuple[GraphNode, ...] = field(repr=False)

    @property
    def rows(self) -> int:
        return 1 + max(b.y for b in self.boxes)

    def plot(self, most_rows: int = 16) -> Any:
        """The drawing; after `most_rows` rows it goes on in a further column."""
        from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

        reach = 0.5 + max(abs(b.x) for b in self.boxes)
        turns = -(-self.rows // most_rows)
        deep = -(-self.rows // turns)
        pitch = 2 * reach * WIDTH + (GAP if turns > 1 else 0)
        drawn = plotting.new_figure(1.05 * pitch * turns + 0.3, 1.05 * deep * (HEIGHT + GAP) + 0.6)
        axes = drawn.add_subplot()
        axes.axis("off")

        def centre(box: GraphNode) -> tuple[float, float]:
            turn, row = divmod(box.y, deep)
            return (box.x + reach) * WIDTH + turn * pitch, -row * (HEIGHT + GAP)

        at = {name: box for box in self.boxes for name in box.names}
        for box in self.boxes:
            x, y = centre(box)
            colour = next((c for word, c in COLOURS.items() if word in box.kinds[0]), "#f5f5f5")
            w = WIDTH * 0.9
            axes.add_patch(
                FancyBboxPatch(
                    (x - w / 2, y - HEIGHT / 2),
                    w,
                    HEIGHT,
                    boxstyle="round,pad=0,rounding_size=0.08",
                    fc=colour,
                    ec="#555",
                )
            )
            axes.text(x, y + 0.16, box.names[0], ha="center", va="center", fontsize=8, fontweight="bold")
            axes.text(x, y - 0.04, " + ".join(box.kinds), ha="center", va="center", fontsize=6)
            axes.text(x, y - 0.2, _shape(box.row), ha="center", va="center", fontsize=6.5, color="#333")
            for name in box.inputs:
                if name not in at or at[name] is box:
                    continue
                x0, y0 = centre(at[name])
                start, end = (x0, y0 - HEIGHT / 2), (x, y + HEIGHT / 2)
                if at[name].y // deep < box.y // deep:  # over to the top of the next column, between the two
                    aside, low, high = x - reach * WIDTH - GAP / 2, start[1] - GAP / 2, end[1] + GAP / 2
                    corners = [start, (start[0], low), (aside, low), (aside, high), (end[0], high)]
                    axes.plot(*zip(*corners, strict=True), lw=0.9, color="#555")
                    start = corners[-1]
                axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, lw=0.9, color="#555"))
        axes.set_xlim(-0.1, pitch * turns + 0.1)
        axes.set_ylim(-(deep - 1) * (HEIGHT + GAP) - HEIGHT - GAP / 2, HEIGHT + GAP / 2)
        axes.set_title(self.name, fontsize=10)
        axes.set_aspect("equal")
        return drawn


def _shape(row: LayerRow) -> str:
    return " x ".join("?" if n is None else str(n) for n in row.shape)


def draw_graph(model: Any, size: tuple[int, ...] | dict[str, tuple] | None = None, fold: bool = True) -> ModelGraph:
    """Lay out a functional or Sequential model, or the table of its layers.

    Args:
        size: of the input, where the model leaves it open. fold: draw rectifiers, normalisations and dropout that follow a
            layer, and are its only reader, in that layer's box.

    Raises:
        KerasRecipesError: the model has no graph.

    Example:
        >>> draw_graph(kerasrecipes.load("squeezenet")).save("squeezenet.png")
    """
    table = model if isinstance(model, LayerTable) else layer_table(model, size)
    return ModelGraph(table.name, tuple(_layout(_fold_layers(table) if fold else [[r] for r in table.rows])))


def _fold_layers(table: LayerTable) -> list[list[LayerRow]]:
    """Rows in groups, each of which is one box."""
    readers: dict[str, int] = {}
    for row in table.rows:
        for name in row.inputs:
            readers[name] = readers.get(name, 0) + 1
    groups: list[list[LayerRow]] = []
    group_of: dict[str, list[LayerRow]] = {}
    for row in table.rows:
        before = group_of.get(row.inputs[0]) if row.inputs else None
        if (
            row.kind in FOLDED_LAYERS
            and before is not None
            and before[-1].name == row.inputs[0]
            and readers[row.inputs[0]] == 1
        ):
            before.append(row)
            group_of[row.name] = before
        else:
            groups.append([row])
            group_of[row.name] = groups[-1]
    return groups


def _layout(groups: list[list[LayerRow]]) -> list[GraphNode]:
    """A row for each depth; boxes of the same depth side by side, each as near to what it reads as there is room."""
    depth: dict[str, int] = {}
    where: dict[str, float] = {}
    layers: dict[int, list[list[LayerRow]]] = {}
    for group in groups:
        level = (
            max((depth.get(n, -1) for r in group for n in r.inputs if n not in {g.name for g in group}), default=-1) + 1
        )
        depth.update({r.name: level for r in group})
        layers.setdefault(level, []).append(group)
    boxes = []
    for level in sorted(layers):
        wished = []
        for group in layers[level]:
            read = [where[n] for n in group[0].inputs if n in where]
            wished.append((sum(read) / len(read) if read else 0.0, group))
        wished.sort(key=lambda pair: (pair[0], groups.index(pair[1])))
        middle = sum(x for x, _ in wished) / len(wished)
        for i, (_, group) in enumerate(wished):
            x = middle + i - (len(wished) - 1) / 2
            where.update({r.name: x for r in group})
            names = tuple(r.name for r in group)
            outside = tuple(n for n in group[0].inputs)
            boxes.append(GraphNode(group[-1], names, tuple(r.kind for r in group), outside, x, level))
    return boxes
