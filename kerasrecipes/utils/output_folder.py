"""The folder of results, here or on any file system that fsspec knows: a file appears whole under its name, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError
from kerasrecipes.utils.files import first_line
from kerasrecipes.utils.filesystem import URL_SEPARATOR, open_filesystem
from kerasrecipes.utils.locks import exclusive_lock

PARTIAL_SUFFIX = ".partial"


def open_output_folder(place: str | os.PathLike) -> Any:
    """The folder at `place`: a `Local` one, or a `Remote` one for an address with "://"."""
    return RemoteOutputFolder(str(place)) if URL_SEPARATOR in str(place) else LocalOutputFolder(place)


class LocalOutputFolder:
    """A folder of this machine (or one that several machines share)."""

    def __init__(self, place: str | os.PathLike):
        self.path = Path(place)
        self.place = str(place)

    def make(self) -> None:
        """Make it, and see that files can be written into it.

        Raises:
            DataError: they cannot.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.write(".writable", b"")
            (self.path / ".writable").unlink()
        except OSError as error:
            raise DataError(
                f"Results cannot be written into {self.path} ({error.strerror}): pass another --out"
            ) from error

    def names(self) -> set[str]:
        return set(os.listdir(self.path)) if self.path.is_dir() else set()

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Under another name first; the new name is on the disk before this returns."""
        final = self.path / name
        final.parent.mkdir(exist_ok=True)
        half = final.with_name(f".{final.name}.{os.getpid()}{PARTIAL_SUFFIX}")
        try:
            with open(half, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(half, final)
        finally:
            half.unlink(missing_ok=True)
        if hasattr(os, "O_DIRECTORY"):
            names = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(names)
            finally:
                os.close(names)

    @contextmanager
    def held(self) -> Iterator[None]:
        """By this process alone; halves that an ended one left are removed.

        Raises:
            DataError: another process holds it.
        """
        with exclusive_lock(self.path, f"another run writes into {self.path}: wait for it, or pass another --out"):
            for half in self.path.rglob(f".*{PARTIAL_SUFFIX}"):
                half.unlink(missing_ok=True)
            yield


class RemoteOutputFolder:
    """A folder of an object store: storing an object is one step there. It has no locks: two runs at once do the work
    twice, and write the same."""

    def __init__(self, place: str):
        self.place = place.rstrip("/")
        self.system, self.root = open_filesystem(self.place)

    def make(self) -> None:
        try:
            self.system.makedirs(self.root, exist_ok=True)
            self.write(".writable", b" ")
            self.system.rm_file(f"{self.root}/.writable")
        except Exception as error:
            raise DataError(
                f"Results cannot be written into {self.place} ({first_line(error)}): pass another --out"
            ) from error

    def names(self) -> set[str]:
        self.system.invalidate_cache()
        return (
            {p.rsplit("/", 1)[-1] for p in self.system.ls(self.root, detail=False)}
            if self.system.isdir(self.root)
            else set()
        )

    def read(self, name: str) -> bytes:
        return self.system.cat_file(f"{self.root}/{name}")

    def write(self, name: str, data: bytes) -> None:
        parent = f"{self.root}/{name}".rsplit("/", 1)[0]
        self.system.makedirs(parent, exist_ok=True)
        self.system.pipe_file(f"{self.root}/{name}", data)

    @contextmanager
    def held(self) -> Iterator[None]:
        yield
