"""Which files a run is about: folders, patterns and single files, here or on any file system that fsspec knows."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kerasrecipes.errors import DataError
from kerasrecipes.utils.files import first_line
from kerasrecipes.utils.filesystem import URL_SEPARATOR, open_filesystem


def list_inputs(sources: Sequence[str | os.PathLike], suffixes: Iterable[str]) -> list[tuple[str, int]]:
    """(path, bytes) of every file, each once, largest first: similar lengths come together, and short ones last.

    Args:
        sources: folders, of which all files with one of `suffixes` are taken; patterns with wildcards; single files, taken
            whatever their suffix and whether they exist (a missing one becomes a row with its error, 0 bytes).

    Raises:
        DataError: a folder or a pattern gives nothing, or a remote file system cannot be reached.
    """
    known = tuple(suffixes)
    found: dict[str, int] = {}
    for source in [str(os.fspath(s)) for s in sources]:
        before = len(found)
        here = list_remote(source, known) if URL_SEPARATOR in source else list_local(source, known)
        empty = True
        for path, size in here:
            found.setdefault(path, size)
            empty = False
        if empty and len(found) == before:
            raise DataError(f"{source} gives no file ({', '.join(sorted(known)[:6])}, ...): check the path")
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def list_local(source: str, suffixes: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    if os.path.isdir(source):
        yield from walk_files(source, suffixes)
    elif glob.has_magic(source) and not os.path.exists(source):
        for path in glob.iglob(source, recursive=True):
            if os.path.isfile(path):
                yield path, os.path.getsize(path)
    else:
        yield source, os.path.getsize(source) if os.path.isfile(source) else 0


def walk_files(folder: str, suffixes: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Files below a folder, without asking the system twice for any."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from walk_files(entry.path, suffixes)
            elif entry.name.lower().endswith(suffixes) and entry.is_file():
                yield entry.path, entry.stat().st_size


def list_remote(source: str, suffixes: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    system, path = open_filesystem(source)
    try:
        if glob.has_magic(path):
            entries = system.glob(path, detail=True)
        elif system.isdir(path):
            found = system.find(path, detail=True)
            entries = {p: e for p, e in found.items() if p.lower().endswith(suffixes)}
        else:
            entries = {path: system.info(path) if system.exists(path) else {}}
    except Exception as error:  # every file system has its own
        raise DataError(f"{source} cannot be listed: {first_line(error)}") from error
    for name, entry in entries.items():
        if entry.get("type") != "directory":
            yield system.unstrip_protocol(name), int(entry.get("size") or 0)


def fetch_bytes(paths: Sequence[str]) -> list[Any]:
    """What a verb can read, for every path: the path itself, a remote file's bytes (read at the same time), or an error."""
    found: list[Any] = list(paths)
    groups: dict[str, list[int]] = {}
    for place, path in enumerate(paths):
        if URL_SEPARATOR in path:
            groups.setdefault(path.split(URL_SEPARATOR)[0], []).append(place)
    for places in groups.values():
        try:
            system, _ = open_filesystem(paths[places[0]])
            stripped = [system._strip_protocol(paths[p]) for p in places]
            many = len(places) > 1
            read = system.cat(stripped, on_error="return") if many else {stripped[0]: system.cat_file(stripped[0])}
        except Exception as error:
            read, stripped = {}, [""] * len(places)
            for p in places:
                found[p] = DataError(f"{paths[p]} cannot be read: {first_line(error)}")
        for p, name in zip(places, stripped, strict=True):
            if name in read:
                value = read[name]
                failed = isinstance(value, Exception)
                found[p] = DataError(f"{paths[p]} cannot be read: {first_line(value)}") if failed else value
    return found
