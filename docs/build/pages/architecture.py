"""Section "Architecture": the network as a graph, and a table of shapes, parameters, multiply-adds and receptive fields."""

from typing import Any

from kerasrecipes import registry
from kerasrecipes.visualize.model_graph import GraphNode, ModelGraph, draw_graph
from kerasrecipes.visualize.model_table import LayerTable, layer_table
from pages.text import escape

WIDTH, HEIGHT, GAP = 176, 50, 20  # size of a box and distance between two rows, in pixels
ROWS = 13  # in a column; longer graphs continue in the next column
KINDS = {
    "Conv": "conv", "Stack": "conv", "Pool": "pool", "Dense": "dense", "Norm": "norm", "Standard": "norm",
    "RNN": "cell", "GRU": "cell", "LSTM": "cell", "Concatenate": "join", "Add": "join", "Spectr": "front",
    "Bank": "front", "MFCC": "front", "Deltas": "front", "Embedding": "front", "MuLaw": "front",
    "Means": "front", "Rescaling": "front",
}  # fmt: skip
GRID_SIZE = (45, 60)  # output of a segmenter, whose input size is open


def choose_example_size(model: Any, task: str) -> tuple[Any, str]:
    """Return a size for an input of open size, and its description."""
    if task == "segmentation":
        inside = tuple(n * model.stride for n in GRID_SIZE)
        return tuple(
            n + 2 * model.margin for n in inside
        ), f"an image of {inside[0]} x {inside[1]} pixels with its margin"
    if task == "image-classification":
        return None, "an image"
    if task == "language-model":
        return (100,), "100 characters"
    if getattr(model, "n_mels", 0):
        seconds = model.sample_rate
        return {"audio": (seconds,), "spectrogram": (model.num_frames(seconds), model.n_mels)}, "a second of audio"
    return None, "a second of audio"


