"""Ctrl-C and `kill` between two training steps, so that no half-finished step is saved."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class DeferredInterrupt:
    """Context in which the first Ctrl-C only sets `requested`. The second raises KeyboardInterrupt, as usual.

    The same holds for `kill` if its handler is `signal.default_int_handler`. Outside the main thread, which gets no signals,
    nothing changes.
    """

    def __init__(self) -> None:
        self.requested = False
        self.deferring = True
        self.handlers: dict[int, Any] = {}  # outside this context

    def __enter__(self) -> "DeferredInterrupt":
        if threading.current_thread() is threading.main_thread():
            default = signal.default_int_handler
            numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is default]
            self.handlers = {n: signal.signal(n, self.handle) for n in numbers}
        return self

    def __exit__(self, *error: Any) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def handle(self, number: int, frame: Any) -> None:
        """Handle a signal."""
        if self.requested or not self.deferring:
            raise KeyboardInterrupt
        self.requested = True

    @contextlib.contextmanager
    def immediate(self) -> Iterator[None]:
        """Let the first signal raise as well, in code that changes nothing."""
        if self.requested:
            raise KeyboardInterrupt
        self.deferring = False
        try:
            yield
        finally:
            self.deferring = True
