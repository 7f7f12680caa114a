"""Command that shows each task on files of the package: demo."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import bold, dim, print_line
from kerasrecipes.cli.sections import command

ASSETS = Path(__file__).parents[1] / "assets"
CLIP, CAT, STREET = ASSETS / "demo.mp3", ASSETS / "cat.jpg", ASSETS / "street.jpg"
SPOKEN = "when it is sufficiently thick take it off as it should not boil"  # what the clip says, by LibriSpeech
PHONEME_RECIPE = "palaz_raw_small"
LABEL_WIDTH = 22


@command("demo")
def run_demo() -> None:
    """Show each task on a clip and two images of the package, with the time that each takes."""
    start = time.perf_counter()
    print_line("A clip of 4 s, a photograph and a rendered street, which come with the package:\n", style=bold)
    print_line(f"{'what was said':{LABEL_WIDTH}} {SPOKEN}")
    speech = show("what the model hears", options.DEFAULT_SPEECH_RECIPE, lambda model: model.transcribe(CLIP).text)
    show("the network alone", speech, lambda model: model.transcribe(CLIP, decoder="greedy").text)
    show("phonemes (IPA)", PHONEME_RECIPE, lambda model: model.transcribe(CLIP, ipa=True).text)
    show("the photograph", options.DEFAULT_IMAGE_RECIPE, lambda model: describe_classes(model.classify(CAT)))
    show("the street", options.DEFAULT_SEGMENTATION_RECIPE, lambda model: str(model.segment(STREET)))
    print_line(f"\n{time.perf_counter() - start:.1f} s in all. The speech models learned from little data: many words are wrong.")
    print_line("Type next:", style=bold)
    program = find_program()
    for line, text in (
        ("transcribe YOUR_FILE", "any audio file; also classify, segment, listen"),
        ("list", "all recipes, their numbers, and which weights are here"),
        (f"show {options.DEFAULT_SPEECH_RECIPE}", "one of them, with the commands that measure it again"),
    ):
        print_line(f"  {program} {line:26}  # {text}")


def show(label: str, model: Any, run: Callable[[Any], str]) -> Any:
    """Print a labeled result and its time, with the time to load the model, and return the model.

    Args:
        label: What is shown.
        model: Name of a recipe, or a loaded model.
        run: Returns the text from the model.
    """
    start = time.perf_counter()
    if isinstance(model, str):
        model = options.load_model(model, {"engine": "auto"})
    print_line(f"{label:{LABEL_WIDTH}} {run(model)}")
    print_line(f"{'':{LABEL_WIDTH}} {time.perf_counter() - start:.1f} s, {model.name}", style=dim)
    return model


def describe_classes(result: Any) -> str:
    """Return the three most likely classes with their probabilities."""
    return ", ".join(f"{c.name} {100 * c.probability:.0f} %" for c in result.top(3))


def find_program() -> str:
    """Return how this program is called: its name if it is on the path, else its path."""
    name = Path(sys.argv[0]).name
    if name != "kerasrecipes" or shutil.which(name):
        return "kerasrecipes"
    return os.path.relpath(sys.argv[0])
