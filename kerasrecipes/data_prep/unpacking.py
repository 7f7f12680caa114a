"""Unpack tar files that are not trusted: nothing outside the folder, no links, no devices, a bound on the size."""

import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError
from kerasrecipes.utils.files import WRITE_ERRORS, describe_write_error, first_line
from kerasrecipes.utils.tar_members import describe_unsafe_member

MAX_MEMBERS = 1_000_000
FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python before 3.11.4 has none


def unpack_tar(path: Path, folder: Path, max_bytes: int, progress: Callable[[int], None] | None = None) -> None:
    """Unpack a tar file, compressed or not, into an existing folder. Owners, rights and times of its members are not taken over.

    Args:
        path: The tar file.
        folder: Folder that receives the members. What an error leaves in it is to be removed.
        max_bytes: Largest size of all members together.
        progress: Called with the bytes that are unpacked. Default: nobody.

    Raises:
        DataError: A member lies outside the folder or is no plain file and no folder, there is too much of them, the file is
            damaged, or the disk is full.
    """
    num_bytes = num_members = 0
    try:
        with tarfile.open(path, "r:*") as tar:
            for member in tar:
                num_bytes, num_members = num_bytes + member.size, num_members + 1
                check_member(member, path)
                if num_bytes > max_bytes or num_members > MAX_MEMBERS:
                    raise DataError(f"{path} holds more than {max_bytes:,} bytes or {MAX_MEMBERS:,} members: it is not unpacked")
                tar.extract(member, folder, set_attrs=False, **FILTER)
                if progress:
                    progress(num_bytes)
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{path} cannot be unpacked ({first_line(error)}): remove it and repeat the command") from error
    except OSError as error:
        if error.errno in WRITE_ERRORS:
            raise DataError(describe_write_error(folder, error)) from error
        raise DataError(f"{path} cannot be unpacked ({first_line(error)}): remove it and repeat the command") from error


def check_member(member: tarfile.TarInfo, path: Path) -> None:
    """Check that a member of the tar file `path` is a file or a folder below the one that receives it.

    Raises:
        DataError: It is something else.
    """
    if problem := describe_unsafe_member(member):
        raise DataError(f"{path} is not unpacked, because its member {member.name!r:.100} {problem}: do not use this archive")
