"""Folders and files that only this user may write, where content is trusted that another user could plant elsewhere."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from kerasrecipes.errors import DataError

READ_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


def make_private_folder(path: str | Path) -> Path:
    """Create a folder that only this user can read and write, or take these rights on one that exists from all others.

    Raises:
        DataError: It cannot be created, it is no folder, or another user owns it or the link to it.
    """
    path = Path(path)
    advice = "set KERASRECIPES_CACHE to a folder of your own"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        link, folder = path.lstat(), path.stat()
        if not (is_own(link) and is_own(folder)):
            raise DataError(f"{path} belongs to another user, who could change what is in it: {advice}")
        if os.name == "posix" and stat.S_IMODE(folder.st_mode) != 0o700:
            path.chmod(0o700)
    except OSError as error:
        raise DataError(f"{path} cannot be used as a cache ({error}): {advice}") from error
    return path


def open_trusted_file(path: Path) -> BinaryIO:
    """Open a file of this user or the system's for reading that is neither a link nor a device nor a pipe.

    Raises:
        OSError: There is no such file.
    """
    descriptor = os.open(path, READ_FLAGS)
    facts = os.fstat(descriptor)
    if not (stat.S_ISREG(facts.st_mode) and (is_own(facts) or facts.st_uid == 0)):
        os.close(descriptor)
        raise OSError(f"{path} is no file of this user or the system's")
    return os.fdopen(descriptor, "rb")


def is_trusted_file(path: Path) -> bool:
    """Return whether `open_trusted_file` opens a file."""
    try:
        open_trusted_file(path).close()
    except OSError:
        return False
    return True


def is_own(facts: os.stat_result) -> bool:
    """Return whether this user owns a file, True on systems without owners."""
    return not hasattr(os, "geteuid") or facts.st_uid == os.geteuid()
