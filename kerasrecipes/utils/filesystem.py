"""Access to file systems that fsspec knows: s3://, gs://, hf://, https:// and others."""

from typing import Any

from kerasrecipes.errors import DataError
from kerasrecipes.utils.files import first_line

URL_SEPARATOR = "://"  # a path that holds it lies on a remote file system


def is_url(path: Any) -> bool:
    """Return whether a path is a URL such as "s3://bucket/name"."""
    return isinstance(path, str) and URL_SEPARATOR in path


def open_filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL and the path on it.

    Raises:
        DataError: fsspec does not know the file system, or a package for it is missing.
    """
    from fsspec.core import url_to_fs

    try:
        return url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise DataError(f"{url} cannot be opened: {first_line(error)}") from error
