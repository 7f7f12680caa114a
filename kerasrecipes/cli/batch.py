"""Options and entry of the many-file path of transcribe, classify and segment."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.parameter_types import Choices
from kerasrecipes.cli.progress import ProgressBar, print_status
from kerasrecipes.cli.sections import option
from kerasrecipes.errors import KerasRecipesError

LOG_INTERVAL_SECONDS = 10.0  # between the lines of a log file

_option = partial(option, section="Many files (one row for each, in --output)", group="many_files")
many_files_options = options.combine(
    _option("--workers", metavar="N", help="Number of processes, each with its own model (default: auto, as many as CPUs)."),
    _option("--threads", type=int, metavar="N", help="Number of threads of each worker (default: the CPUs, divided)."),
    _option(
        "--runner", type=Choices("kerasrecipes.batch.runner:RUNNERS"), help="Where the workers run (default: local)."
    ),
    _option("--address", metavar="HOST:PORT", help="Address of a running Ray cluster, or auto (default: a cluster on this machine)."),
    _option("--gpus", type=float, metavar="N", help="Number of GPUs of each Ray worker (default: 0)."),
    _option(
        "--row-format",
        type=Choices("kerasrecipes.batch.runner:ROW_FORMATS"),
        help="Format of the result files (default: jsonl).",
    ),
)


def run_many_files(
    task: str, recipe: str, files: Sequence[str], output: str | None, output_format: str | None,
    engine: Mapping[str, Any], many_files: Mapping[str, Any], arguments: Mapping[str, Any],
) -> int:  # fmt: skip
    """Write one row for every file. The same command continues a run that was stopped.

    Args:
        task: "transcribe", "classify" or "segment".
        recipe: Value of `--recipe`.
        files: Input files and folders.
        output: Folder of the rows.
        output_format: Value of `--format`, which must not ask for anything but rows.
        engine: Options of the engine.
        many_files: Options of this module.
        arguments: Arguments of the task's method.

    Returns:
        The exit code, 1 if a file has an error.

    Raises:
        KerasRecipesError: A value makes no sense here, or the run cannot start.
    """
    from kerasrecipes import batch

    if not output:
        raise KerasRecipesError(
            "--workers, --threads, --runner and --row-format write one row for every file: pass --output FOLDER"
        )
    if output_format not in (None, "text", "json"):
        raise KerasRecipesError(f"The rows of many files hold all times: leave out --format {output_format}")
    settings = {"workers": "auto", "runner": "local"} | dict(many_files)
    if settings["workers"] != "auto" and not settings["workers"].isdigit():
        raise KerasRecipesError(f"--workers is {settings['workers']!r}: pass a number or auto")
    options.check_model_name(recipe)
    with ProgressBar(task, "files", log_seconds=LOG_INTERVAL_SECONDS) as bar:
        summary = batch.run(
            recipe, files, output, task=task, **settings, **engine, **arguments,
            progress=lambda run: bar(run.files, run.total, f"{run.rate:.1f} files/s, {run.failed} errors"),
        )  # fmt: skip
    earlier = f" ({summary.earlier} from an earlier run)" if summary.earlier else ""
    print_status(
        f"{summary.files} rows in {output}{earlier}; {summary.failed} with an error, {summary.rate:.1f} files per second"
    )
    return 1 if summary.failed else 0
