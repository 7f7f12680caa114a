"""What the command line's verbs for pictures do."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from kerasrecipes.batch import verb as many
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.exporting import loaded

TOP = 5  # classes
SHOWN = ("image-classification", "segmentation")  # tasks


def run_classify(o: argparse.Namespace) -> int:
    if many.wanted(o) or o.out:
        if o.top != TOP:
            raise KerasRecipesError(f"Rows hold the {TOP} likeliest classes: leave out --top")
        return many.run(o, "classify", {"views": o.views} if o.views != 1 else {})
    return show(loaded(o), o)


def run_segment(o: argparse.Namespace) -> int:
    return many.run(o, "segment", {}) if many.wanted(o) else show(loaded(o), o)


def show(model: Any, o: argparse.Namespace) -> int:
    """Classify or segment the files, as the model's task is; 1 where one of them cannot be read."""
    from kerasrecipes import image, loading, outputs

    if model.recipe.task not in SHOWN:
        raise KerasRecipesError(f"{model.name} takes no pictures: its task is {model.recipe.task}")
    classifier = model.recipe.task == "image-classification"
    if classifier and o.out:
        raise KerasRecipesError("Classes are printed: kerasrecipes classify --out FOLDER writes rows")
    files = image.expand(list(o.files))
    places = {} if classifier or not o.out else outputs.places(o.files, image.expand, Path(o.out), ".png", "_overlay.png")
    options = {"views": o.views} if classifier and hasattr(o, "views") else {}
    count = getattr(o, "top", TOP)
    failed = 0
    for path in files:
        result = loading.predict(model, [path], **options)[0]
        if isinstance(result, Exception):
            failed += 1
            print(f"kerasrecipes: {result}", file=sys.stderr)
            continue
        if places:
            keep(result, path, *places[path])
        if o.format == "json":
            values = result.to_dict(count) if classifier else result.to_dict()
            print(json.dumps({"path": str(path), **values}, ensure_ascii=False))
            continue
        guesses = result.top(count) if classifier else ()
        told = ", ".join(f"{g.name} {100 * g.probability:.1f} %" for g in guesses) or str(result)
        print(f"{path}\t{told}" if len(files) > 1 else told)
    return 1 if failed else 0


def keep(result: Any, path: str, mask: Path, overlay: Path) -> None:
    """The mask and the picture under its colours, as PNG."""
    from kerasrecipes.visualize.drawing import save_image

    save_image(overlay, result.overlay(path))
    result.save(mask)
