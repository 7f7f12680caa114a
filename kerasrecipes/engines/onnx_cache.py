"""ONNX files of released weights without a released ONNX file, which `kerasrecipes export NAME --cache` writes."""

from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError, WeightsUnavailable
from kerasrecipes.utils import environment
from kerasrecipes.utils.private_folder import is_trusted_file


def cache_folder() -> Path:
    """Return the folder of these files: `onnx` in `KERASRECIPES_CACHE`, or in kerasrecipes in the user's cache folder."""
    return environment.cache_folder() / "onnx"


def cache_path(row: Any) -> Path:
    """Return the path for a manifest row. Other weights have another path."""
    return cache_folder() / f"{row.recipe}-{row.sha256[:16]}.onnx"


def is_cached(row: Any) -> bool:
    """Return True if the file of a manifest row exists. A link, or a file of another user, who could have planted it, does not count."""
    try:
        return is_trusted_file(cache_path(row))
    except KerasRecipesError:  # a user without a home folder has no cache
        return False


def require_cached(row: Any, name: str) -> Path:
    """Return the file of a manifest row.

    Args:
        row: Manifest row.
        name: Recipe or hub reference, for the error message.

    Raises:
        WeightsUnavailable: There is no file. The message names the command that writes it.
    """
    if not is_cached(row):
        raise WeightsUnavailable(
            f"{row.recipe} has no released ONNX file. To write one on this machine (it needs TensorFlow and the extra "
            f"kerasrecipes[export]): kerasrecipes export {name} --cache"
        )
    return cache_path(row)
