"""What `kerasrecipes export` does, and how other verbs choose an engine."""

import argparse
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError


def run_export(o: argparse.Namespace) -> None:
    from kerasrecipes.export import export

    if o.release:
        from kerasrecipes.export.release import release

        if o.format != "onnx" or o.out or o.activations:
            raise KerasRecipesError(
                "--release writes the ONNX file of released weights, in half precision: nothing else fits"
            )
        print(release(o.name, opset=o.opset))
        return
    options = {"activations": o.activations, "float16": o.float16, "opset": o.opset}
    print(export(o.name, o.out or Path("exported"), o.format, **options))


def loaded(o: argparse.Namespace) -> Any:
    """The model that the options `--recipe`, `--engine` and `--precision` name."""
    from kerasrecipes import loading

    return loading.load(o.recipe, compile=False, engine=o.engine, precision=o.precision)
