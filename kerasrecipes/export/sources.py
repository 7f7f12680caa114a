"""The sources of exported files: a file is named after its source, and another source does not overwrite it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import ExportError
from kerasrecipes.tasks import saved_models

SOURCE_ARRAY = "source"  # in the file of test inputs, uint8 (16,)


def saved_stem(model: Any) -> str | None:
    """Return the name of a `.keras` file without its extension or of a run's folder, None for other sources."""
    if not isinstance(model, str | Path) or not saved_models.is_saved_model(str(model)):
        return None
    path = Path(model).resolve()
    return path.stem if path.suffix == ".keras" else path.name


def hash_source(model: Any) -> np.ndarray:
    """Return a hash of a source, uint8 (16,): of a name, of the path of a file or folder, or of a loaded model's weights."""
    if not isinstance(model, str | Path):
        text = hash_weights(model).encode()
    else:
        text = bytes(Path(model).resolve()) if saved_models.is_saved_model(str(model)) else str(model).encode()
    return np.frombuffer(hashlib.sha256(text).digest()[:16], "uint8")


def hash_weights(model: Any) -> str:
    """Return a hash of all weights."""
    digest = hashlib.sha256()
    for value in model.variables:
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()[:16]


def check_owner(source: np.ndarray, paths: Iterable[Path], examples: Path) -> None:
    """Check that files to write belong to a source, or do not exist.

    Args:
        source: Value of `hash_source`.
        paths: Files to write.
        examples: Their file of test inputs, which holds their source.

    Raises:
        ExportError: One of them exists and has another source, or none.
    """
    existing = [path for path in (*paths, examples) if path.exists()]
    if not existing:
        return
    try:
        with np.load(examples) as arrays:
            owner = arrays[SOURCE_ARRAY]
    except Exception:  # no such file, a damaged one, or one without the array
        owner = None
    if not np.array_equal(owner, source):
        raise ExportError(
            f"{existing[0]} was written from another model: pass --force (force=True) to replace it, or another --output"
        )
