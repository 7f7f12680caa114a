"""The input files of a run: folders, patterns and single files, local or on any file system that fsspec knows."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kerasrecipes.errors import DataError
from kerasrecipes.utils.files import first_line
from kerasrecipes.utils.filesystem import URL_SEPARATOR, is_url, open_filesystem


def list_inputs(sources: Sequence[str | os.PathLike], extensions: Iterable[str]) -> list[tuple[str, int]]:
    """List every input file once as (path, bytes), largest first, so that neighbors have similar lengths.

    Args:
        sources: Folders, searched for files with one of `extensions`; patterns with wildcards; single files, listed
            whatever their extension. A single file that does not exist is listed with 0 bytes and becomes an error row.
        extensions: Lower-case extensions with their dots.

    Raises:
        DataError: A folder or a pattern gives no file, or a remote file system cannot be reached.
    """
    extensions = tuple(extensions)
    sizes: dict[str, int] = {}
    for source in [str(os.fspath(s)) for s in sources]:
        files = list(list_remote(source, extensions) if is_url(source) else list_local(source, extensions))
        if not files:
            raise DataError(f"{source} gives no file ({', '.join(sorted(extensions)[:6])}, ...): check the path")
        for path, size in files:
            sizes.setdefault(path, size)
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))


def list_local(source: str, extensions: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    if os.path.isdir(source):
        yield from walk_files(source, extensions)
    elif glob.has_magic(source) and not os.path.exists(source):
        for path in glob.iglob(source, recursive=True):
            if os.path.isfile(path):
                yield path, os.path.getsize(path)
    else:
        yield source, os.path.getsize(source) if os.path.isfile(source) else 0


def walk_files(folder: str, extensions: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yield the files below a folder with one system call for each."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from walk_files(entry.path, extensions)
            elif entry.name.lower().endswith(extensions) and entry.is_file():
                yield entry.path, entry.stat().st_size


def list_remote(source: str, extensions: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    system, path = open_filesystem(source)
    try:
        if glob.has_magic(path):
            entries = system.glob(path, detail=True)
        elif system.isdir(path):
            entries = {p: e for p, e in system.find(path, detail=True).items() if p.lower().endswith(extensions)}
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
