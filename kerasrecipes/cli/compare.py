"""The command compare."""

from pathlib import Path

from kerasrecipes.cli.progress import print_line, print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import KerasRecipesError


@command("compare")
@argument("runs", nargs=-1, required=True, metavar="RUN...", help="Folders of `train`, or CSV files of keras.callbacks.CSVLogger.")
@option("--output", type=Path, metavar="FILE", default=Path("comparison.png"), help="Plot of the curves: .png, .jpg, .svg or .pdf.")
def run_compare(runs, output) -> None:
    """Compare training runs: their best metrics, the settings that differ, and their curves."""
    from kerasrecipes.training.run_comparison import compare_runs

    comparison = compare_runs(runs)
    print_line(str(comparison))
    try:
        print_status(f"wrote {comparison.save(output)}")
    except KerasRecipesError as error:
        if "needs matplotlib" not in str(error):
            raise
        print_status(f"no curves: {error}")
