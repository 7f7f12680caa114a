"""Progress of a training: a bar on a terminal, and a line a minute in a log."""

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOG_SECONDS = 60.0  # between two lines of a log


class TrainingProgress:
    """Display of a training on standard error.

    Args:
        total: Number of steps of the whole training.
        done: Steps that were trained before.
        disable: Show nothing, in processes that are not the main one.
        log_seconds: Seconds between two lines where standard error is no terminal.
    """

    def __init__(self, total: int, done: int, disable: bool = False, log_seconds: float = LOG_SECONDS):
        self.total, self.done, self.log_seconds = total, done, log_seconds
        self.is_log = not disable and not sys.stderr.isatty()
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=Console(stderr=True), disable=disable or self.is_log)
        self.task = self.bar.add_task("compiling", total=total, completed=done)
        self.start = self.last_line = time.monotonic()

    def __enter__(self) -> "TrainingProgress":
        self.bar.start()
        return self

    def update(self, step: int, description: str) -> None:
        """Show the number of steps and a description."""
        self.bar.update(self.task, completed=step, description=description)
        now = time.monotonic()
        if self.is_log and now - self.last_line >= self.log_seconds:
            self.last_line = now
            minutes = (now - self.start) / max(step - self.done, 1) * (self.total - step) / 60
            print(f"step {step} of {self.total}  {description}  {minutes:.0f} min left", file=sys.stderr, flush=True)

    def __exit__(self, *_: Any) -> None:
        self.bar.stop()
