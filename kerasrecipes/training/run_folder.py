"""The folder of a run: checked before a training writes into it, and its CSV files.

A kill can end a CSV file within a row, or leave rows of steps that are trained again.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError
from kerasrecipes.tasks.saved_models import AVERAGED_MODEL
from kerasrecipes.utils.files import atomic_write

CHECKPOINT = "checkpoint.npz"


def check_run_folder(folder: Path, resume: bool) -> None:
    """Raise an error if a training into the folder would overwrite a network in it.

    Raises:
        DataError: The folder holds a checkpoint and `resume` is False, or a network that no checkpoint continues.
    """
    if (folder / CHECKPOINT).exists():
        if not resume:
            raise DataError(f"{folder} already holds a run: pass --resume to continue it, or another --output")
    elif (folder / AVERAGED_MODEL).exists():
        raise DataError(
            f"{folder} holds a network but no checkpoint to continue from (kerasrecipes average writes none): pass another "
            f"--output, and --init-from {folder} to start from it"
        )


def read_cells(path: Path) -> list[list[str]]:
    """Return the header and the complete rows of a CSV file: those that end with a newline and have a cell for each column."""
    text = path.read_bytes().decode("utf-8", "replace")
    header, *rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))) or [[]]
    return [header, *(row for row in rows if len(row) == len(header))]


def read_numbers(path: Path) -> list[dict[str, float]]:
    """Return the rows of a CSV file of numbers. Rows that are torn are left out."""
    header, *rows = read_cells(path)
    numbers = []
    for row in rows:
        try:
            numbers.append({name: float(cell) for name, cell in zip(header, row, strict=True)})
        except ValueError:  # a row that a kill tore, and the next one behind it
            continue
    return numbers


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append a row, with floats rounded to four places. A new file gets a header."""
    is_new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if is_new:
            writer.writeheader()
        writer.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})


def cut_rows(path: Path, end_step: int) -> None:
    """Remove the rows from step `end_step` on, and those that are torn. A file without a complete header is removed."""
    if not path.exists():
        return
    header, *rows = read_cells(path)
    if "step" not in header:
        path.unlink()
        return
    column = header.index("step")
    kept = [row for row in rows if row[column].isdecimal() and int(row[column]) < end_step]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *kept])
    if text.getvalue().encode() != path.read_bytes():
        atomic_write(path, text.getvalue(), durable=True)


def remove_leftovers(folder: Path, step: int) -> None:
    """Remove what a killed process left in a run's folder: half files, and rows after the checkpoint, which is at `step`."""
    for partial in folder.glob(".*.partial"):
        partial.unlink(missing_ok=True)
    cut_rows(folder / "skipped.csv", step)  # its rows count the steps before theirs
    for name in ("log.csv", "validation.csv"):
        cut_rows(folder / name, step + 1)
