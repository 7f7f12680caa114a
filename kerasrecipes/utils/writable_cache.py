"""Cache folders for what is computed anew where it is missing: a home folder that cannot be written stops nothing."""

import os
import tempfile
import warnings
from pathlib import Path

from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.utils.environment import cache_folder
from kerasrecipes.utils.private_folder import make_private_folder


def make_cache_folder(name: str) -> Path:
    """Return a private folder in the package's cache that can be written.

    Where the user's cache folder cannot be written, it lies in the temporary folder, with a warning.

    Args:
        name: Name of the folder in the cache.

    Raises:
        KerasRecipesError: `KERASRECIPES_CACHE` is set to a folder that cannot be used, or the temporary folder cannot either.
    """
    try:
        folder = make_private_folder(cache_folder() / name)
        if not os.access(folder, os.W_OK):
            raise DataError(f"{folder} cannot be written: set KERASRECIPES_CACHE to a folder of your own")
        return folder
    except KerasRecipesError as error:
        if os.environ.get("KERASRECIPES_CACHE"):
            raise
        user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
        fallback = make_private_folder(Path(tempfile.gettempdir()) / f"kerasrecipes-{user}")
        warnings.warn(f"{error}. {fallback} is used until then", stacklevel=3)
        return make_private_folder(fallback / name)