def render_svg(graph: ModelGraph) -> str:
    """Return the graph as an SVG whose colors come from the page's style sheet."""
    columns = -(-graph.rows // ROWS)
    rows = -(-graph.rows // columns)
    reach = 0.5 + max(abs(b.x) for b in graph.boxes)
    pitch = 2 * reach * (WIDTH + 12) + (28 if columns > 1 else 0)

    def center(box: GraphNode) -> tuple[float, float]:
        column, row = divmod(box.y, rows)
        return (box.x + reach) * (WIDTH + 12) + column * pitch, row * (HEIGHT + GAP) + HEIGHT / 2 + 4

    at = {name: box for box in graph.boxes for name in box.names}
    elements = []
    for box in graph.boxes:
        x, y = center(box)
        for name in box.inputs:
            if name not in at or at[name] is box:
                continue
            x0, y0 = center(at[name])
            begin, end = y0 + HEIGHT / 2, y - HEIGHT / 2
            if at[name].y // rows < box.y // rows:  # to the next column
                aside = x - reach * (WIDTH + 12) - 6
                path = f"M{x0:.0f} {begin:.0f}V{begin + 9:.0f}H{aside:.0f}V{end - 9:.0f}H{x:.0f}V{end:.0f}"
            else:
                path = f"M{x0:.0f} {begin:.0f}L{x:.0f} {end:.0f}"
            elements.append(f'<path d="{path}" marker-end="url(#tip)"/>')
    for box in graph.boxes:
        x, y = center(box)
        kind = next((k for word, k in KINDS.items() if word in box.kinds[0]), "other")
        about = f"{', '.join(box.names)}: {box.row.parameters:,} parameters in the last"
        elements.append(
            f'<g class="box {kind}"><title>{escape(about)}</title>'
            f'<rect x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="7"/>'
            f'<text x="{x:.0f}" y="{y - 9:.0f}" class="name">{escape(shorten(box.names[0], 26))}</text>'
            f'<text x="{x:.0f}" y="{y + 5:.0f}">{escape(shorten(format_layer_kinds(box), 36))}</text>'
            f'<text x="{x:.0f}" y="{y + 18:.0f}">{escape(format_shape(box.row.shape))}</text></g>'
        )
    width, height = columns * pitch + 8, rows * (HEIGHT + GAP) + 8
    return (
        f'<div class="graph" tabindex="0" role="region" aria-label="Graph of the layers"><svg viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{len(graph.boxes)} layers of {escape(graph.name)}">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z"/></marker></defs>{"".join(elements)}</svg></div>'
    )  # fmt: skip


ALIASES = {
    "MaskedBatchNormalization": "BatchNorm", "BatchNormalization": "BatchNorm", "SequenceConv1D": "Conv1D",
    "SequenceConv2D": "Conv2D", "SequenceMaxPooling": "MaxPooling", "LocalResponseNormalization": "LocalResponseNorm",
    "UtteranceNormalization": "UtteranceNorm",
}  # fmt: skip


def format_layer_kinds(box: GraphNode) -> str:
    return " + ".join(ALIASES.get(k, k) for k in box.kinds if k != "SequenceMask" or len(box.kinds) == 1)


def shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def format_shape(sizes: tuple) -> str:
    return " \u00d7 ".join("?" if n is None else f"{n:,}" for n in sizes)


def make_layer_table(layer_info: LayerTable, graph: ModelGraph, rate: int | None) -> str:
    """Return the table with a row for each box of the graph. A bar shows the receptive field."""
    rows = {r.name: r for r in layer_info.rows}
    spans = [max((s for s in box.row.span if s), default=0) for box in graph.boxes]
    most = max([*spans, 1])
    head = ("layer", "kind", "output", "parameters", "multiply-adds", "receptive field")
    lines = ["<tr>" + "".join(f"<th>{h}</th>" for h in head) + "</tr>"]
    for box, widest in zip(graph.boxes, spans, strict=True):
        own = [rows[n] for n in box.names]
        everything = bool(box.row.span) and all(s is None for s in box.row.span)
        field = escape(format_receptive_field(box.row.span, rate))
        share = 100 if everything else 100 * widest / most
        lines.append(
            f"<tr><td><code>{escape(box.names[0])}</code></td><td>{escape(format_layer_kinds(box))}</td>"
            f"<td>{escape(format_shape(box.row.shape))}</td>"
            f"<td>{sum(r.parameters for r in own):,}</td><td>{sum(r.multiply_adds for r in own):,}</td>"
            f'<td class="sees"><i style="width:{share:.1f}%"></i><span>{field}</span></td></tr>'
        )  # fmt: skip
    total, products = sum(r.parameters for r in rows.values()), sum(r.multiply_adds for r in rows.values())
    lines.append(f"<tr><th>total</th><td></td><td></td><th>{total:,}</th><th>{products:,}</th><td></td></tr>")
    return f'<div class="layers" tabindex="0" role="region" aria-label="Table of the layers"><table>{"".join(lines)}</table></div>'


def format_receptive_field(span: tuple, rate: int | None) -> str:
    """Return a receptive field in input steps, for audio also in milliseconds."""
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


def make_section(recipe: registry.Recipe, model: Any) -> list[str]:
    """Return the section "Architecture"."""
    size, description = choose_example_size(model, recipe.task)
    rate = getattr(model, "sample_rate", None)
    layer_info = layer_table(model, size)
    graph = draw_graph(layer_info)  # activations stand in the box of the layer before them
    unit = "samples" if rate else "characters" if recipe.task == "language-model" else "pixels"
    return [
        "## Architecture", "",
        f"Graph and table for {description}, by `visualize.draw_graph` and `visualize.layer_table`. "
        "Multiply-adds count the products with weights.", "",
        render_svg(graph), "", make_layer_table(layer_info, graph, rate), "", f"Receptive fields are counted in {unit} of the input.", "",
    ]  # fmt: skip
