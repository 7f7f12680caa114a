"""ONNX files of released weights that come with none: made once on this machine, kept in the cache."""

import os
from pathlib import Path
from typing import Any

from kerasrecipes.engines.onnx_metadata import read_description
from kerasrecipes.engines.open import STEP_SUFFIX
from kerasrecipes.errors import ExportError, WeightsCorrupted, WeightsUnavailable


def cache_folder() -> Path:
    """Where they lie: `KERASRECIPES_CACHE`, else kerasrecipes in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("KERASRECIPES_CACHE") or Path(base) / "kerasrecipes") / "onnx"


def cache_path(row: Any) -> Path:
    """The file of a manifest row; other weights have another one."""
    return cache_folder() / f"{row.recipe}-{row.sha256[:16]}.onnx"


def is_cached(row: Any) -> bool:
    """Whether it has been made."""
    return cache_path(row).is_file()


def ensure_onnx(row: Any, name: str) -> Path:
    """The row's file; written (weights in half precision, as they are released) if it is not there or damaged.

    Args:
        row: of the manifest. name: what `load` was given, a recipe or a hub reference.

    Raises:
        WeightsUnavailable: it cannot be written here; says what to install.
    """
    path = cache_path(row)
    if path.is_file():
        try:
            read_description(path)
            return path
        except WeightsCorrupted:
            path.unlink()
    from kerasrecipes.export.exporter import export

    try:
        return export(name, path.parent, "onnx", float16=True, name=path.stem)
    except ExportError as error:
        raise WeightsUnavailable(
            f"{row.recipe} has no released ONNX file, and none can be made here: {error}. On a machine where it can: "
            f'kerasrecipes export {row.recipe} --float16 --out FOLDER, then load("FOLDER/{row.recipe}.onnx")'
        ) from error


def step_path(path: Path) -> Path:
    """The file of pieces beside a file."""
    return path.with_name(f"{path.stem}{STEP_SUFFIX}.onnx")
