"""One process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from kerasrecipes.errors import DataError


@contextmanager
def exclusive_lock(folder: Path, message: str) -> Iterator[None]:
    """Hold the folder for this process; the system lets go of it when the process ends, however it ends.

    Raises:
        DataError: another process holds it; says `message`.
    """
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise DataError(message) from error
    try:
        yield
    finally:
        lock.release()
