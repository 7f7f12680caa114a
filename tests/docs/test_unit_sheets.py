"""The sheets of whole layers that draw_units.py draws."""

import json
from pathlib import Path

import pytest
from PIL import Image

from kerasrecipes.hub import manifest

LAYERS = Path(__file__).resolve().parents[2] / "docs" / "live" / "layers"
INDEXES = sorted(LAYERS.glob("*/layers.json"))
KINDS = ("synthesized", "patches", "saliency")


@pytest.mark.parametrize("index", INDEXES, ids=lambda path: path.parent.name)
def test_a_sheet_has_a_tile_for_each_unit_of_the_released_weights(index):
    layers = json.loads(index.read_text("utf-8"))
    assert {path.name for path in index.parent.glob("*.jpg")} == {f"{layer}.{kind}.jpg" for layer in layers for kind in KINDS}
    for layer, entry in layers.items():
        size = (entry["columns"] * entry["tile"], -(-entry["units"] // entry["columns"]) * entry["tile"])
        assert {Image.open(index.parent / f"{layer}.{kind}.jpg").size for kind in KINDS} == {size}, layer
        assert entry["weights"] == manifest.entries()[index.parent.name].sha256, f"python docs/build/draw_units.py {index.parent.name}"


def test_the_sheets_take_at_most_25_megabytes():
    assert INDEXES and sum(path.stat().st_size for path in LAYERS.rglob("*.jpg")) <= 25_000_000
