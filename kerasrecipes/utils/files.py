"""Atomic writes and hashes of files."""

import contextlib
import errno
import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import Any

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
