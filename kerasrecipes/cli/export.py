"""Command that writes a recipe in another format, or a web page that runs it: export."""

import shlex
from pathlib import Path
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.parameter_types import Choices
from kerasrecipes.cli.progress import ProgressBar, print_line, print_next, print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import KerasRecipesError


@command("export", model="argument")
@argument("name", help=f"{options.KERAS_MODEL_HELP} With --web also a .onnx file or a folder of kerasrecipes teach.")
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
@option("--force", is_flag=True, help="Replace files of the same name, or the page, that were written from another model.")
@option(
    "--web", type=Path, metavar="FOLDER", section="Web page",
    help="Write a folder with a web page that runs a recognizer or an image classifier in the browser (default: a file).",
)
@option(
    "--phrases", metavar="FILE", section="Web page",
    help="Text file with one phrase a line: the page writes these phrases and nothing else (default: those of kerasrecipes teach).",
)
@option(
    "--rejection-cost", type=float, metavar="NATS", section="Web page",
    help="What a letter outside the phrases costs; more writes phrases sooner (default: the best of kerasrecipes teach, or 2).",
)
@option("--release", is_flag=True, help="Write weights/NAME.onnx and its entry in the recipe's manifest row.")
def run_export(
    name, file_format, output, activations, float16, int8, opset, cache, force, web, phrases, rejection_cost, release
) -> None:  # fmt: skip
    """Write a recipe in another format and compare its outputs with Keras, or write a web page that runs it."""
    if web is not None:
        if file_format != "onnx" or output or activations or cache or release:
            raise KerasRecipesError("--web cannot be combined with --format, --output, --activations, --cache or --release")
        write_page(name, web, phrases, rejection_cost=rejection_cost, float16=float16, int8=int8, opset=opset, force=force)
        return
    if phrases or rejection_cost is not None:
        raise KerasRecipesError("--phrases and --rejection-cost are for web pages: pass --web FOLDER too")
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


def write_page(name: str, folder: Path, phrases_path: str | None, **settings: Any) -> None:
    """Write the page of `--web`, and print how to look at it."""
    from kerasrecipes.export.web_page import export_web_page
    from kerasrecipes.export.web_source import is_taught_folder

    if not is_taught_folder(name):
        options.check_model_name(name)
    phrases = options.read_phrases(phrases_path) if phrases_path else ()
    if phrases_path and not phrases:
        raise KerasRecipesError(f"{phrases_path} has no phrases: write one a line")
    with ProgressBar(f"writing the page of {name}", "files"):
        path = export_web_page(name, folder, phrases=phrases, report=print_status, **settings)
    print_line(path)
    print_next(f"python -m http.server 8000 --directory {shlex.quote(str(folder))}  # then open http://localhost:8000")
