"""Files of phone labels: a head that says who made them, then one clip a line."""

import gzip
import json
import lzma
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError

OPENERS: dict[str, Any] = {".xz": lzma.open, ".gz": gzip.open}
HEADER_PREFIX, COLUMNS = "# phones ", "path\tspeaker\tseconds\tphones"


@dataclass(frozen=True)
class PhoneLabels:
    """The phones of one clip: `phones` holds (phone, start in seconds), the last one lasts until `seconds`."""

    path: str
    speaker: str
    seconds: float
    phones: tuple[tuple[str, float], ...]


def write_labels(path: str | Path, rows: Iterable[PhoneLabels], head: dict[str, Any]) -> None:
    """Write a label file, whole or not at all: a line `# phones {JSON}`, the names of the columns, one clip a line.

    Phones and starts stand in one column, `SIL 0 HH 0.53 AH 0.59`.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.writing")
    with OPENERS.get(path.suffix, open)(partial, "wt", encoding="utf-8") as file:
        file.write(f"{HEADER_PREFIX}{json.dumps(head)}\n{COLUMNS}\n")
        for r in rows:
            phones = " ".join(f"{phone} {start:g}" for phone, start in r.phones)
            file.write(f"{r.path}\t{r.speaker}\t{r.seconds:g}\t{phones}\n")
    os.replace(partial, path)


def read_labels(path: str | Path) -> tuple[dict[str, Any], list[PhoneLabels]]:
    """The head and the clips of a label file.

    Raises:
        DataError: there is none, or a line does not have its form; the line is named.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no label file {path}: kerasrecipes data align-phones makes one")
    try:
        with OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (UnicodeDecodeError, OSError, lzma.LZMAError, EOFError) as error:
        raise DataError(f"{path} is not a readable label file: {error}") from None
    if len(lines) < 2 or not lines[0].startswith(HEADER_PREFIX) or lines[1] != COLUMNS:
        raise DataError(
            f"{path} is no file of phone labels: it must begin with '{HEADER_PREFIX}{{...}}' and the columns' names"
        )
    try:
        head = json.loads(lines[0][len(HEADER_PREFIX) :])
    except ValueError as error:
        raise DataError(f"{path}, line 1: what follows '{HEADER_PREFIX}' is no JSON: {error}") from None
    return head, list(rows(path, lines))


def rows(path: Path, lines: list[str]) -> Iterator[PhoneLabels]:
    """The clips of a file's lines behind its head."""
    for number, line in enumerate(lines[2:], 3):
        try:
            name, speaker, seconds, phones = line.split("\t")
            words = phones.split()
            pairs = tuple(zip(words[::2], map(float, words[1::2]), strict=True))
            starts = [start for _, start in pairs]
            if not pairs or not all(map(math.isfinite, starts)) or starts != sorted(starts) or starts[0] < 0:
                raise ValueError("phones need starts that rise from 0")
            yield PhoneLabels(name, speaker, float(seconds), pairs)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}") from None
