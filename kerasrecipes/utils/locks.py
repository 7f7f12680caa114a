"""Inter-process lock on a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from kerasrecipes.errors import DataError


@contextmanager
def exclusive_lock(folder: Path, message: str, name: str = ".lock") -> Iterator[None]:
    """Lock a folder, or the file `name` in it, for this process. The OS releases the lock even if the process is killed.

    Raises:
        DataError: Another process holds the lock. Its text is `message`.
    """
    lock = filelock.FileLock(folder / name)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise DataError(message) from error
    try:
        yield
    finally:
        lock.release()
