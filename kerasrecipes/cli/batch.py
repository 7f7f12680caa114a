"""The command line's many-file path: `--workers` and `--runner` of transcribe, classify and segment."""

import argparse
import sys
import time
from typing import Any

from kerasrecipes import batch
from kerasrecipes.batch import runner
from kerasrecipes.errors import KerasRecipesError

LOG_INTERVAL_SECONDS = 10.0  # seconds between lines where nobody looks


def add_options(p: argparse.ArgumentParser) -> None:
    """The options, in a group of their own."""
    p = p.add_argument_group(  # type: ignore[assignment]
        "many files", "a row for every file, exactly once, into --out; the same command goes on where one was stopped"
    )
    p.add_argument("--workers", metavar="N", help='processes that each load the model, or "auto": one per CPU')
    p.add_argument("--threads", type=int, metavar="N", help="of each worker")
    p.add_argument("--runner", choices=runner.RUNNERS, help="default: local")
    p.add_argument("--address", help="of a running Ray cluster, HOST:PORT or auto")
    p.add_argument("--gpus", type=float, help="of each Ray worker")
    p.add_argument("--shards", choices=runner.ROW_FORMATS, help="kind of the files of rows (default: jsonl)")


def is_requested(o: argparse.Namespace) -> bool:
    """Whether the options ask for it."""
    return any(
        getattr(o, name, None) is not None for name in ("workers", "threads", "runner", "address", "gpus", "shards")
    )


def run(o: argparse.Namespace, verb: str, options: dict[str, Any]) -> int:
    """Do it; 1 where a file has an error."""
    if not o.out:
        raise KerasRecipesError(
            "--workers, --threads, --runner and --shards make rows of many files: say where these shall lie, --out FOLDER"
        )
    if o.format not in (None, "text", "json"):
        raise KerasRecipesError(f"Many files become rows, which hold all times: leave out --format {o.format}")
    workers = "auto" if o.workers is None else o.workers
    if workers != "auto" and not workers.isdigit():
        raise KerasRecipesError(f'--workers {workers}: a number, or "auto"')
    with ProgressDisplay() as shown:
        done = batch.run(
            o.recipe, o.files, o.out, verb=verb, workers=workers, threads=o.threads, runner=o.runner or "local",
            address=o.address, gpus=o.gpus or 0.0, shards=o.shards or "jsonl", engine=o.engine, precision=o.precision, progress=shown,
            **options,
        )  # fmt: skip
    there = f", {done.earlier} of them were there" if done.earlier else ""
    print(
        f"{done.files} rows in {o.out}{there}; {done.failed} with an error, {done.rate:.1f} files per second",
        file=sys.stderr,
    )
    return 1 if done.failed else 0


class ProgressDisplay:
    """A bar with the rate and the time left; a line now and then where the output is no terminal."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.last = time.monotonic()

    def __enter__(self) -> "ProgressDisplay":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self.bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TimeRemainingColumn(), console=Console(stderr=True),
            )  # fmt: skip
            self.task = self.bar.add_task("files", total=None)
            self.bar.start()
        return self

    def __call__(self, now: batch.RunProgress) -> None:
        told = f"{now.rate:.1f} files/s, {now.failed} errors"
        if self.bar:
            self.bar.update(self.task, completed=now.files, total=now.total, description=told)
        elif time.monotonic() - self.last > LOG_INTERVAL_SECONDS:
            self.last = time.monotonic()
            rest = (now.total - now.files) / now.rate if now.rate else 0.0
            print(f"{now.files} of {now.total} files, {told}, {rest:.0f} s left", file=sys.stderr)

    def __exit__(self, *_: Any) -> None:
        if self.bar:
            self.bar.stop()
