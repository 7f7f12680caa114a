"""Journals: files of JSON lines that grow while a command works, so that a command that was killed can continue."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError, convert_errors


def read_journal(path: str | Path) -> list[dict[str, Any]]:
    """Return the rows of a journal, and cut an incomplete last line from the file. A missing file has no rows.

    Raises:
        DataError: A line is no JSON.
    """
    path = Path(path)
    if not path.is_file():
        return []
    content = path.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    if len(complete) < len(content):
        with open(path, "r+b") as file:
            file.truncate(len(complete))
    with convert_errors(DataError, path):
        return [json.loads(line) for line in complete.decode().splitlines()]


class Journal:
    """A journal whose first line says how the other rows are made. Every appended row is on its way to the disk at once.

    Args:
        path: File. It is created if it does not exist.
        settings: JSON values that all rows of the file depend on.

    Raises:
        DataError: The file's rows were made with other settings.

    Example:
        >>> with Journal("labels.jsonl", {"teacher": "whisper:base"}) as journal:
        ...     journal.append([{"path": "a.wav", "text": "good morning"}])
    """

    def __init__(self, path: str | Path, settings: Mapping[str, Any]):
        self.path = Path(path)
        new: dict[str, Any] = json.loads(json.dumps(settings))
        first, *self.rows = read_journal(self.path) or [new]
        if differences := [
            f"{k} {first.get(k)!r} there, {new.get(k)!r} now" for k in {**first, **new} if first.get(k) != new.get(k)
        ]:
            raise DataError(
                f"{self.path} was made with other settings ({'; '.join(differences)}): pass another --output"
            )
        is_new = not self.path.is_file() or not self.path.stat().st_size
        self.file = open(self.path, "a", encoding="utf-8")
        if is_new:
            self._write([first])

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows, which outlive this process from now on."""
        rows = list(rows)
        self._write(rows)
        self.rows += rows

    def _write(self, rows: Iterable[dict[str, Any]]) -> None:
        self.file.write("".join(f"{json.dumps(row)}\n" for row in rows))
        self.file.flush()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: Any) -> None:
        self.file.close()
