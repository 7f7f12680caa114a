"""An ONNX file's outer layer, read without any ONNX package: the description it carries and the hash of its graph.

The format is Protocol Buffers' (protobuf.dev/programming-guides/encoding); numbers of fields are those of onnx.proto.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from kerasrecipes.errors import WeightsCorrupted

GRAPH_FIELD, METADATA_FIELD = 7, 14  # of ModelProto; a property's key is 1, its value 2
METADATA_KEY = "kerasrecipes"
CHUNK = 1 << 20


def read_description(path: Path) -> dict[str, Any]:
    """What `kerasrecipes export` wrote into the file about its network.

    Raises:
        WeightsCorrupt: it is no ONNX file of ours, or its graph is not the one that was written.
    """
    found, graph = None, None
    try:
        with open(path, "rb") as file:
            for number, size in iter_length_delimited_fields(file, path.stat().st_size):
                if number == GRAPH_FIELD:
                    graph = hash_next(file, size)
                elif number == METADATA_FIELD:
                    end, entry = file.tell() + size, {}
                    for inner, length in iter_length_delimited_fields(file, end):
                        entry[inner] = file.read(length)
                    if entry.get(1) == METADATA_KEY.encode():
                        found = json.loads(entry[2])
                else:
                    file.seek(size, 1)
    except (ValueError, KeyError, EOFError) as error:
        raise WeightsCorrupted(f"{path} is damaged or no ONNX file ({error}): export or fetch it again") from error
    if not isinstance(found, dict):
        raise WeightsCorrupted(
            f"{path} was not written by `kerasrecipes export`: it says nothing about recipe and symbols"
        )
    if found.get("graph") != graph:
        raise WeightsCorrupted(f"{path} holds another network than the one that was exported: export or fetch it again")
    return found


def iter_length_delimited_fields(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """(number, bytes) of every field with a length up to the place `end`; its content is the caller's to read or skip."""
    while file.tell() < end:
        tag = read_varint(file)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            read_varint(file)
        elif kind == 2:
            size = read_varint(file)
            if file.tell() + size > end:
                raise EOFError("it is cut off")
            yield number, size
        else:
            raise ValueError(f"a field of kind {kind}")


def read_varint(file: BinaryIO) -> int:
    """A number in groups of seven bits."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise EOFError("it is cut off")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise ValueError("a number of more than ten bytes")


def hash_next(file: BinaryIO, size: int) -> str:
    """SHA-256 of the next `size` bytes."""
    found = hashlib.sha256()
    while size > 0:
        chunk = file.read(min(size, CHUNK))
        if not chunk:
            raise EOFError("it is cut off")
        found.update(chunk)
        size -= len(chunk)
    return found.hexdigest()
