"""A network as a graph and as the paper's table: shapes, parameters, multiply-adds, receptive fields."""

from typing import Any

from kerasrecipes import registry
from kerasrecipes.visualize.model_graph import GraphNode, ModelGraph, draw_graph
from kerasrecipes.visualize.model_table import LayerTable, layer_table
from pages.text import escape

WIDTH, HEIGHT, GAP = 176, 50, 20  # of a box and between two rows, in pixels
ROWS = 13  # of a column; then the graph goes on beside it
KINDS = {
    "Conv": "conv", "Stack": "conv", "Codes": "conv", "Pool": "pool", "Dense": "dense", "Norm": "norm", "Standard": "norm",
    "Recurrent": "cell", "GRU": "cell", "LSTM": "cell", "Concatenate": "join", "Add": "join", "Spectr": "front",
    "Bands": "front", "Bank": "front", "Cepstra": "front", "Deltas": "front", "Embedding": "front", "MuLaw": "front",
    "Means": "front", "Rescaling": "front",
}  # fmt: skip
CELLS = (45, 60)  # of a segmenter's output, for an input of open size


def size_of(model: Any, task: str) -> tuple[Any, str]:
    """A size for an input that leaves it open, and how to say it."""
    if task == "segmentation":
        inside = tuple(n * model.stride for n in CELLS)
        return tuple(
            n + 2 * model.margin for n in inside
        ), f"a picture of {inside[0]} x {inside[1]} pixels and its margin"
    if task == "image-classification":
        return None, "a picture"
    if task == "language-model":
        return (100,), "100 characters"
    if getattr(model, "mels", 0):
        seconds = model.sample_rate
        return {"audio": (seconds,), "spectrogram": (model.frames(seconds), model.mels)}, "a second of sound"
    return None, "a second of sound"


