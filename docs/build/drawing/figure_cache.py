"""A recipe's folder of kept pictures, sounds and examples, and `figures.json` that says what they are."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes.hub import manifest

ROOT = Path(__file__).parents[3]
CACHE = ROOT / "docs" / "cache"
CLIPS = ROOT / "tests" / "fixtures" / "LibriSpeech" / "dev-mini"  # the clips that ship with the tests
REPORT = ("251", "652", "777", "1673", "1919")  # speakers of dev-mini-report


class Keeper:
    """Collects what is shown on a recipe's page; `write` puts it all in place of what was there."""

    def __init__(self, name: str):
        self.name, self.folder = name, CACHE / f".{name}.partial"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.learned: list[dict[str, str]] = []
        self.wrong: dict[str, Any] = {}

    def figure(self, file: str, drawn: Any, title: str, text: str) -> None:
        """A matplotlib figure as a PNG of few colors."""
        drawn.savefig(self.folder / file, format="png", dpi=110)
        self.shrink(file)
        self.shown(file, title, text)

    def image(self, file: str, pixels: np.ndarray, title: str, text: str, least: int = 0) -> None:
        """Pixels, repeated until the longer side has `least`; JPEG if the name says so."""
        factor = max(-(-least // max(pixels.shape[:2])), 1)
        big = Image.fromarray(pixels.repeat(factor, 0).repeat(factor, 1))
        if file.endswith(".jpg"):
            big.convert("RGB").save(self.folder / file, quality=82)
        else:
            big.save(self.folder / file, optimize=True)
        self.shown(file, title, text)

    def shrink(self, file: str) -> None:
        Image.open(self.folder / file).convert("RGB").quantize(64).save(self.folder / file, optimize=True)

    def shown(self, file: str, title: str, text: str) -> None:
        self.learned.append({"file": file, "title": title, "text": text})

    def write(self) -> Path:
        """Replace the recipe's folder; it belongs to the weights whose hash it names."""
        row = manifest.entries().get(self.name)
        found = {"weights": row.sha256 if row else None, "learned": self.learned, "wrong": self.wrong}
        (self.folder / "figures.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
        place = CACHE / self.name
        shutil.rmtree(place, ignore_errors=True)
        self.folder.rename(place)
        return place


def clips() -> dict[str, tuple[Path, str]]:
    """Name of each clip that ships -> its file and its text in lower case."""
    found = {}
    for lines in sorted(CLIPS.glob("*/*/*.trans.txt")):
        for line in lines.read_text("utf-8").splitlines():
            name, text = line.split(" ", 1)
            path = lines.with_name(f"{name}.mp3")
            if path.is_file():
                found[name] = (path, text.lower())
    return found
