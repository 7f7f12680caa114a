"""Pages about units that open from disk: plain HTML and PNG, no script, no server and no request to anywhere."""

import html
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import image
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.receptive_field import receptive_field
from kerasrecipes.graph.units import Unit, find_unit, output_names
from kerasrecipes.utils import files, plotting
from kerasrecipes.visualize.model_table import LayerTable, layer_table
from kerasrecipes.visualize.saliency import SaliencyMethod
from kerasrecipes.visualize.synthesis_cache import synthesize_to_folder, weights_hash
from kerasrecipes.visualize.top_patches import TOP_K, TopPatches, find_top_activations, top_image_patches

MIN_IMAGE_SIZE = 240  # pixels of a sheet's longer side, at least: small patches are enlarged pixel by pixel
EMPTY_SALIENCY_NOTE = "; no signal passes the rectifiers on its way down: try another --method"
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; margin: 2em auto; max-width: 70em; padding: 0 1em }
h1 { font-size: 1.4em } h2 { font-size: 1.1em; margin: 1.6em 0 .4em } a { color: #3f51b5 }
table { border-collapse: collapse; font-size: 13px } td, th { padding: .15em .8em .15em 0; border-bottom: 1px solid #ddd; text-align: left }
td.n, th.n { text-align: right } figure { display: inline-block; margin: 0 1.2em 1em 0; vertical-align: top }
figcaption { font-size: 13px; color: #555; max-width: 26em } img { image-rendering: pixelated; max-width: 26em }
.units { display: flex; flex-wrap: wrap; gap: 1em } .units img { width: 9em } .units a { text-decoration: none; font-size: 13px }
"""


def write_report(
    model: Any, units: Sequence[str], folder: str | Path, pictures: Any, *, preset: int | None = None, starts: int = 4,
    steps: int | None = None, method: str = "deconv", progress: Callable[[str], None] | None = None,
) -> Path:  # fmt: skip
    """Write a page for each unit and an index.

    A unit's page shows pictures synthesised for it, the patches of a set that it reacts to most, and what of them it looks at.
    Pictures that are in the folder from an earlier, interrupted run with the same settings are kept.

    Args:
        model: of pictures. units: "conv3:17" ...; their places are not used. pictures: a folder, or a list of pictures.
        preset, starts, steps: of the synthesis. method: how activity is led back: "deconv", "guided" or "gradient".
        progress: called with a line for each part.

    Returns:
        The index page.

    Raises:
        KerasRecipesError: no such unit, a folder with a report of other weights or settings. ImageError: no pictures.
    """
    say = progress or (lambda text: None)
    folder = Path(folder)
    found = [Unit(u.layer, u.channel) for u in (find_unit(model, u) for u in units)]
    if not found:
        raise KerasRecipesError('Name units for the report: --units "conv1:0,conv1:1"')
    # before the work, that a folder without pictures is said at once
    sources = pictures if isinstance(pictures, np.ndarray) else image.list_image_files(pictures)
    settings = {
        "model": model.name,
        "weights": weights_hash(model),
        "preset": preset or 3,
        "starts": starts,
        "steps": steps,
        "method": method,
        "pictures": str(pictures),
    }
    _same_settings(folder, settings)
    table = layer_table(model)
    names = output_names(model)
    synthesize_to_folder(
        model, list(map(str, found)), folder / "synthesized", preset, starts=starts, progress=lambda n: say(f"synthesized {n}"),
        steps=steps,
    )  # fmt: skip
    missing = [u for u in found if not (folder / "patches" / f"{u.stem}.json").exists()]
    if missing:
        maxima = find_top_activations(
            model, sources, [u.layer for u in missing], progress=lambda seen, total: say(f"pictures {seen} of {total}")
        )
        for layer in dict.fromkeys(u.layer for u in missing):
            projector = SaliencyMethod(model, layer, method)
            for unit in (u for u in missing if u.layer == layer):
                _patches(folder, top_image_patches(model, maxima[layer], unit, method=method, projector=projector))
                say(f"patches of {unit}")
    title = {str(u): _title(u, names, table) for u in found}
    for number, unit in enumerate(found):
        before, after = (found[i] if 0 <= i < len(found) else None for i in (number - 1, number + 1))
        _write(folder / f"{unit.stem}.html", title[str(unit)], _page(model, unit, title, folder, method, before, after))
    return _write(folder / "index.html", f"Units of {model.name}", _index(model, found, title, table))


def _same_settings(folder: Path, settings: dict) -> None:
    """Refuse to mix pictures of two settings in a folder."""
    path = folder / "settings.json"
    if path.exists() and json.loads(path.read_text("utf-8")) != settings:
        raise KerasRecipesError(
            f"{folder} holds a report of other settings ({path.name}): choose another folder, or remove it"
        )
    files.atomic_write(path, lambda file: file.write(json.dumps(settings, indent=1).encode()))


def _patches(folder: Path, top: TopPatches) -> None:
    """Sheets of patches and projections, and last, as a sign that they are whole, what is said about them."""
    plotting.save_image(
        folder / "patches" / f"{top.unit.stem}.png", plotting.enlarge_nearest(top.image(), MIN_IMAGE_SIZE)
    )
    plotting.save_image(
        folder / "patches" / f"{top.unit.stem}_back.png",
        plotting.enlarge_nearest(top.projection_image(), MIN_IMAGE_SIZE),
    )
    facts = {
        "activations": top.activations,
        "empty": top.projections is not None and not np.any(top.projections != 128),
        "sources": [Path(s).name if isinstance(s, str | Path) else f"picture {i}" for i, s in enumerate(top.sources)],
    }
    files.atomic_write(
        folder / "patches" / f"{top.unit.stem}.json", lambda file: file.write(json.dumps(facts).encode())
    )


def _title(unit: Unit, names: list[str], table: LayerTable) -> str:
    named = unit.channel < len(names) and table[unit.layer].shape[-1] == len(names)
    return f"{unit} ({names[unit.channel]})" if named else str(unit)


def _page(
    model: Any, unit: Unit, titles: dict, folder: Path, method: str, before: Unit | None, after: Unit | None
) -> str:
    facts = json.loads((folder / "patches" / f"{unit.stem}.json").read_text("utf-8"))
    links = ['<a href="index.html">all units</a>']
    links += [
        f'<a href="{u.stem}.html">{word}: {html.escape(titles[str(u)])}</a>'
        for word, u in (("before", before), ("next", after))
        if u
    ]
    spans = receptive_field(model, unit).span
    sees = "the whole picture" if None in spans else f"{' x '.join(map(str, spans))} pixels"
    rows = "".join(
        f'<tr><td class="n">{i}</td><td class="n">{value:.2f}</td><td>{html.escape(source)}</td></tr>'
        for i, (value, source) in enumerate(zip(facts["activations"], facts["sources"], strict=True), 1)
    )
    return f"""<p>{" &middot; ".join(links)}</p>
<p>It sees {sees}.</p>
<h2>Pictures synthesised for it</h2>
{_figure(f"synthesized/{unit.stem}.png", "gradient ascent from random starts (arXiv 1506.06579)")}
<h2>Where it is most active</h2>
{_figure(f"patches/{unit.stem}.png", f"the {TOP_K} strongest places, one in each picture, row by row")}
{_figure(f"patches/{unit.stem}_back.png", f"what of them it looks at: {method}" + EMPTY_SALIENCY_NOTE * facts["empty"])}
<table><tr><th class="n">#</th><th class="n">activation</th><th>picture</th></tr>{rows}</table>"""


def _figure(source: str, caption: str) -> str:
    return f'<figure><img src="{html.escape(source)}" alt=""><figcaption>{html.escape(caption)}</figcaption></figure>'


def _index(model: Any, units: Sequence[Unit], titles: dict, table: LayerTable) -> str:
    tiles = "".join(
        f'<a href="{u.stem}.html"><img src="patches/{u.stem}.png" alt=""><br>{html.escape(titles[str(u)])}</a>'
        for u in units
    )
    head, *rows = table.lines()
    kinds = ["", "", "", ' class="n"', ' class="n"', ' class="n"', ' class="n"']
    lines = [f"<tr>{''.join(f'<th{k}>{html.escape(c)}</th>' for k, c in zip(kinds, head, strict=True))}</tr>"]
    lines += [
        f"<tr>{''.join(f'<td{k}>{html.escape(c)}</td>' for k, c in zip(kinds, r, strict=True))}</tr>" for r in rows
    ]
    return f'<div class="units">{tiles}</div><h2>Layers</h2><table>{"".join(lines)}</table>'


def _write(path: Path, title: str, body: str) -> Path:
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style><h1>{html.escape(title)}</h1>{body}</html>'
    )
    return files.atomic_write(path, lambda file: file.write(page.encode()))
