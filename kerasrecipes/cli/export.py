"""Command that writes a recipe in another format: export."""

import shlex
from pathlib import Path
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.parameter_types import Choices
from kerasrecipes.cli.progress import ProgressBar, print_line, print_next, print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import KerasRecipesError


@command("export", model="argument")
@argument("name", help=options.KERAS_MODEL_HELP)
@option(
    "--format", "file_format", type=Choices("kerasrecipes.export:FORMATS", "Formats"), metavar="NAME", default="onnx",
    help="File format.",
)  # fmt: skip
@options.output("Folder of the files (default: exported).", type=Path)
@option("--activations", is_flag=True, help="Add the output of every layer to the outputs.")
@option("--float16", is_flag=True, help="Store the weights in 16 bits.")
@option("--int8", is_flag=True, help="Store the weights in 8 bits. The command prints how much the outputs differ.")
@option("--opset", type=int, default=17, help="Version of the ONNX operators, 15 to 18.")
@option(
    "--cache", is_flag=True, help='Write the ONNX file into the cache in which load(NAME, engine="onnxruntime") looks.'
)
@option("--force", is_flag=True, help="Replace files of the same name that were written from another model.")
@option("--release", is_flag=True, help="Write weights/NAME.onnx and its entry in the recipe's manifest row.")
def run_export(name, file_format, output, activations, float16, int8, opset, cache, force, release) -> None:
    """Write a recipe in another format and compare its outputs with Keras."""
    options.check_model_name(name)
    if cache and release:
        raise KerasRecipesError("--cache and --release write different files: pass one of them")
    if (cache or release) and (file_format != "onnx" or output or activations or int8):
        raise KerasRecipesError(
            f"{'--cache' if cache else '--release'} always writes a float16 ONNX file; it cannot be combined with --format, "
            "--output, --activations or --int8"
        )
    bar = ProgressBar(f"exporting {name}", "files")
    if release:
        from kerasrecipes.release.onnx_release import release_onnx

        with bar:
            path = release_onnx(name, opset=opset, report=print_status)
        print_line(path)
    elif cache:
        from kerasrecipes.export import export_to_cache

        with bar:
            path = export_to_cache(name, opset=opset, report=print_status)
        print_line(path)
    else:
        from kerasrecipes.export import export

        arguments: dict[str, Any] = {
            "activations": activations,
            "float16": float16,
            "int8": int8,
            "opset": opset,
            "force": force,
        }
        with bar:
            path = export(name, output or Path("exported"), file_format, **arguments, report=print_status)
        print_line(path)
        if file_format == "onnx":
            print_next(f"kerasrecipes predict {shlex.quote(str(path))} FILE")
