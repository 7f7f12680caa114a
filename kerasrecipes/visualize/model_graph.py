"""Drawing of a model: a box for each layer, a line for each tensor, branches side by side."""

from dataclasses import dataclass, field
from typing import Any

from kerasrecipes.utils import plotting
from kerasrecipes.visualize.model_table import LayerRow, LayerTable, format_shape, layer_table

WIDTH, HEIGHT, GAP = 2.3, 0.62, 0.42  # of a box and between two rows, in units of the axes
COLORS = {
    "Conv": "#c5cae9", "Pool": "#ffe0b2", "Dense": "#c8e6c9", "Norm": "#e1bee7", "Concatenate": "#eeeeee", "Add": "#eeeeee",
    "ReLU": "#ffcdd2", "Activation": "#ffcdd2", "LSTM": "#b2dfdb", "GRU": "#b2dfdb", "RNN": "#b2dfdb",
}  # fmt: skip
_FOLDED = "ReLU Activation BatchNormalization MaskedBatchNormalization Dropout SequenceMask"
FOLDED_LAYERS = frozenset(_FOLDED.split())


@dataclass(frozen=True)
class GraphNode:
    """A box of the drawing."""

    row: LayerRow  # of the last layer in the box
    names: tuple[str, ...]  # of the layers in the box
    kinds: tuple[str, ...]  # classes of the layers in the box
    inputs: tuple[str, ...]  # names of the layers that the box reads
    x: float  # column
    y: int  # row, from the top


@dataclass(frozen=True)
class ModelGraph(plotting.Figure):
    """A model's layers as boxes in the order of computation."""

    name: str
    boxes: tuple[GraphNode, ...] = field(repr=False)

    @property
    def rows(self) -> int:
        """Number of rows of boxes."""
        return 1 + max(b.y for b in self.boxes)

    def plot(self, max_rows: int = 16) -> Any:
        """Plot the boxes. After `max_rows` rows the drawing continues in another column."""
        from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

        half = 0.5 + max(abs(b.x) for b in self.boxes)
        columns = -(-self.rows // max_rows)
        depth = -(-self.rows // columns)
        pitch = 2 * half * WIDTH + (GAP if columns > 1 else 0)
        figure = plotting.new_figure(1.05 * pitch * columns + 0.3, 1.05 * depth * (HEIGHT + GAP) + 0.6)
        axes = figure.add_subplot()
        axes.axis("off")

        def center(box: GraphNode) -> tuple[float, float]:
            column, row = divmod(box.y, depth)
            return (box.x + half) * WIDTH + column * pitch, -row * (HEIGHT + GAP)

        box_of_layer = {name: box for box in self.boxes for name in box.names}
        w, style = WIDTH * 0.9, "round,pad=0,rounding_size=0.08"
        for box in self.boxes:
            x, y = center(box)
            color = next((c for word, c in COLORS.items() if word in box.kinds[0]), "#f5f5f5")
            corner = (x - w / 2, y - HEIGHT / 2)
            axes.add_patch(FancyBboxPatch(corner, w, HEIGHT, boxstyle=style, fc=color, ec="#555"))
            axes.text(x, y + 0.16, box.names[0], ha="center", va="center", fontsize=8, fontweight="bold")
            axes.text(x, y - 0.04, " + ".join(box.kinds), ha="center", va="center", fontsize=6)
            axes.text(x, y - 0.2, format_shape(box.row.shape), ha="center", va="center", fontsize=6.5, color="#333")
            for name in box.inputs:
                source = box_of_layer.get(name)
                if source is None or source is box:
                    continue
                x0, y0 = center(source)
                start, end = (x0, y0 - HEIGHT / 2), (x, y + HEIGHT / 2)
                if source.y // depth < box.y // depth:  # to the top of the next column, between the two
                    between, low, high = x - half * WIDTH - GAP / 2, start[1] - GAP / 2, end[1] + GAP / 2
                    corners = [start, (start[0], low), (between, low), (between, high), (end[0], high)]
                    axes.plot(*zip(*corners, strict=True), lw=0.9, color="#555")
                    start = corners[-1]
                axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, lw=0.9, color="#555"))
        axes.set_xlim(-0.1, pitch * columns + 0.1)
        axes.set_ylim(-(depth - 1) * (HEIGHT + GAP) - HEIGHT - GAP / 2, HEIGHT + GAP / 2)
        axes.set_title(self.name, fontsize=10)
        axes.set_aspect("equal")
        return figure


def draw_graph(model: Any, size: Any = None, fold: bool = True) -> ModelGraph:
    """Lay out a functional or Sequential model.

    Args:
        model: The model, or its `LayerTable`.
        size: Size of the input where the model leaves it open, see `layer_table`.
        fold: Draw activations, normalization and dropout in the box of the layer before them if nothing else reads that layer.

    Raises:
        KerasRecipesError: The model has no graph.

    Example:
        >>> draw_graph(kerasrecipes.load("squeezenet")).save("squeezenet.png")
    """
    table = model if isinstance(model, LayerTable) else layer_table(model, size)
    return ModelGraph(table.name, tuple(_layout(_fold_layers(table) if fold else [[r] for r in table.rows])))


def _fold_layers(table: LayerTable) -> list[list[LayerRow]]:
    """Group rows that share a box."""
    num_readers: dict[str, int] = {}
    for row in table.rows:
        for name in row.inputs:
            num_readers[name] = num_readers.get(name, 0) + 1
    groups: list[list[LayerRow]] = []
    group_by_layer: dict[str, list[LayerRow]] = {}
    for row in table.rows:
        source = row.inputs[0] if row.inputs else ""
        group = group_by_layer.get(source)
        if row.kind in FOLDED_LAYERS and group and group[-1].name == source and num_readers[source] == 1:
            group.append(row)
        else:
            group = [row]
            groups.append(group)
        group_by_layer[row.name] = group
    return groups


def _layout(groups: list[list[LayerRow]]) -> list[GraphNode]:
    """Place groups of the same depth side by side, each as near to its inputs as there is room."""
    depths: dict[str, int] = {}
    columns: dict[str, float] = {}
    levels: dict[int, list[list[LayerRow]]] = {}
    for group in groups:
        names = {row.name for row in group}
        level = 1 + max((depths.get(n, -1) for r in group for n in r.inputs if n not in names), default=-1)
        depths.update(dict.fromkeys(names, level))
        levels.setdefault(level, []).append(group)
    boxes = []
    for level in sorted(levels):
        targets = []
        for group in levels[level]:
            inputs = [columns[n] for n in group[0].inputs if n in columns]
            targets.append((sum(inputs) / len(inputs) if inputs else 0.0, group))
        targets.sort(key=lambda pair: (pair[0], groups.index(pair[1])))
        middle = sum(x for x, _ in targets) / len(targets)
        for i, (_, group) in enumerate(targets):
            x = middle + i - (len(targets) - 1) / 2
            columns.update({r.name: x for r in group})
            kinds = tuple(r.kind for r in group)
            boxes.append(GraphNode(group[-1], tuple(r.name for r in group), kinds, group[0].inputs, x, level))
    return boxes