def svg(graph: ModelGraph) -> str:
    """The graph as an SVG that takes its colours from the page."""
    turns = -(-graph.rows // ROWS)
    deep = -(-graph.rows // turns)
    reach = 0.5 + max(abs(b.x) for b in graph.boxes)
    pitch = 2 * reach * (WIDTH + 12) + (28 if turns > 1 else 0)

    def centre(box: GraphNode) -> tuple[float, float]:
        turn, row = divmod(box.y, deep)
        return (box.x + reach) * (WIDTH + 12) + turn * pitch, row * (HEIGHT + GAP) + HEIGHT / 2 + 4

    at = {name: box for box in graph.boxes for name in box.names}
    drawn = []
    for box in graph.boxes:
        x, y = centre(box)
        for name in box.inputs:
            if name not in at or at[name] is box:
                continue
            x0, y0 = centre(at[name])
            begin, end = y0 + HEIGHT / 2, y - HEIGHT / 2
            if at[name].y // deep < box.y // deep:  # over to the next column, between the two
                aside = x - reach * (WIDTH + 12) - 6
                way = f"M{x0:.0f} {begin:.0f}V{begin + 9:.0f}H{aside:.0f}V{end - 9:.0f}H{x:.0f}V{end:.0f}"
            else:
                way = f"M{x0:.0f} {begin:.0f}L{x:.0f} {end:.0f}"
            drawn.append(f'<path d="{way}" marker-end="url(#tip)"/>')
    for box in graph.boxes:
        x, y = centre(box)
        kind = next((k for word, k in KINDS.items() if word in box.kinds[0]), "other")
        about = f"{', '.join(box.names)}: {box.row.parameters:,} parameters in the last"
        drawn.append(
            f'<g class="box {kind}"><title>{escape(about)}</title>'
            f'<rect x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="7"/>'
            f'<text x="{x:.0f}" y="{y - 9:.0f}" class="name">{escape(short(box.names[0], 26))}</text>'
            f'<text x="{x:.0f}" y="{y + 5:.0f}">{escape(short(kinds(box), 36))}</text>'
            f'<text x="{x:.0f}" y="{y + 18:.0f}">{escape(shape(box.row.shape))}</text></g>'
        )
    width, height = turns * pitch + 8, deep * (HEIGHT + GAP) + 8
    return (
        f'<div class="graph" tabindex="0" role="region" aria-label="Graph of the layers"><svg viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{len(graph.boxes)} layers of {escape(graph.name)}">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z"/></marker></defs>{"".join(drawn)}</svg></div>'
    )  # fmt: skip


ALIASES = {
    "SequenceBatchNormalization": "BatchNorm", "BatchNormalization": "BatchNorm", "SequenceConv1D": "Conv1D",
    "SequenceConv2D": "Conv2D", "SequenceMaxPooling": "MaxPooling", "LocalResponseNormalization": "LocalResponseNorm",
    "UtteranceNormalization": "UtteranceNorm",
}  # fmt: skip


def kinds(box: GraphNode) -> str:
    return " + ".join(ALIASES.get(k, k) for k in box.kinds if k != "Mask" or len(box.kinds) == 1)


def short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def shape(sizes: tuple) -> str:
    return " \u00d7 ".join("?" if n is None else f"{n:,}" for n in sizes)


def layers(found: LayerTable, graph: ModelGraph, rate: int | None) -> str:
    """The table, a row for each box of the graph; a bar shows how much of the input one unit sees."""
    rows = {r.name: r for r in found.rows}
    spans = [max((s for s in box.row.span if s), default=0) for box in graph.boxes]
    most = max([*spans, 1])
    head = ("layer", "kind", "output", "parameters", "multiply-adds", "one unit sees")
    lines = ["<tr>" + "".join(f"<th>{h}</th>" for h in head) + "</tr>"]
    for box, widest in zip(graph.boxes, spans, strict=True):
        own = [rows[n] for n in box.names]
        everything = bool(box.row.span) and all(s is None for s in box.row.span)
        share = 100 if everything else 100 * widest / most
        lines.append(
            f"<tr><td><code>{escape(box.names[0])}</code></td><td>{escape(kinds(box))}</td><td>{escape(shape(box.row.shape))}</td>"
            f"<td>{sum(r.parameters for r in own):,}</td><td>{sum(r.multiply_adds for r in own):,}</td>"
            f'<td class="sees"><i style="width:{share:.1f}%"></i><span>{escape(sees(box.row.span, rate))}</span></td></tr>'
        )  # fmt: skip
    total, products = sum(r.parameters for r in rows.values()), sum(r.multiply_adds for r in rows.values())
    lines.append(f"<tr><th>in all</th><td></td><td></td><th>{total:,}</th><th>{products:,}</th><td></td></tr>")
    return f'<div class="layers" tabindex="0" role="region" aria-label="Table of the layers"><table>{"".join(lines)}</table></div>'


def sees(span: tuple, rate: int | None) -> str:
    """A receptive field in input steps, of sound in milliseconds too."""
    if not span:
        return "?"
    if all(s is None for s in span):
        return "all"
    if rate and len(span) == 1:
        return f"{span[0]:,} ({1000 * span[0] / rate:.3g} ms)"
    return (
        " \u00d7 ".join("all" if s is None else f"{s:,}" for s in dict.fromkeys(span))
        if len(set(span)) > 1
        else f"{span[0]:,}"
    )


def section(recipe: registry.Recipe, model: Any) -> list[str]:
    """The part "architecture"."""
    size, said = size_of(model, recipe.task)
    rate = getattr(model, "sample_rate", None)
    found = layer_table(model, size)
    graph = draw_graph(found)  # rectifiers and the like are in the box of what they follow
    unit = "samples" if rate else "characters" if recipe.task == "language-model" else "pixels"
    return [
        "## Architecture", "",
        f"As the package draws and counts it for {said} (`visualize.draw_graph`, `visualize.layer_table`). "
        "Multiply-adds are the products of kernels.", "",
        svg(graph), "", layers(found, graph, rate), "", f"What one unit sees is counted in {unit} of the input.", "",
    ]  # fmt: skip
