"""Temporary folders beside their final place, which a killed process leaves and the next one removes."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

PREFIX = ".partial-"
MAX_SECONDS = 3600  # no export takes longer: after this time a folder without a lock is left over


@contextmanager
def make_partial_folder(folder: Path) -> Iterator[Path]:
    """Create a temporary folder in `folder` and lock it, after removing those of processes that were killed.

    Raises:
        OSError: It cannot be created.
    """
    remove_partial_folders(folder)
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, dir=folder, ignore_cleanup_errors=True) as name,
        filelock.FileLock(Path(name, ".lock")),
    ):
        yield Path(name)


def remove_partial_folders(folder: Path) -> None:
    """Remove temporary folders in `folder` that no process locks."""
    for path in folder.glob(f"{PREFIX}*"):
        if path.is_symlink() or not path.is_dir():
            continue
        try:
            has_lock = (path / ".lock").exists()
            if not has_lock and abs(time.time() - path.stat().st_mtime) < MAX_SECONDS:
                continue  # its process has just created it (a clock that was set back makes old folders younger than now)
            with filelock.FileLock(path / ".lock", timeout=0):
                pass
        except OSError:  # locked, or of another user; filelock.Timeout is an OSError as well
            continue
        shutil.rmtree(path, ignore_errors=True)
