"""Folder of a recipe in docs/cache: images, audio, and `figures.json` with captions and examples."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes.hub import manifest

ROOT = Path(__file__).parents[3]
CACHE = ROOT / "docs" / "cache"
CLIPS = ROOT / "tests" / "fixtures" / "LibriSpeech" / "dev-mini"  # clips that come with the tests
REPORT = ("251", "652", "777", "1673", "1919")  # speakers of dev-mini-report


class FigureCache:
    """Collects the figures of a recipe's page. `write` replaces the earlier ones."""

    def __init__(self, name: str):
        self.name, self.folder = name, CACHE / f".{name}.partial"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.learned: list[dict[str, str]] = []
        self.wrong: dict[str, Any] = {}

    def save_figure(self, file: str, figure: Any, title: str, text: str) -> None:
        """Save a matplotlib figure as a PNG with few colors."""
        figure.savefig(self.folder / file, format="png", dpi=110)
        self.reduce_colors(file)
        self.add_caption(file, title, text)

    def save_image(self, file: str, pixels: np.ndarray, title: str, text: str, min_side: int = 0) -> None:
        """Save pixels, repeated until the longer side has `min_side`, as JPEG or PNG by the suffix."""
        factor = max(-(-min_side // max(pixels.shape[:2])), 1)
        big = Image.fromarray(pixels.repeat(factor, 0).repeat(factor, 1))
        if file.endswith(".jpg"):
            big.convert("RGB").save(self.folder / file, quality=82)
        else:
            big.save(self.folder / file, optimize=True)
        self.add_caption(file, title, text)

    def reduce_colors(self, file: str) -> None:
        Image.open(self.folder / file).convert("RGB").quantize(64).save(self.folder / file, optimize=True)

    def add_caption(self, file: str, title: str, text: str) -> None:
        self.learned.append({"file": file, "title": title, "text": text})

    def write(self) -> Path:
        """Replace the recipe's folder. It stores the hash of the weights that it belongs to."""
        row = manifest.entries().get(self.name)
        content = {"weights": row.sha256 if row else None, "learned": self.learned, "wrong": self.wrong}
        (self.folder / "figures.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        folder = CACHE / self.name
        shutil.rmtree(folder, ignore_errors=True)
        self.folder.rename(folder)
        return folder


def list_clips() -> dict[str, tuple[Path, str]]:
    """Return name -> (file, text in lower case) of each clip that comes with the tests."""
    clips = {}
    for lines in sorted(CLIPS.glob("*/*/*.trans.txt")):
        for line in lines.read_text("utf-8").splitlines():
            name, text = line.split(" ", 1)
            path = lines.with_name(f"{name}.mp3")
            if path.is_file():
                clips[name] = (path, text.lower())
    return clips
