"""Section "Every unit", from the sheets in docs/live/layers/NAME that `docs/build/draw_units.py` draws."""

import json

from kerasrecipes.hub import manifest
from pages.text import DOCS, make_shell_block

SHEETS = {
    "synthesized": "Inputs that activate the units most, by gradient ascent",
    "patches": "The four strongest patches in 200 crops of five free images",
    "saliency": "Saliency in these patches, by a deconvnet",
}
INTRODUCTION = (
    "Three pictures for each unit of a layer, as the [Deep Visualization Toolbox]"
    "(https://github.com/yosinski/deep-visualization-toolbox) keeps them. "
    "Units are in reading order, {columns} in a row. Patches at the edge of an image are smaller, and a gray one has no activation."
)


def make_section(name: str, row: manifest.WeightsEntry | None) -> list[str]:
    """Return the section, or no lines for a recipe without sheets."""
    index = DOCS / "live" / "layers" / name / "layers.json"
    if row is None or not index.is_file():
        return []
    layers = json.loads(index.read_text("utf-8"))
    lines = ["## Every unit", "", INTRODUCTION.format(columns=next(iter(layers.values()))["columns"]), ""]
    if any(layer["weights"] != row.sha256 for layer in layers.values()):
        lines += ["!!! warning", "    Some of these pictures belong to earlier weights. The command below makes new ones.", ""]
    for layer, entry in layers.items():
        lines += [f"<details class=sheets><summary><code>{layer}</code>, {entry['units']} units</summary>"]
        for kind, title in SHEETS.items():
            source = f"../../live/layers/{name}/{layer}.{kind}.jpg"
            lines += [f'<p>{title}</p><div><img src="{source}" alt="{title}: {layer}" loading="lazy"></div>']
        lines += ["</details>"]
    return [*lines, "", "Drawn by", "", *make_shell_block([f"python docs/build/draw_units.py {name}"]), ""]
