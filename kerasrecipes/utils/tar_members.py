"""Read single clips from the tar files of a sharded dataset, addressed as fsspec does: `tar://NAME::SHARD`.

`describe_unsafe_member` is for archives of strangers, which are unpacked.
"""

import functools
import gzip
import io
import json
import tarfile
from pathlib import PurePath, PurePosixPath
from typing import Any

from kerasrecipes.errors import AudioError
from kerasrecipes.utils.files import first_line
from kerasrecipes.utils.filesystem import is_url, open_filesystem

PREFIX = "tar://"
MAX_ROW_CHARACTERS = 1_000_000
MAX_NUMBER = 2**47  # bytes or samples
INDEX = ".jsonl.gz"  # replaces a shard's .tar: a row for each of its clips


def describe_unsafe_member(member: tarfile.TarInfo) -> str:
    """Return in words why a member of a tar file is not unpacked: it is no plain file and no folder, or lies outside. Else "".

    Args:
        member: Header of the member.
    """
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or ":" in member.name:
        return "would lie outside the folder"
    if member.isreg() or member.isdir():
        return ""
    return "is a link" if member.issym() or member.islnk() else "is no plain file"


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
        AudioError: There is no index beside the shard, or a row is damaged.
    """
    path = shard.removesuffix(".tar") + INDEX
    rows = {}
    try:
        with gzip.open(io.BytesIO(read_byte_range(path)), "rt", encoding="utf-8") as lines:
            for line in iter(lambda: lines.readline(MAX_ROW_CHARACTERS), ""):
                row = json.loads(line)
                check_row(row)
                rows[row["name"]] = row
    except Exception as error:
        raise AudioError(
            f"The index {path} cannot be read ({first_line(error)}): copy the whole folder of shards"
        ) from error
    return rows


def check_row(row: Any) -> None:
    """Raise an error if a row of an index has no valid name, text or position, which become addresses and sizes in memory."""
    if any(not isinstance(row.get(key, ""), str) for key in ("name", "id", "text", "speaker", "source", "labeler")):
        raise TypeError("a name or text in a row is no text")
    if not row["name"] or "::" in row["name"]:
        raise ValueError(f"the name {row['name']!r:.80} of a clip is not valid")
    for key in ("offset", "size", "samples"):
        if type(row[key]) is not int or not 0 <= row[key] <= MAX_NUMBER:
            raise ValueError(f"{key} {row[key]!r:.40} of {row['name']} is no size")
