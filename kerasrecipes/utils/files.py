"""Atomic writes and hashes of files, and their bytes without reading all of them."""

import contextlib
import errno
import hashlib
import io
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.utils.escaping import escape_controls

# number of an error -> its cause, and what to do
WRITE_ERRORS = {
    errno.ENOSPC: ("the disk is full", "free space on the disk of {folder}, then repeat the command"),
    errno.EDQUOT: ("your quota is used up", "free space on the disk of {folder}, then repeat the command"),
    errno.EFBIG: ("the file would be too large for its disk", "write to another disk than that of {folder}"),
    errno.EROFS: ("the disk is read-only", "write to another disk than that of {folder}"),
    errno.EACCES: ("you may not write there", "write to a folder of yours, or ask for access to {folder}"),
    errno.EPERM: ("you may not write there", "write to a folder of yours, or ask for access to {folder}"),
    errno.ENAMETOOLONG: ("its name is too long", "rename the input"),
}


def atomic_write(path: str | Path, content: Any, *, durable: bool = False) -> Path:
    """Write a file under a temporary name beside `path`, then give it its final name.

    Args:
        path: Final path. Missing parent folders are created.
        content: Bytes, text (stored as UTF-8), or a function that writes to an open binary file.
        durable: Return only when the file and its name are on the disk. Default False.

    Returns:
        The path.

    Raises:
        KerasRecipesError: The file cannot be written. What stood under `path` before is still there.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "xb") as file:  # follows no link
            if callable(content):
                content(file)
            else:
                file.write(content.encode("utf-8") if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise KerasRecipesError(describe_write_error(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return path


def describe_write_error(path: str | Path, error: OSError) -> str:
    """Return in words why a file cannot be written, and what to do."""
    cause, remedy = WRITE_ERRORS.get(error.errno or 0, (str(error), "write to another folder"))
    folder = os.path.abspath(os.path.dirname(path))
    return f"{path} cannot be written: {cause}. What was finished before stays: {remedy.format(folder=folder)}"


def sync_folder(folder: Path) -> None:
    """Wait until new names in a folder are on the disk, where the system offers this."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_json(path: str | Path, values: Any, **options: Any) -> Path:
    """Write values as indented JSON.

    Args:
        path: Final path.
        values: What `json.dumps` takes.
        **options: Options of `json.dumps`, for instance `default`.
    """
    return atomic_write(path, json.dumps(values, indent=1, **options) + "\n")


def write_benchmark_json(path: str | Path, title: str, setting: str, figures: dict[str, str]) -> Path:
    """Write measurements in the format of benchmarks/results.

    Args:
        path: Final path.
        title: Title of the table.
        setting: What was measured on which data and hardware.
        figures: Measured values in words, by what was measured.
    """
    return write_json(path, {"title": title, "setting": setting, "figures": figures})


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message without control characters, or its class if it has no message."""
    return escape_controls((str(error).splitlines() or [type(error).__name__])[0][:300])


class FileBytes:
    """The bytes of an open file with the methods of `bytes` that a parser needs, read in windows.

    Args:
        file: Open binary file.
        window: Bytes that are read at once. Default 65536.
    """

    def __init__(self, file: BinaryIO, window: int = 65536):
        self.file, self.window, self.size = file, window, file.seek(0, os.SEEK_END)
        self._start, self._content = 0, b""

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, place: Any) -> Any:
        """Return one byte as an integer, or the bytes of a slice without a step."""
        if not isinstance(place, slice):
            return self._read(place, 1)[0]
        start, end, _ = place.indices(self.size)
        return self._read(start, max(end - start, 0))

    def _read(self, start: int, length: int) -> bytes:
        if not self._start <= start <= start + length <= self._start + len(self._content):
            self.file.seek(start)
            self._start, self._content = start, self.file.read(max(length, self.window))
        return self._content[start - self._start : start - self._start + length]

    def startswith(self, prefix: bytes, start: int = 0) -> bool:
        """Return whether `prefix` stands at `start`."""
        return self[start : start + len(prefix)] == prefix

    def find(self, pattern: bytes, start: int = 0) -> int:
        """Return the first position of `pattern` from `start` on, or -1."""
        while start < self.size:
            place = self[start : start + self.window].find(pattern)
            if place >= 0:
                return start + place
            start += max(self.window - len(pattern) + 1, 1)
        return -1


class SplicedFile(io.RawIOBase):
    """A file that can be read and consists of bytes and of ranges of another open file.

    Args:
        file: Open binary file.
        parts: Bytes, or ranges of positions in `file`.
        close_file: Whether `close` closes `file`, too. Default True.
    """

    def __init__(self, file: BinaryIO, parts: Sequence[bytes | range], close_file: bool = True):
        super().__init__()
        self.file, self.parts, self.position, self.close_file = file, parts, 0, close_file
        self.size = sum(map(len, parts))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size}[whence]
        self.position = max(start + offset, 0)
        return self.position

    def readinto(self, buffer: Any) -> int:
        view, count, start = memoryview(buffer).cast("B"), 0, 0
        for part in self.parts:
            first = self.position - start
            if count < len(view) and 0 <= first < len(part):
                content = part[first : first + len(view) - count]
                if isinstance(content, range):
                    self.file.seek(content.start)
                    content = self.file.read(len(content))
                view[count : count + len(content)] = content
                count, self.position = count + len(content), self.position + len(content)
            start += len(part)
        return count

    def close(self) -> None:
        """Close this file, and the file that it reads."""
        if not self.closed and self.close_file:
            self.file.close()
        super().close()
