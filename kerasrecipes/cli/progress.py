"""The progress display of all commands."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from kerasrecipes.utils.escaping import escape_controls

LOG_SECONDS = 60.0  # between the lines of a log
Style = Callable[[str], str]


class ProgressBar:
    """Bar with the remaining time on a terminal, and a line a minute where standard error is none.

    The lines also come while nothing is reported, so that a log says that a long step is still running.

    Args:
        action: What the command does, for instance "transcribing".
        unit: Unit of the amounts.
        digits: Decimal places of the amounts.
        log_seconds: Seconds between two lines of a log. Default: 60.

    Example:
        >>> with ProgressBar("transcribing", "files") as progress:
        ...     model.transcribe(files, progress=progress)
    """

    def __init__(self, action: str, unit: str, digits: int = 0, log_seconds: float = LOG_SECONDS):
        self.action, self.unit, self.digits, self.log_seconds = action, unit, digits, log_seconds
        self.bar: Any = None
        self.start = self.last_line = time.monotonic()
        self.first: float | None = None  # amount that was done before
        self.text, self.left = action, ""
        self.ended = threading.Event()

    def __enter__(self) -> "ProgressBar":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            # results on standard output must not be redirected to the bar's standard error
            self.bar = Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty(), transient=True)
            self.task = self.bar.add_task(self.action, total=None)
            self.bar.start()
        else:
            threading.Thread(target=self._log_while_running, daemon=True).start()
        return self

    def __call__(self, done: float, total: float, note: str = "") -> None:
        """Show that `done` of `total` units are done."""
        self.first = done if self.first is None else self.first
        self.text = f"{self.action} {done:.{self.digits}f} of {total:.{self.digits}f} {self.unit}{note and f', {note}'}"
        if self.bar:
            self.bar.update(self.task, completed=done, total=total, description=self.text)
            return
        seconds_per_unit = (time.monotonic() - self.start) / max(done - self.first, 1e-9)
        self.left = f", {seconds_per_unit * (total - done):.0f} s left" if done > self.first else ""
        if time.monotonic() - self.last_line > self.log_seconds:
            self._log()

    def _log(self) -> None:
        self.last_line = time.monotonic()
        print_status(f"{self.text}{self.left or f', {self.last_line - self.start:.0f} s so far'}")

    def _log_while_running(self) -> None:
        while not self.ended.wait(self.log_seconds or LOG_SECONDS):
            if time.monotonic() - self.last_line > 0.99 * self.log_seconds:
                self._log()

    def __exit__(self, *_: Any) -> None:
        self.ended.set()
        if self.bar:
            self.bar.stop()


def bold(text: str) -> str:
    """Return a line in bold."""
    return f"\x1b[1m{text}\x1b[0m"


def dim(text: str) -> str:
    """Return a line in a weaker color."""
    return f"\x1b[2m{text}\x1b[0m"


def red(text: str) -> str:
    """Return a line in red."""
    return f"\x1b[31m{text}\x1b[0m"


def print_line(text: Any, style: Style | None = None) -> None:
    """Print lines to standard output, with escapes for all other control characters."""
    print_styled(text, sys.stdout, style)


def print_status(text: Any, style: Style | None = None) -> None:
    """Print a line to standard error, beside the results on standard output, with escapes for control characters."""
    print_styled(text, sys.stderr, style)


def print_next(*commands: str) -> None:
    """Print the commands that a user is likely to type next, to standard error."""
    for command in commands:
        print_status(f"next: {command}", style=dim)


def print_styled(text: Any, file: TextIO, style: Style | None) -> None:
    """Print lines with a style if the file is a terminal and the environment does not set NO_COLOR."""
    line = escape_controls(text, keep="\n\t")
    print(style(line) if style and file.isatty() and not os.environ.get("NO_COLOR") else line, file=file)
