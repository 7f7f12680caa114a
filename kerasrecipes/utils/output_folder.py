"""Output folders, local or on any file system that fsspec knows. A file appears under its name only when it is complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.utils.files import atomic_write, first_line
from kerasrecipes.utils.filesystem import is_url, open_filesystem
from kerasrecipes.utils.locks import exclusive_lock


def open_output_folder(location: str | os.PathLike) -> Any:
    """Return a `LocalOutputFolder` for a path, or a `RemoteOutputFolder` for a URL."""
    return RemoteOutputFolder(str(location)) if is_url(str(location)) else LocalOutputFolder(location)


class LocalOutputFolder:
    """A folder on this machine, or on a file system that several machines share."""

    def __init__(self, location: str | os.PathLike):
        self.path = Path(location)
        self.location = str(location)

    def create(self) -> None:
        """Create the folder and check that files can be written into it.

        Raises:
            DataError: They cannot.
        """
        try:
            self.write(".writable", b"")
            (self.path / ".writable").unlink()
        except (KerasRecipesError, OSError) as error:
            raise DataError(
                f"Results cannot be written into {self.path} ({first_line(error.__cause__ or error)}): pass another --output"
            ) from error

    def names(self) -> set[str]:
        return set(os.listdir(self.path)) if self.path.is_dir() else set()

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Write a file and wait until it and its name are on the disk."""
        atomic_write(self.path / name, data, durable=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process and remove incomplete files of processes that died.

        Raises:
            DataError: Another process holds the lock.
        """
        with exclusive_lock(self.path, f"another run writes into {self.path}: wait for it, or pass another --output"):
            for partial in self.path.rglob(".*.partial"):
                partial.unlink(missing_ok=True)
            yield


class RemoteOutputFolder:
    """A folder of an object store, where an object appears in one step.

    There are no locks: two runs at once do the work twice and write the same objects.
    """

    def __init__(self, location: str):
        self.location = location.rstrip("/")
        self.system, self.root = open_filesystem(self.location)

    def create(self) -> None:
        """Create the folder and check that objects can be written into it.

        Raises:
            DataError: They cannot.
        """
        try:
            self.system.makedirs(self.root, exist_ok=True)
            self.write(".writable", b" ")
            self.system.rm_file(f"{self.root}/.writable")
        except Exception as error:
            raise DataError(
                f"Results cannot be written into {self.location} ({first_line(error)}): pass another --output"
            ) from error

    def names(self) -> set[str]:
        self.system.invalidate_cache()
        paths = self.system.ls(self.root, detail=False) if self.system.isdir(self.root) else ()
        return {path.rsplit("/", 1)[-1] for path in paths}

    def read(self, name: str) -> bytes:
        return self.system.cat_file(f"{self.root}/{name}")

    def write(self, name: str, data: bytes) -> None:
        path = f"{self.root}/{name}"
        self.system.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        self.system.pipe_file(path, data)

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield
