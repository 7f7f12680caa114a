"""The input files of a run: folders, patterns and single files, local or on any file system that fsspec knows."""

import glob
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from kerasrecipes.errors import DataError
from kerasrecipes.utils.files import first_line
from kerasrecipes.utils.filesystem import URL_SEPARATOR, is_url, open_filesystem
from kerasrecipes.utils.listing import FileKind, SkippedFiles, walk_folder
from kerasrecipes.utils.sources import STANDARD_INPUT


def list_inputs(sources: Sequence[str | os.PathLike], kind: FileKind) -> list[tuple[str, int]]:
    """List every input file once as (path, bytes), largest first, so that neighbors have similar lengths.

    Args:
        sources: Folders, searched for files of the kind; patterns with wildcards; single files, listed whatever their
            extension. A single file that does not exist is listed with 0 bytes and becomes an error row.
        kind: Extensions of the files.

    Raises:
        DataError: A folder or a pattern gives no file, or a remote file system cannot be reached.
    """
    sizes: dict[str, int] = {}
    skipped = SkippedFiles()
    for source in [str(os.fspath(s)) for s in sources]:
        if not source:
            raise DataError("The path of an input is empty: pass a file or a folder (. is the current folder)")
        if source == STANDARD_INPUT:
            raise DataError("Workers do not read standard input (-): leave out --workers and --runner, or pass a file")
        files = list(list_remote(source, kind) if is_url(source) else list_local(source, kind, skipped))
        if not files:
            examples = ", ".join(sorted(kind.extensions)[:6])
            raise DataError(f"{source} gives no file ({examples}, ...): check the path. {skipped}".rstrip(". "))
        for path, size in files:
            sizes.setdefault(path, size)
    if skipped.names:
        warnings.warn(str(skipped), stacklevel=3)
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))


def list_local(source: str, kind: FileKind, skipped: SkippedFiles) -> Iterator[tuple[str, int]]:
    """Yield (path, bytes) of local files. A folder that cannot be listed becomes an error row."""
    if os.path.isdir(source):
        for entry in walk_folder(source, kind, skipped):
            yield entry.path, entry.stat().st_size
        yield from ((folder, 0) for folder in skipped.pop_folders())
    elif glob.has_magic(source) and not os.path.exists(source):
        for path in glob.iglob(source, recursive=True):
            if os.path.isfile(path):
                yield path, os.path.getsize(path)
    else:
        yield source, os.path.getsize(source) if os.path.isfile(source) else 0


def list_remote(source: str, kind: FileKind) -> Iterator[tuple[str, int]]:
    system, path = open_filesystem(source)
    try:
        if glob.has_magic(path):
            entries = system.glob(path, detail=True)
        elif system.isdir(path):
            entries = {p: e for p, e in system.find(path, detail=True).items() if kind.matches(p)}
        else:
            entries = {path: system.info(path) if system.exists(path) else {}}
    except Exception as error:  # each file system raises its own classes
        raise DataError(f"{source} cannot be listed: {first_line(error)}") from error
    for name, entry in entries.items():
        if entry.get("type") != "directory":
            yield system.unstrip_protocol(name), int(entry.get("size") or 0)


def fetch_bytes(paths: Sequence[str]) -> list[Any]:
    """Return for every path what a model reads: a local path unchanged, a remote file's bytes, or a `DataError`.

    The files of one remote file system are read concurrently.
    """
    sources: list[Any] = list(paths)
    groups: dict[str, list[int]] = {}
    for index, path in enumerate(paths):
        if is_url(path):
            groups.setdefault(path.split(URL_SEPARATOR)[0], []).append(index)
        elif os.path.isdir(path):
            sources[index] = DataError(f"{path} is a folder that cannot be listed: check its permissions")
    for indices in groups.values():
        try:
            system, _ = open_filesystem(paths[indices[0]])
            names = [system._strip_protocol(paths[i]) for i in indices]
            several = len(names) > 1
            contents = system.cat(names, on_error="return") if several else {names[0]: system.cat_file(names[0])}
            values = [contents.get(name) for name in names]
        except Exception as error:
            values = [error] * len(indices)
        for index, value in zip(indices, values, strict=True):
            if isinstance(value, Exception):
                value = DataError(f"{paths[index]} cannot be read: {first_line(value)}")
            sources[index] = paths[index] if value is None else value
    return sources
