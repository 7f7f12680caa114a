"""Draw what 60 units of squeezenet would like to see, for the page Look inside and the guide: about 20 minutes of one core.

    python docs/build/synthesize_units.py            # goes on where it was; the pictures are kept in the repository

Chosen are the units that react most to the five free pictures, in turn picture by picture, and ten classes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

OUT = Path(__file__).parents[1] / "live" / "units"
SHEET = Path(__file__).parents[1] / "guides" / "visualize" / "units.jpg"
SETTINGS = {"steps": 150, "rate": "normalized", "gain": 8.0}  # else the third preset of the paper
CLEARLY = SETTINGS | {
    "steps": 200,
    "gain": 12.0,
    "decay": 0.002,
    "blur_width": 1.5,
}  # of the classes: fewer and larger shapes
UNITS = {  # layer: (random starts in one picture, units)
    "conv1": (4, [1, 29, 50, 67]),
    "fire2": (4, [8, 20, 44, 98]),
    "fire3": (4, [12, 33, 93, 100, 109, 122]),
    "fire4": (4, [145, 170, 210, 215, 222, 236]),
    "fire5": (4, [35, 145, 148, 183, 191, 220]),
    "fire6": (4, [229, 241, 247, 281, 285, 381]),
    "fire7": (4, [197, 226, 260, 323, 343, 345]),
    "fire8": (4, [271, 305, 319, 326, 394, 430]),
    "fire9": (2, [197, 398, 404, 411, 456, 489]),
    "scores": (1, ["flamingo", "Egyptian cat", "espresso", "space shuttle", "jellyfish", "peacock", "strawberry", "zebra",
                   "pineapple", "school bus"]),
}  # fmt: skip
TILE = 118  # pixels of a unit on the sheet


def names() -> Iterator[tuple[str, int, list[str]]]:
    """(layer, starts, units as `find_unit` takes them) for each layer."""
    for layer, (starts, units) in UNITS.items():
        yield layer, starts, [f"{layer}:{unit}" for unit in units]


def draw() -> list[Path]:
    """Make what is missing; the files in the order of the units."""
    import kerasrecipes
    from kerasrecipes import visualize

    model = kerasrecipes.load("squeezenet", compile=False)
    # most of what the repository keeps came without a settings file: it is taken for what is asked here
    options: dict[str, Any] = {"suffix": ".jpg", "progress": print, "keep_unknown": True}
    found: list[Path] = []
    for layer, starts, units in names():
        settings = CLEARLY if layer == "scores" else SETTINGS
        found += visualize.synthesize_to_folder(model, units, OUT, starts=starts, **options, **settings)
    return found


def sheet(paths: list[Path]) -> Image.Image:
    """All pictures, a row for each layer."""
    rows, at = [], 0
    for layer, (_, units) in UNITS.items():
        rows.append((layer, paths[at : at + len(units)]))
        at += len(units)
    page = Image.new("RGB", (70 + max(len(p) for _, p in rows) * (TILE + 2), len(rows) * (TILE + 2)), "white")
    for y, (layer, files) in enumerate(rows):
        ImageDraw.Draw(page).text((4, y * (TILE + 2) + TILE // 2 - 6), layer, fill="black", font_size=14)
        for x, file in enumerate(files):
            with Image.open(file) as picture:
                tile = ImageOps.pad(picture.convert("RGB"), (TILE, TILE), Image.Resampling.LANCZOS, "white")
            page.paste(tile, (70 + x * (TILE + 2), y * (TILE + 2)))
    return page


if __name__ == "__main__":
    page = sheet(draw())
    page.save(SHEET, quality=85)
    print(SHEET, np.shape(page))
