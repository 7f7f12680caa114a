"""Ctrl-C and `kill` between two steps of a training: a step that is half done must never be saved."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class DeferredInterrupt:
    """In this context the first Ctrl-C only sets `asked`; the second raises KeyboardInterrupt, as always.

    So does `kill` where it raises KeyboardInterrupt (`signal.default_int_handler`). Outside the main thread, where signals do not
    come, nothing changes.
    """

    def __init__(self) -> None:
        self.asked = False
        self.patient = True
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "DeferredInterrupt":
        if threading.current_thread() is threading.main_thread():
            ours = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is signal.default_int_handler]
            self.before = {n: signal.signal(n, self.heard) for n in ours}
        return self

    def __exit__(self, *error: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def heard(self, number: int, frame: Any) -> None:
        """What happens at a signal."""
        if self.asked or not self.patient:
            raise KeyboardInterrupt
        self.asked = True

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """In this context the first one raises, too: for what changes nothing."""
        if self.asked:
            raise KeyboardInterrupt
        self.patient = False
        try:
            yield
        finally:
            self.patient = True
