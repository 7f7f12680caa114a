"""Commands that show what a network computes: visualize and report."""

from pathlib import Path
from typing import Any

import click

from kerasrecipes.cli import options
from kerasrecipes.cli.parameter_types import Choices
from kerasrecipes.cli.progress import ProgressBar, print_line, print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.visualize.methods import DEFAULT_METHOD, METHODS, OPTIONS, SALIENCY_METHODS


def method_option(name: str, **settings: Any) -> options.Decorator:
    """Return the command line option of an entry of `OPTIONS`."""
    entry = OPTIONS[name]
    names = {name, "layer"} if name == "layers" else {name}
    methods = [key for key, m in METHODS.items() if names & {*m.options, *m.inputs, *m.plot_options}]
    if entry.type is bool:
        settings["is_flag"] = True
    else:
        settings |= {"type": click.Choice(entry.choices) if entry.choices else entry.type, "multiple": entry.multiple}
        settings["metavar"] = entry.metavar
    default = None if entry.default in (None, ()) else entry.default
    settings["help"] = f"{entry.help[0].upper()}{entry.help[1:]}."
    if "section" in settings:  # of the command that has all methods
        settings["help"] += f" For {', '.join(methods)}."
    if default is None and not settings.get("is_flag") and "default" not in settings["help"]:
        settings["help"] += " Default: the method's."
    return option(entry.flag or f"--{name.replace('_', '-')}", name, default=default, **settings)


@command("visualize", model="argument")
@argument("name", help=options.KERAS_MODEL_HELP)
@argument("file", required=False, help="Image, or recording for a speech recognizer, for the methods that need one.")
@option(
    "--method", type=Choices("kerasrecipes.visualize.methods:METHODS", "Methods"), metavar="METHOD",
    default=DEFAULT_METHOD, help="What to show.",
)  # fmt: skip
@option(
    "--unit", "units", multiple=True, metavar="LAYER:NUMBER",
    help="Unit to look at: fire5:17; fire5:17@9,7 at one position; logits:tabby for a class; transcript:4 for the fifth letter of a "
    "recording; fire5:0-15 for many. "
    "Repeatable. Default: none, for methods that show layers.",
)  # fmt: skip
@options.output("Folder of the files.", type=Path, default=Path("visualize"))
@option("--format", "file_format", type=click.Choice(("png", "jpg")), default="png", help="File format.")
@option("--random-weights", is_flag=True, help="Use random weights in place of the released ones.")
@options.combine(*(method_option(name, section="Options of methods", group="arguments") for name in OPTIONS))
def run_visualize(name, file, method, units, output, file_format, random_weights, arguments) -> None:
    """Show what units and layers of a network respond to."""
    options.check_model_name(name)
    if file:
        options.check_files([file])
    options.check_data(arguments.get("data", ()))
    options.start_backend()
    from kerasrecipes import loading
    from kerasrecipes.export.sources import saved_stem
    from kerasrecipes.graph.units import expand_units
    from kerasrecipes.visualize.methods import check_inputs, run_method

    unit_names = expand_units(units)
    check_inputs(method, file, unit_names, arguments.get("data", ()))
    without_weights = random_weights or METHODS[method].random_weights
    model = loading.load(name, compile=False, **({"weights": None} if without_weights else {}))
    prefix = f"{saved_stem(name) or model.name}_" + "random_" * random_weights
    with ProgressBar(method, "steps") as progress:
        for path, result in run_method(
            method, model, output, file=file, units=unit_names, suffix=f".{file_format}", prefix=prefix, progress=progress,
            **arguments,
        ):  # fmt: skip
            if METHODS[method].prints:
                print_line(result)
            print_line(path)


@command("report", model="argument")
@argument("name", help=options.KERAS_MODEL_HELP)
@option("--images", required=True, metavar="FOLDER", help="Folder of images in which to find the strongest patches.")
@option(
    "--units",
    multiple=True,
    required=True,
    metavar="LAYER:NUMBER,...",
    help="Units, for instance conv1:0,fire5:0-15. Repeatable.",
)
@options.output("Folder of the pages. Images of an interrupted run are kept.", type=Path, default=Path("report"))
@option("--method", type=click.Choice(SALIENCY_METHODS), default=DEFAULT_METHOD, help="Saliency method.")
@options.combine(*(method_option(name, group="arguments") for name in ("preset", "num_restarts", "steps")))
def run_report(name, images, units, output, method, arguments) -> None:
    """Write HTML pages about units: inputs by gradient ascent, strongest patches and their saliency."""
    options.check_model_name(name)
    options.check_files([images])
    options.start_backend()
    from kerasrecipes import loading
    from kerasrecipes.graph.units import expand_units
    from kerasrecipes.visualize.html_report import write_report

    unit_names = expand_units(units)
    model = loading.load(name, compile=False)
    print_line(write_report(model, unit_names, output, images, method=method, log=print_status, **arguments))
