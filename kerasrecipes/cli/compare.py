"""Commands over several training runs: compare and average."""

import shlex
from pathlib import Path

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import print_line, print_next, print_status
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


@command("average")
@argument(
    "runs", nargs=-1, required=True, metavar="RUN...",
    help="Folders of `train`, or a recipe's name for its released weights. All started from the same weights, or each from the one before.",
)  # fmt: skip
@options.output("New folder of the averaged network.", type=Path, required=True)
def run_average(runs, output) -> None:
    """Average the weights of several runs of a recipe into one network, which often errs less than each."""
    from kerasrecipes._lazy import choose_backend

    choose_backend()
    from kerasrecipes.training.weight_averaging import average_runs

    print_line(average_runs(runs, output))
    folder = shlex.quote(str(output))
    print_next(f"kerasrecipes evaluate {folder} --data DATA  # and each of the runs, to compare")
