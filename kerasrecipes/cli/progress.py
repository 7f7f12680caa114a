"""The progress display of all commands."""

import sys
import time
from typing import Any

from kerasrecipes.utils.escaping import escape_controls


class ProgressBar:
    """Bar with the remaining time on standard error. Nothing is shown where standard error is no terminal.

    Args:
        action: What the command does, for instance "transcribing".
        unit: Unit of the amounts.
        digits: Decimal places of the amounts.
        log_seconds: Where standard error is no terminal, print a line after this many seconds. Default: never.

    Example:
        >>> with ProgressBar("transcribing", "files") as progress:
        ...     model.transcribe(files, progress=progress)
    """

    def __init__(self, action: str, unit: str, digits: int = 0, log_seconds: float | None = None):
        self.action, self.unit, self.digits, self.log_seconds = action, unit, digits, log_seconds
        self.bar: Any = None
        self.start = self.last_line = time.monotonic()
        self.first: float | None = None  # amount that was done before

    def __enter__(self) -> "ProgressBar":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            # results on standard output must not be redirected to the bar's standard error
            self.bar = Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty())
            self.task = self.bar.add_task(self.action, total=None)
            self.bar.start()
        return self

    def __call__(self, done: float, total: float, note: str = "") -> None:
        """Show that `done` of `total` units are done."""
        self.first = done if self.first is None else self.first
        text = f"{self.action} {done:.{self.digits}f} of {total:.{self.digits}f} {self.unit}{note and f', {note}'}"
        if self.bar:
            self.bar.update(self.task, completed=done, total=total, description=text)
        elif self.log_seconds is not None and time.monotonic() - self.last_line > self.log_seconds:
            self.last_line = time.monotonic()
            seconds_per_unit = (self.last_line - self.start) / max(done - self.first, 1e-9)
            print(f"{text}, {seconds_per_unit * (total - done):.0f} s left", file=sys.stderr)

    def __exit__(self, *_: Any) -> None:
        if self.bar:
            self.bar.stop()


def print_line(text: Any) -> None:
    """Print lines to standard output, with escapes for all other control characters."""
    print(escape_controls(text, keep="\n\t"))


def print_status(text: Any) -> None:
    """Print a line to standard error, beside the results on standard output, with escapes for control characters."""
    print(escape_controls(text, keep="\n\t"), file=sys.stderr)
