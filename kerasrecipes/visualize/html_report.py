"""HTML pages about units, with PNG images: no script, no server and no network access."""

import html
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.receptive_field import receptive_field
from kerasrecipes.graph.units import Unit, find_unit, output_names
from kerasrecipes.image import list_image_files
from kerasrecipes.utils.files import atomic_write, write_json
from kerasrecipes.utils.plotting import enlarge_nearest, save_image
from kerasrecipes.visualize.model_table import LayerTable, layer_table
from kerasrecipes.visualize.saliency import SaliencyMethod
from kerasrecipes.visualize.synthesis_cache import synthesize_to_folder, weights_hash
from kerasrecipes.visualize.top_patches import TOP_K, TopPatches, find_top_activations, top_image_patches

MIN_IMAGE_SIZE = 240  # smallest longer side in pixels: small patches are enlarged
EMPTY_SALIENCY_NOTE = "; all zero, because no signal passes the rectifiers: try another --method"
NUMBER = ' class="n"'  # attribute of table cells with numbers
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; margin: 2em auto; max-width: 70em; padding: 0 1em }
h1 { font-size: 1.4em } h2 { font-size: 1.1em; margin: 1.6em 0 .4em } a { color: #3f51b5 }
table { border-collapse: collapse; font-size: 13px } td, th { padding: .15em .8em .15em 0; border-bottom: 1px solid #ddd; text-align: left }
td.n, th.n { text-align: right } figure { display: inline-block; margin: 0 1.2em 1em 0; vertical-align: top }
figcaption { font-size: 13px; color: #555; max-width: 26em } img { image-rendering: pixelated; max-width: 26em }
.units { display: flex; flex-wrap: wrap; gap: 1em } .units img { width: 9em } .units a { text-decoration: none; font-size: 13px }
"""


def write_report(
    model: Any, units: Sequence[str], folder: str | Path, images: Any, *, preset: int | str | None = None, num_restarts: int = 4,
    steps: int | None = None, method: str = "deconv", log: Callable[[str], None] | None = None,
) -> Path:  # fmt: skip
    """Write a page for each unit and an index.

    The page of a unit shows synthesized inputs, the patches that activate it most, and its saliency in them. Images of an
    interrupted run with the same settings are kept.

    Args:
        model: Functional or Sequential model of an image.
        units: Units; their positions are ignored.
        folder: Folder of the pages.
        images: A folder or a list of images in which to find the patches.
        preset: See `synthesize`.
        num_restarts: Random starts of each unit.
        steps: Steps of the ascent.
        method: Saliency method: "deconv", "guided" or "gradient".
        log: Called with a line for each part.

    Returns:
        The index page.

    Raises:
        KerasRecipesError: No such unit, or the folder holds a report with other weights or settings.
        ImageError: There are no images.
    """
    log = log or (lambda text: None)
    folder = Path(folder)
    targets = [Unit(u.layer, u.channel) for u in (find_unit(model, u) for u in units)]
    if not targets:
        raise KerasRecipesError('Name units for the report: --units "conv1:0,conv1:1"')
    # before the synthesis, so that a folder without images is reported at once
    sources = images if isinstance(images, np.ndarray) else list_image_files(images)
    settings = {
        "model": model.name, "weights": weights_hash(model), "preset": preset or 3, "num_restarts": num_restarts, "steps": steps,
        "method": method, "images": str(images),
    }  # fmt: skip
    _check_settings(folder, settings)
    table = layer_table(model)
    names = output_names(model)
    synthesize_to_folder(
        model, targets, folder / "synthesized", preset, num_restarts=num_restarts, steps=steps,
        progress=lambda done, total: log(f"{done} of {total} units synthesized"),
    )  # fmt: skip
    missing = [u for u in targets if not (folder / "patches" / f"{u.stem}.json").exists()]
    if missing:
        tops = find_top_activations(
            model, sources, [u.layer for u in missing], progress=lambda done, total: log(f"{done} of {total} images")
        )
        for layer, top in tops.items():
            saliency = SaliencyMethod(model, layer, method)
            for unit in (u for u in missing if u.layer == layer):
                _save_patches(folder, top_image_patches(model, top, unit, method=method, saliency_method=saliency))
                log(f"patches of {unit}")
    titles = {str(u): _title(u, names, table) for u in targets}
    for number, unit in enumerate(targets):
        neighbors = {
            word: targets[i] for word, i in (("previous", number - 1), ("next", number + 1)) if 0 <= i < len(targets)
        }
        _write(
            folder / f"{unit.stem}.html", titles[str(unit)], _unit_page(model, unit, titles, folder, method, neighbors)
        )
    return _write(folder / "index.html", f"Units of {model.name}", _index_page(targets, titles, table))


def _check_settings(folder: Path, settings: dict) -> None:
    """Check that the folder has no report with other settings, and store the settings."""
    path = folder / "settings.json"
    if path.exists() and json.loads(path.read_text("utf-8")) != settings:
        raise KerasRecipesError(
            f"{folder} holds a report with other settings ({path.name}): choose another folder, or remove it"
        )
    write_json(path, settings)


def _save_patches(folder: Path, top: TopPatches) -> None:
    """Save patches and saliency, and last their facts: a JSON file marks complete images."""
    stem = folder / "patches" / top.unit.stem
    save_image(f"{stem}.png", enlarge_nearest(top.render(), MIN_IMAGE_SIZE))
    save_image(f"{stem}_saliency.png", enlarge_nearest(top.render_saliency(), MIN_IMAGE_SIZE))
    facts = {
        "activations": top.activations,
        "is_zero": top.saliency is not None and not np.any(top.saliency != 128),
        "sources": [Path(s).name if isinstance(s, str | Path) else f"image {i}" for i, s in enumerate(top.sources)],
    }
    write_json(f"{stem}.json", facts)


def _title(unit: Unit, names: list[str], table: LayerTable) -> str:
    has_name = unit.channel < len(names) and table[unit.layer].shape[-1] == len(names)
    return f"{unit} ({names[unit.channel]})" if has_name else str(unit)


def _unit_page(model: Any, unit: Unit, titles: dict, folder: Path, method: str, neighbors: dict[str, Unit]) -> str:
    facts = json.loads((folder / "patches" / f"{unit.stem}.json").read_text("utf-8"))
    links = ['<a href="index.html">all units</a>']
    links += [f'<a href="{u.stem}.html">{word}: {html.escape(titles[str(u)])}</a>' for word, u in neighbors.items()]
    span = receptive_field(model, unit).span
    size = "the whole image" if None in span else f"{' x '.join(map(str, span))} pixels"
    rows = "".join(
        f'<tr><td class="n">{i}</td><td class="n">{value:.2f}</td><td>{html.escape(source)}</td></tr>'
        for i, (value, source) in enumerate(zip(facts["activations"], facts["sources"], strict=True), 1)
    )
    note = EMPTY_SALIENCY_NOTE if facts["is_zero"] else ""
    return f"""<p>{" &middot; ".join(links)}</p>
<p>Receptive field: {size}.</p>
<h2>Synthesized inputs</h2>
{_figure(f"synthesized/{unit.stem}.png", "gradient ascent from random starts (arXiv 1506.06579)")}
<h2>Highest activations</h2>
{_figure(f"patches/{unit.stem}.png", f"the {TOP_K} strongest positions, one in each image, row by row")}
{_figure(f"patches/{unit.stem}_saliency.png", f"saliency in these patches: {method}{note}")}
<table><tr><th class="n">#</th><th class="n">activation</th><th>image</th></tr>{rows}</table>"""


def _figure(source: str, caption: str) -> str:
    return f'<figure><img src="{html.escape(source)}" alt=""><figcaption>{html.escape(caption)}</figcaption></figure>'


def _index_page(units: Sequence[Unit], titles: dict, table: LayerTable) -> str:
    tiles = "".join(
        f'<a href="{u.stem}.html"><img src="patches/{u.stem}.png" alt=""><br>{html.escape(titles[str(u)])}</a>'
        for u in units
    )

    def row(tag: str, cells: Sequence[str]) -> str:
        parts = (f"<{tag}{NUMBER * (i > 2)}>{html.escape(c)}</{tag}>" for i, c in enumerate(cells))
        return f"<tr>{''.join(parts)}</tr>"

    head, *rows = table.lines()
    lines = row("th", head) + "".join(row("td", r) for r in rows)
    return f'<div class="units">{tiles}</div><h2>Layers</h2><table>{lines}</table>'


def _write(path: Path, title: str, body: str) -> Path:
    return atomic_write(
        path,
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style><h1>{html.escape(title)}</h1>{body}</html>',
    )
