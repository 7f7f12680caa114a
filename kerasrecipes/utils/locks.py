"""Locks between processes: one that is refused and one that waits."""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import filelock

from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.utils.files import atomic_write


@contextmanager
def exclusive_lock(folder: Path, message: str, name: str = ".lock") -> Iterator[None]:
    """Lock a folder, or the file `name` in it, for this process. The OS releases the lock even if the process is killed.

    Raises:
        DataError: Another process holds the lock. Its text is `message`, the process and since when it holds the lock.
    """
    lock, holder_path = filelock.FileLock(folder / name), folder / f"{name}.holder"
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise DataError(message + read_holder(holder_path)) from error
    try:
        with suppress(KerasRecipesError):  # of a full disk; the lock itself holds
            holder = {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
            atomic_write(holder_path, json.dumps(holder))
        yield
    finally:
        with suppress(OSError):
            holder_path.unlink(missing_ok=True)
        lock.release()


@contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, after waiting until no other process holds it, and remove the file.

    Who waited must look again whether there is still something to do: the next process may lock a new file already. A disk without
    locks, or a read-only one, is no error.
    """
    with ExitStack() as stack:
        with suppress(OSError, NotImplementedError):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(filelock.FileLock(path))
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def read_holder(path: Path) -> str:
    """Return " (held by ...)" with the process that holds a lock, or nothing if that is not known."""
    try:
        holder = json.loads(path.read_text("utf-8"))
        pid, host, since = (ascii(holder[key])[:80].strip("'") for key in ("pid", "host", "since"))
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f" (held by process {pid} on {host} since {since})"
