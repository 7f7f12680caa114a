"""Clips inside the tar files of a sharded set, read one by one: `tar://NAME::SHARD`, an address as fsspec writes it."""

import functools
import gzip
import json
from pathlib import PurePath
from typing import Any

from kerasrecipes.errors import AudioError

PREFIX = "tar://"
INDEX = ".jsonl.gz"  # in place of a shard's .tar: a row for each of its clips


def member_url(name: str, shard: str) -> str:
    """Of a clip in a shard."""
    return f"{PREFIX}{name}::{shard}"


def is_member_url(path: Any) -> bool:
    """Whether a path is the address of a clip in a shard."""
    return isinstance(path, str) and path.startswith(PREFIX) and "::" in path


def split_member_url(path: str) -> tuple[str, str]:
    """The clip's name, the shard."""
    name, _, shard = path[len(PREFIX) :].partition("::")
    return name, shard


def member_name(path: str) -> PurePath:
    """The path whose stem and suffix are the clip's, wherever it lies."""
    return PurePath(split_member_url(path)[0] if is_member_url(path) else path)


def read_member(path: str) -> bytes:
    """The encoded clip; of the shard only its bytes are read, here or on any file system that fsspec knows.

    Raises:
        AudioError: the shard does not hold it, or cannot be read.
    """
    offset, size = member_byte_range(path)
    shard = split_member_url(path)[1]
    try:
        found = read_byte_range(shard, offset, size)
    except Exception as error:  # every file system has its own
        raise AudioError(f"{shard} cannot be read: {str(error).splitlines()[0] if str(error) else error!r}") from error
    if len(found) < size:
        raise AudioError(f"{shard} is cut off: copy it again")
    return found


def member_byte_range(path: str) -> tuple[int, int]:
    """Offset and size of a clip in its shard, in bytes.

    Raises:
        AudioError: the shard does not hold it.
    """
    name, shard = split_member_url(path)
    rows = read_shard_index(shard)
    if name not in rows:
        raise AudioError(f"{shard} holds no {name}")
    return rows[name]["offset"], rows[name]["size"]


def read_byte_range(shard: str, offset: int, size: int) -> bytes:
    if "://" in shard:
        from kerasrecipes.utils.filesystem import open_filesystem

        system, path = open_filesystem(shard)
        return system.cat_file(path, start=offset, end=offset + size)
    with open(shard, "rb") as file:
        file.seek(offset)
        return file.read(size)


@functools.cache
def read_shard_index(shard: str) -> dict[str, dict[str, Any]]:
    """The rows of a shard's clips, by name.

    Raises:
        AudioError: there is no index beside it.
    """
    place = shard.removesuffix(".tar") + INDEX
    try:
        if "://" in place:
            from kerasrecipes.utils.filesystem import open_filesystem

            system, path = open_filesystem(place)
            packed = system.cat_file(path)
        else:
            with open(place, "rb") as file:
                packed = file.read()
        rows = [json.loads(line) for line in gzip.decompress(packed).decode().splitlines()]
    except Exception as error:
        raise AudioError(f"The index {place} cannot be read: copy the whole folder of shards") from error
    return {row["name"]: row for row in rows}
