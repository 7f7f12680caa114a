"""What `kerasrecipes export` does, and how other verbs choose an engine."""

import argparse
import sys
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError


def print_status(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def run_export(o: argparse.Namespace) -> None:
    from kerasrecipes.export.exporter import export

    if o.release:
        from kerasrecipes.release.onnx_release import release_onnx

        if o.format != "onnx" or o.out or o.activations or o.int8:
            raise KerasRecipesError(
                "--release writes the ONNX file of released weights, in half precision: nothing else fits"
            )
        print(release_onnx(o.name, opset=o.opset, report=print_status))
        return
    options = {
        "activations": o.activations, "float16": o.float16, "int8": o.int8, "opset": o.opset,
        "report": print_status,
    }  # fmt: skip
    print(export(o.name, o.out or Path("exported"), o.format, **options))


def load_from_options(o: argparse.Namespace) -> Any:
    """The model that the options `--recipe`, `--engine` and `--precision` name."""
    from kerasrecipes import loading

    return loading.load(o.recipe, compile=False, engine=o.engine, precision=o.precision)
