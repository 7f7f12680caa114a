"""Rows of tables of clips: TSV, CSV, JSON lines, a JSON array, and LJ Speech's metadata.csv."""

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasrecipes.audio import CLIP_EXTENSIONS, audio_duration
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.utils.text_files import read_text

JSON_EXTENSIONS = (".jsonl", ".json", ".ndjson")
MAX_DURATION_RATIO = 2.0  # between a table's length of a clip and that of the file
MILLISECONDS_RATIO = (900.0, 1100.0)  # of lengths in milliseconds to seconds, with the padding of codecs


def read_rows(table: Path) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries by the names of its columns.

    Raises:
        DataError: The file is no such table, or a row does not fit the header. The message names the line.
    """
    text = read_text(table)
    try:
        if table.suffix.lower() in JSON_EXTENSIONS:
            return read_json_rows(text)
        lines = text.split("\n")
        if table.name == "metadata.csv" and 1 <= lines[0].count("|") <= 2:
            return read_lj_speech_rows(table, lines)
        if table.suffix.lower() == ".tsv" or "\t" in lines[0]:
            return read_delimited_rows(text, delimiter="\t", quoting=csv.QUOTE_NONE)
        return read_delimited_rows(text, strict=True)
    except (csv.Error, ValueError) as error:
        raise DataError(f"{table} is not a table of clips in TSV, CSV or JSON lines: {error}") from error


def read_json_rows(text: str) -> list[dict[str, Any]]:
    """Return the objects of JSON lines or of one JSON array."""
    is_array = text.lstrip().startswith("[")
    lines = [] if is_array else [line for line in text.split("\n") if line.strip()]  # strings may hold U+2028
    rows = json.loads(text) if is_array else list(map(json.loads, lines))
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise ValueError(
                f'row {number} is {json.dumps(row)[:40]}, expected an object such as {{"path": ..., "text": ...}}'
            )
    return rows


def read_lj_speech_rows(table: Path, lines: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of `id|as written|as spoken` or `id|text`. Clips stand beside the table or in its folder wavs."""
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, *texts = line.split("|")
        if len(texts) not in (1, 2):
            raise ValueError(f"line {number} has {len(texts) + 1} columns, expected id|text or id|as written|as spoken")
        file = name if Path(name).suffix.lower() in CLIP_EXTENSIONS else f"{name}.wav"
        path = file if (table.parent / file).is_file() else f"wavs/{file}"
        rows.append({"path": path, "text": texts[-1].strip() or texts[0]})
    return rows


def read_delimited_rows(text: str, **dialect: Any) -> list[dict[str, Any]]:
    """Return the rows of TSV or CSV.

    Raises:
        ValueError: A row has more cells than the header, or a quote that is not closed takes other rows into its cell.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), **dialect)
    rows = []
    start = 2
    for row in reader:
        if any(row.pop(None, ())):
            raise ValueError(f"line {start} has more cells than the header: put a text with the delimiter into quotes")
        for value in row.values():
            if value and "\n" in value and any(extension in value.lower() for extension in CLIP_EXTENSIONS):
                raise ValueError(f"a quote that begins at line {start} takes the lines below into its cell: close it")
        rows.append(row)
        start = reader.line_num + 1
    return rows


def parse_seconds(value: str, where: str) -> float:
    """Return a clip's length of a table's cell, 0 for an empty one.

    Args:
        value: The cell.
        where: Table, row and column for the message.

    Raises:
        DataError: The cell holds no number of seconds.
    """
    if not value.strip():
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise DataError(
            f"{where} is {value!r}, not a number of seconds such as 4.29: correct it, or leave the cell empty"
        )
    return seconds


def seconds_per_unit(seconds: float, path: Path, table: Path) -> float:
    """Return 0.001 if a table's lengths are milliseconds, else 1, by the length of one of its files.

    Args:
        seconds: Length in the table.
        path: The clip's file. One that cannot be read is not compared.
        table: The table, for the message.

    Raises:
        DataError: The length is neither.
    """
    try:
        actual = audio_duration(path)
    except (AudioError, OSError):
        return 1.0
    if MILLISECONDS_RATIO[0] * actual < seconds < MILLISECONDS_RATIO[1] * actual:
        return 0.001
    if abs(seconds - actual) > 1 and not actual / MAX_DURATION_RATIO < seconds < actual * MAX_DURATION_RATIO:
        raise DataError(
            f"{table} says that {path.name} lasts {seconds:g} s, but it lasts {actual:.2f} s: correct the column of lengths, or "
            "remove it"
        )
    return 1.0
