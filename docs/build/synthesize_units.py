"""Synthesize images for 60 units of squeezenet, for the page Look inside and the guide: about 20 minutes on one core.

    python docs/build/synthesize_units.py            # resumes an interrupted run; the images are kept in the repository

The units are those with the highest activations on the five free images, in turn image by image, and ten classes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

UNITS_FOLDER = Path(__file__).parents[1] / "live" / "units"
SHEET_PATH = Path(__file__).parents[1] / "guides" / "visualize" / "units.jpg"
SETTINGS = {"steps": 150, "step_policy": "normalized", "target_gain": 8.0}  # changes of the paper's third preset
# for classes: fewer and larger shapes
CLASS_SETTINGS = SETTINGS | {"steps": 200, "target_gain": 12.0, "l2_decay": 0.002, "blur_width": 1.5}
UNITS = {  # layer: (random starts in one image, units)
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
TILE_SIZE = 118  # pixels of a unit on the sheet


def unit_names() -> Iterator[tuple[str, int, list[str]]]:
    """Yield (layer, random starts, units as `find_unit` takes them) for each layer."""
    for layer, (num_restarts, units) in UNITS.items():
        yield layer, num_restarts, [f"{layer}:{unit}" for unit in units]


def synthesize_missing() -> list[Path]:
    """Synthesize the missing images and return all files in the order of the units."""
    import kerasrecipes
    from kerasrecipes import visualize

    model = kerasrecipes.load("squeezenet", compile=False)

    def show(done: int, total: int) -> None:
        print(f"{done} of {total}")

    # most images in the repository were made before settings were stored: they are accepted as they are
    options: dict[str, Any] = {"suffix": ".jpg", "progress": show, "keep_unknown": True}
    paths: list[Path] = []
    for layer, num_restarts, units in unit_names():
        settings = CLASS_SETTINGS if layer == "scores" else SETTINGS
        paths += visualize.synthesize_to_folder(
            model, units, UNITS_FOLDER, num_restarts=num_restarts, **options, **settings
        )
    return paths


def make_sheet(paths: list[Path]) -> Image.Image:
    """Arrange all images, a row for each layer."""
    rows, first = [], 0
    for layer, (_, units) in UNITS.items():
        rows.append((layer, paths[first : first + len(units)]))
        first += len(units)
    width = max(len(files) for _, files in rows)
    sheet = Image.new("RGB", (70 + width * (TILE_SIZE + 2), len(rows) * (TILE_SIZE + 2)), "white")
    for y, (layer, files) in enumerate(rows):
        ImageDraw.Draw(sheet).text((4, y * (TILE_SIZE + 2) + TILE_SIZE // 2 - 6), layer, fill="black", font_size=14)
        for x, file in enumerate(files):
            with Image.open(file) as image:
                tile = ImageOps.pad(image.convert("RGB"), (TILE_SIZE, TILE_SIZE), Image.Resampling.LANCZOS, "white")
            sheet.paste(tile, (70 + x * (TILE_SIZE + 2), y * (TILE_SIZE + 2)))
    return sheet


if __name__ == "__main__":
    sheet = make_sheet(synthesize_missing())
    sheet.save(SHEET_PATH, quality=85)
    print(SHEET_PATH, np.shape(sheet))
