"""The one listing of folders: which files a model reads, and what is skipped for which reason."""

import glob
import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kerasrecipes.utils.escaping import escape_controls
from kerasrecipes.utils.filesystem import URL_SEPARATOR

EXAMPLES = 3  # names in a message
MACOS = "made by macOS beside a file, without content of its own: delete it"
CLOSED = "folder that cannot be opened: change its permissions"
BROKEN = "broken link: repair or remove it"
REPEATED = "link to a folder that is listed already"


@dataclass(frozen=True)
class FileKind:
    """Which files of a folder a task reads.

    Args:
        noun: What the files hold, for messages.
        extensions: Lower-case extensions of readable files, with their dots.
        remedies: What to do about other extensions of such files.
    """

    noun: str
    extensions: Collection[str]
    remedies: Mapping[str, str] = field(default_factory=dict)

    def matches(self, name: str) -> bool:
        """Return whether a file name has one of the extensions."""
        return os.path.splitext(name)[1].lower() in self.extensions


class SkippedFiles:
    """The files of a folder that a listing leaves out, by reason."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.kinds: dict[str, Counter[str]] = {}  # extensions of the files of a reason, if these are the reason
        self.folders: list[str] = []

    def add(self, reason: str, path: str, extension: str = "") -> None:
        """Add a file or a link. An extension that is not readable is counted beside the reason."""
        self.names.setdefault(reason, []).append(os.path.basename(path))
        if extension:
            self.kinds.setdefault(reason, Counter())[extension] += 1

    def pop_folders(self) -> list[str]:
        """Return the paths of folders that cannot be opened, and forget them."""
        folders, self.folders = self.folders, []
        return folders

    def __str__(self) -> str:
        reasons = self.names | ({CLOSED: self.folders} if self.folders else {})
        reasons = {reason: sorted(names) for reason, names in reasons.items()}
        count = sum(map(len, reasons.values()))
        parts = [
            f"{self.describe_count(reason, names)} {reason} "
            f"({escape_controls(', '.join(names[:EXAMPLES]))}{', ...' * (len(names) > EXAMPLES)})"
            for reason, names in reasons.items()
        ]
        return f"{count} skipped: {'; '.join(parts)}" if count else ""

    def describe_count(self, reason: str, names: Sequence[str]) -> str:
        """Return the number of files, by extension where these are the reason."""
        kinds = sorted(self.kinds.get(reason, {}).items())
        return ", ".join(f"{number} {extension}" for extension, number in kinds) + "," if kinds else str(len(names))


def is_pattern(source: object) -> bool:
    """Return whether a source is a path with wildcards, and not the name of a file."""
    if not isinstance(source, str | os.PathLike):
        return False
    path = os.fspath(source)
    return glob.has_magic(path) and URL_SEPARATOR not in path and not os.path.exists(path)


def expand_pattern(pattern: str | os.PathLike, family: type[Exception]) -> list[str]:
    """Return the files that match a pattern in the order of their names.

    Raises:
        Exception: An error of class `family` if there are none.
    """
    names = sorted(glob.glob(os.fspath(pattern), recursive=True))
    if not names:
        raise family(f"No file matches {pattern}")
    return names


def list_folder(folder: str | os.PathLike, kind: FileKind) -> tuple[list[str], str]:
    """Return the files of a kind below a folder in the order of their names, and in words what was skipped."""
    skipped = SkippedFiles()
    paths = [str(Path(entry.path)) for entry in walk_folder(os.fspath(folder), kind, skipped)]
    return sorted(paths, key=lambda path: path.split(os.sep)), str(skipped)


def list_folder_or_warn(folder: str | os.PathLike, kind: FileKind, family: type[Exception] | None) -> list[str]:
    """List a folder and name what is skipped in one warning.

    Raises:
        Exception: An error of class `family` if no file remains, unless `family` is None.
    """
    paths, skipped = list_folder(folder, kind)
    if not paths and family:
        examples = ", ".join(sorted(kind.extensions)[:6])
        raise family(f"The folder {folder} holds no {kind.noun} ({examples}, ...){'. ' * bool(skipped)}{skipped}")
    if skipped:
        warnings.warn(f"{escape_controls(folder)}: {skipped}", stacklevel=4)
    return paths


def walk_folder(folder: str, kind: FileKind, skipped: SkippedFiles) -> Iterator[os.DirEntry]:
    """Yield the files of a kind below a folder, also behind links. Each folder is listed once."""
    visited: set[tuple[int, int]] = set()
    links: list[str] = []
    yield from walk_unlinked(folder, kind, skipped, visited, links)
    while links:
        link = links.pop(0)
        status = os.stat(link)
        if (status.st_dev, status.st_ino) in visited:
            skipped.add(REPEATED, link)
        else:
            yield from walk_unlinked(link, kind, skipped, visited, links)


def walk_unlinked(
    folder: str, kind: FileKind, skipped: SkippedFiles, visited: set[tuple[int, int]], links: list[str]
) -> Iterator[os.DirEntry]:
    """Yield the files below a folder. Links to folders are appended to `links`."""
    try:
        status = os.stat(folder)
        with os.scandir(folder) as iterator:
            entries = list(iterator)
    except OSError:
        skipped.folders.append(folder)
        return
    visited.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from walk_unlinked(entry.path, kind, skipped, visited, links)
        elif entry.is_symlink() and entry.is_dir():
            links.append(entry.path)
        elif is_readable(entry, kind, skipped):
            yield entry


def is_readable(entry: os.DirEntry, kind: FileKind, skipped: SkippedFiles) -> bool:
    """Return whether a file is of a kind, and add it to `skipped` if only its extension or its content speaks against it."""
    extension = os.path.splitext(entry.name)[1].lower()
    if extension not in kind.extensions and extension not in kind.remedies:
        if not extension and entry.is_symlink() and not os.path.exists(entry.path):
            skipped.add(BROKEN, entry.path)  # it may lead to a folder
        return False
    if entry.name.startswith("._"):
        skipped.add(MACOS, entry.path)
    elif not entry.is_file():
        skipped.add(BROKEN if entry.is_symlink() else "not a file", entry.path)
    elif extension in kind.remedies:
        skipped.add(kind.remedies[extension], entry.path, extension)
    else:
        return True
    return False
