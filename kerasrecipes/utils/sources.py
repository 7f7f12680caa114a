"""Where a file comes from: a path, a pipe, standard input, bytes or a file object of any library."""

import inspect
import os
import select
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import AudioError, ImageError, KerasRecipesError
from kerasrecipes.utils.escaping import escape_controls

STANDARD_INPUT = "-"
PIPE_SECONDS = 10.0  # after which a pipe into which no program writes is an error
FileContent = bytes | bytearray | memoryview
Source = str | os.PathLike | bytes | bytearray


@dataclass(frozen=True)
class Medium:
    """Words of the messages about a source.

    Args:
        noun: What the source holds.
        family: Class of its errors.
        verbs: Verbs that take a folder of it.
        again: How to get a new copy.
        rewind: Whether a file object is read from its start, wherever it stands.
    """

    noun: str
    family: type[KerasRecipesError]
    verbs: str
    again: str
    rewind: bool


AUDIO = Medium("audio", AudioError, "transcribe", "record or download it again", rewind=False)
IMAGE = Medium("image", ImageError, "classify or segment", "save or download it again", rewind=True)


def source_name(source: Any, medium: Medium) -> str:
    """Return a printable name of a source for error messages."""
    if isinstance(source, str | os.PathLike):
        return "standard input" if source == STANDARD_INPUT else escape_controls(os.fsdecode(source))
    if isinstance(source, FileContent):
        return f"{medium.noun} of {len(source)} bytes"
    if hasattr(source, "read"):
        names = (getattr(source, key, None) for key in ("filename", "name"))  # uploads name their form field `name`
        return escape_controls(next((name for name in names if isinstance(name, str) and name), "file object"))
    return f"array of shape {np.shape(source)}"


def check_not_empty(source: Any, medium: Medium) -> None:
    """Raise an error if a path is the empty string, which `pathlib` takes for the current folder."""
    if isinstance(source, str | os.PathLike) and not os.fspath(source):
        raise medium.family(
            f"The path of the {medium.noun} is empty: pass a file or a folder (. is the current folder)"
        )


def resolve_source(source: Any, name: str, medium: Medium) -> Source:
    """Return the path of an ordinary file, or the bytes of any other source.

    Args:
        source: Path, "-" for standard input, bytes, or file object. FastAPI's `UploadFile` is one too.
        name: Its name in messages.
        medium: Words of the messages.

    Raises:
        KerasRecipesError: An error of the medium's class. The source is missing, empty, a folder or text.
    """
    if isinstance(source, FileContent):
        return source.tobytes() if isinstance(source, memoryview) else source
    if source == STANDARD_INPUT:
        if sys.stdin is None or sys.stdin.isatty():
            raise medium.family("- reads standard input, and nothing is piped into it: pass a file")
        return read_stream(sys.stdin.buffer, name, medium)
    if not isinstance(source, str | os.PathLike):
        return read_stream(source, name, medium)
    check_not_empty(source, medium)
    try:
        status = os.stat(source)
    except FileNotFoundError:
        if os.path.islink(source):
            raise medium.family(f"{name} is a broken link to {os.readlink(name)}: repair it") from None
        raise medium.family(f"There is no file {name}: check the path") from None
    if stat.S_ISDIR(status.st_mode):
        raise medium.family(f"{name} is a folder: pass it to {medium.verbs} directly, or pass one of its files")
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        raise medium.family(f"{name} is a device: pass a file, or - for standard input")
    if not stat.S_ISREG(status.st_mode):
        source = read_pipe(source)  # a pipe cannot be read twice
    if not (len(source) if isinstance(source, bytes) else status.st_size):
        raise medium.family(f"{name} is empty (0 bytes): {medium.again}")
    return source


def read_pipe(path: str | os.PathLike) -> bytes:
    """Read a pipe to its end.

    Raises:
        TimeoutError: No program writes into it.
    """
    if not hasattr(select, "poll"):
        return Path(path).read_bytes()
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:
        poll = select.poll()
        poll.register(file, select.POLLIN)  # it also reports that a writer has come and gone
        start: bytes | None = None
        if not poll.poll(1000 * PIPE_SECONDS):
            start = file.read(1)  # None if a writer is there and has not written yet
            if start == b"":
                raise TimeoutError(0, f"no program has written into this pipe within {PIPE_SECONDS:g} s")
        os.set_blocking(file.fileno(), True)
        return (start or b"") + file.readall()


def read_stream(stream: Any, name: str, medium: Medium) -> bytes:
    """Read a file object to its end: decoders seek, and pipes cannot."""
    if inspect.iscoroutinefunction(stream.read) and hasattr(stream, "file"):
        stream = stream.file  # UploadFile of FastAPI and Starlette
    if medium.rewind and hasattr(stream, "seekable") and stream.seekable():
        stream.seek(0)
    content = stream.read()
    if inspect.iscoroutine(content):
        content.close()
        raise medium.family(f"{name} is read asynchronously: pass the bytes, await file.read()")
    if isinstance(content, str):
        raise medium.family(f'{name} gives text: open it with open(path, "rb")')
    if not content:
        raise medium.family(f"{name} gives no bytes: it is empty or was read to its end; seek(0) first")
    return content


def is_file_input(x: Any) -> bool:
    """Return whether `x` is a path, bytes or a file object, or a list of these, and no input of a network."""
    if isinstance(x, list | tuple):
        return len(x) > 0 and all(map(is_file_input, x))
    return isinstance(x, str | os.PathLike | FileContent) or hasattr(x, "read")
