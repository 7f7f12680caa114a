"""Command that writes a model with the weights of another program's checkpoint: import."""

import shlex
from pathlib import Path

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import ProgressBar, print_line, print_next, print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import KerasRecipesError


@command("import")
@argument("source", help="Checkpoint of another program, or the name of a public one (kerasrecipes list), which is fetched.")
@option("--recipe", metavar="NAME", help="Recipe whose network the checkpoint is of (default: a public checkpoint's own).")
@options.output("Model to write (default: NAME.keras). Its card is written beside it, as a .md file.", metavar="FILE", type=Path)
@option(
    "--mean", type=Path, metavar="FILE",
    help="Mean image of Caffe (.binaryproto) whose mean color is subtracted (default: the recipe's).",
)  # fmt: skip
@option("--verbose", is_flag=True, help="Print every tensor, not only the counts.")
def run_import(source, recipe, output, mean, verbose) -> None:
    """Read the weights of another program's checkpoint into a recipe, and write the model."""
    from kerasrecipes.hub.public_download import checkpoint_path
    from kerasrecipes.loading import load
    from kerasrecipes.release.import_card import import_card
    from kerasrecipes.tasks.public_models import find_public_checkpoint
    from kerasrecipes.tasks.weight_import import mean_config
    from kerasrecipes.utils.files import atomic_write

    public = None if Path(source).is_file() else find_public_checkpoint(source)
    if not (public or recipe):
        raise KerasRecipesError(f"Whose network is {source}? Name its recipe: kerasrecipes import {source} --recipe NAME")
    if public and recipe not in (None, public.recipe):
        raise KerasRecipesError(f"{source} is a checkpoint of {public.recipe}, not of {recipe}: leave --recipe away")
    output = output or Path(f"{public.name if public else recipe}.keras")
    if output.suffix != ".keras":
        raise KerasRecipesError(f"{output} must end with .keras, the format of Keras's models")
    config = mean_config(public.recipe if public else recipe, mean) if mean else {}
    with ProgressBar(f"importing {source}", "files"):
        path = checkpoint_path(public) if public else Path(source)
        model = load(source, **config) if public else load(recipe, weights=path, **config)
    if not hasattr(model, "import_report"):
        raise KerasRecipesError(f"{path} is a file of this package or of Keras 3, which load({recipe!r}, weights=FILE) reads")
    output.parent.mkdir(parents=True, exist_ok=True)
    model.save(output)
    atomic_write(output.with_suffix(".md"), import_card(model, path, model.import_report))
    print_status(str(model.import_report) if verbose else model.import_report.summary())
    print_line(output)
    print_next(f"kerasrecipes predict {shlex.quote(str(output))} FILE")
