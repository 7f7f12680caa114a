"""Heaps of HDF5 files, which hold strings of any length. The HDF5 library does not return from a damaged one."""

import mmap
import struct
from pathlib import Path

MAGIC = b"GCOL\x01"
OBJECT = struct.Struct("<HHIQ")  # number, references, reserved, bytes


def check_heaps_of_file(path: Path) -> None:
    """Check the heaps of an HDF5 file. See `check_heaps`."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        check_heaps(content)


def check_heaps(content: bytes | mmap.mmap) -> None:
    """Check that each object of a heap ends after it begins.

    Args:
        content: Bytes of an HDF5 file with lengths of 8 bytes.

    Raises:
        ValueError: An object is empty free space, or is larger than its heap.

    Source: HDF5 File Format Specification 3.0, section III.E, "Disk Format: Level 1E - Global Heap".
    """
    begin = -1
    while (begin := content.find(MAGIC, begin + 1)) >= 0:
        if begin + 16 > len(content):
            return
        end = begin + int.from_bytes(content[begin + 8 : begin + 16], "little")
        if end > len(content):
            continue  # the library refuses it, or the letters are part of other data
        position = begin + 16
        while position + OBJECT.size <= end:
            number, _, _, size = OBJECT.unpack_from(content, position)
            if number:
                position += OBJECT.size + -(-size // 8) * 8
            elif size < OBJECT.size:
                raise ValueError(f"the heap at byte {begin} has free space of {size} bytes")
            else:
                position += size
            if position > end:
                raise ValueError(f"the heap at byte {begin} has an object that is larger than the heap")
