"""What the command line's verbs for pictures do."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from kerasrecipes.cli import batch as many
from kerasrecipes.cli.export import load_from_options
from kerasrecipes.errors import KerasRecipesError

DEFAULT_TOP_K = 5  # classes
IMAGE_TASKS = ("image-classification", "segmentation")  # tasks


def run_classify(o: argparse.Namespace) -> int:
    if many.is_requested(o) or o.out:
        if o.top != DEFAULT_TOP_K:
            raise KerasRecipesError(f"Rows hold the {DEFAULT_TOP_K} likeliest classes: leave out --top")
        return many.run(o, "classify", {"views": o.views} if o.views != 1 else {})
    return print_predictions(load_from_options(o), o)


def run_segment(o: argparse.Namespace) -> int:
    return many.run(o, "segment", {}) if many.is_requested(o) else print_predictions(load_from_options(o), o)


def print_predictions(model: Any, o: argparse.Namespace) -> int:
    """Classify or segment the files, as the model's task is; 1 where one of them cannot be read."""
    from kerasrecipes import image, loading
    from kerasrecipes.cli import output_paths

    if model.recipe.task not in IMAGE_TASKS:
        raise KerasRecipesError(f"{model.name} takes no pictures: its task is {model.recipe.task}")
    classifier = model.recipe.task == "image-classification"
    if classifier and o.out:
        raise KerasRecipesError("Classes are printed: kerasrecipes classify --out FOLDER writes rows")
    files = image.list_image_files(list(o.files))
    places = (
        {}
        if classifier or not o.out
        else output_paths.output_paths(o.files, image.list_image_files, Path(o.out), ".png", "_overlay.png")
    )
    options = {"views": o.views} if classifier and hasattr(o, "views") else {}
    count = getattr(o, "top", DEFAULT_TOP_K)
    failed = 0
    for path in files:
        result = loading.predict(model, [path], **options)[0]
        if isinstance(result, Exception):
            failed += 1
            print(f"kerasrecipes: {result}", file=sys.stderr)
            continue
        if places:
            save_segmentation(result, path, *places[path])
        if o.format == "json":
            values = result.to_dict(count) if classifier else result.to_dict()
            print(json.dumps({"path": str(path), **values}, ensure_ascii=False))
            continue
        guesses = result.top(count) if classifier else ()
        told = ", ".join(f"{g.name} {100 * g.probability:.1f} %" for g in guesses) or str(result)
        print(f"{path}\t{told}" if len(files) > 1 else told)
    return 1 if failed else 0


def save_segmentation(result: Any, path: str, mask: Path, overlay: Path) -> None:
    """The mask and the picture under its colours, as PNG."""
    from kerasrecipes.utils.plotting import save_image

    save_image(overlay, result.overlay(path))
    result.save(mask)
