"""Read single clips from the tar files of a sharded dataset, addressed as fsspec does: `tar://NAME::SHARD`."""

import functools
import gzip
import json
from pathlib import PurePath
from typing import Any

from kerasrecipes.errors import AudioError
from kerasrecipes.utils.files import first_line
from kerasrecipes.utils.filesystem import is_url, open_filesystem

PREFIX = "tar://"
INDEX = ".jsonl.gz"  # replaces a shard's .tar: a row for each of its clips


def member_url(name: str, shard: str) -> str:
    """Return the `tar://` URL of a clip inside a shard."""
    return f"{PREFIX}{name}::{shard}"


def is_member_url(path: Any) -> bool:
    """Return whether a path is the URL of a clip inside a shard."""
    return isinstance(path, str) and path.startswith(PREFIX) and "::" in path


def split_member_url(path: str) -> tuple[str, str]:
    """Return the clip's name and the shard of a URL."""
    name, _, shard = path[len(PREFIX) :].partition("::")
    return name, shard


def member_name(path: str) -> PurePath:
    """Return the clip's file name, whether `path` is a URL inside a shard or a plain path."""
    return PurePath(split_member_url(path)[0] if is_member_url(path) else path)


def read_member(path: str) -> bytes:
    """Read the encoded clip. Only its bytes of the shard are read, local or remote.

    Raises:
        AudioError: The shard does not hold the clip, or cannot be read.
    """
    offset, size = member_byte_range(path)
    shard = split_member_url(path)[1]
    try:
        data = read_byte_range(shard, offset, size)
    except Exception as error:  # each file system raises its own classes
        raise AudioError(f"{shard} cannot be read: {first_line(error)}") from error
    if len(data) < size:
        raise AudioError(f"{shard} is cut off: copy it again")
    return data


def member_byte_range(path: str) -> tuple[int, int]:
    """Return a clip's offset in its shard and its size, in bytes.

    Raises:
        AudioError: The shard does not hold the clip.
    """
    name, shard = split_member_url(path)
    rows = read_shard_index(shard)
    if name not in rows:
        raise AudioError(f"{shard} holds no {name}")
    return rows[name]["offset"], rows[name]["size"]


def read_byte_range(path: str, offset: int = 0, size: int | None = None) -> bytes:
    """Read a part of a local or remote file, by default all of it."""
    if is_url(path):
        system, name = open_filesystem(path)
        return system.cat_file(name, start=offset, end=None if size is None else offset + size)
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


@functools.cache
def read_shard_index(shard: str) -> dict[str, dict[str, Any]]:
    """Read the index rows of a shard's clips, by name.

    Raises:
        AudioError: There is no index beside the shard.
    """
    path = shard.removesuffix(".tar") + INDEX
    try:
        rows = [json.loads(line) for line in gzip.decompress(read_byte_range(path)).decode().splitlines()]
    except Exception as error:
        raise AudioError(f"The index {path} cannot be read: copy the whole folder of shards") from error
    return {row["name"]: row for row in rows}
