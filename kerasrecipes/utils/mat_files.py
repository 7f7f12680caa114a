"""Check the sizes that a MATLAB file (level 5) declares, before a reader asks for memory of these sizes.

The file is a header of 128 bytes and data elements: a tag of type and size, then as many bytes. A matrix is an element whose
bytes are elements again: flags, dimensions, name and values.
"""

import struct
import zlib
from collections.abc import Iterator
from math import prod

HEADER_BYTES, TAG_BYTES = 128, 8
INT32, MATRIX, COMPRESSED = 5, 14, 15
MAX_DEPTH = 8
MAX_BYTES = 50_000_000  # of a compressed element


def check_mat_sizes(content: bytes) -> None:
    """Compare every declared size with the bytes that are there.

    Raises:
        ValueError: The content is no MATLAB file of level 5, or an element or a matrix declares more than its bytes hold.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[126:HEADER_BYTES])
    if order is None:
        raise ValueError("it is no MATLAB file of level 5")
    check_elements(content[HEADER_BYTES:], order, 0)


def check_elements(content: bytes, order: str, depth: int) -> None:
    """Check elements one after the other, and those in them."""
    if depth > MAX_DEPTH:
        raise ValueError(f"its elements are nested more than {MAX_DEPTH} deep")
    for kind, body in read_elements(content, order):
        if kind == COMPRESSED:
            inflater = zlib.decompressobj()
            inflated = inflater.decompress(body, MAX_BYTES)
            if inflater.unconsumed_tail:
                raise ValueError(f"an element has more than {MAX_BYTES} bytes")
            check_elements(inflated, order, depth + 1)
        elif kind == MATRIX and body:
            check_matrix(body, order, depth)


def check_matrix(body: bytes, order: str, depth: int) -> None:
    """Check that a matrix has no more values than bytes, and the matrices in it."""
    parts = [part for _, part in zip(range(2), read_elements(body, order), strict=False)]
    if len(parts) < 2 or parts[1][0] != INT32 or len(parts[1][1]) % 4:
        raise ValueError("a matrix has no dimensions")
    sizes = struct.unpack(f"{order}{len(parts[1][1]) // 4}i", parts[1][1])
    if min(sizes, default=0) < 0 or prod(sizes) > len(body):
        raise ValueError(f"a matrix of {' x '.join(map(str, sizes[:4]))} values has {len(body)} bytes")
    check_elements(body, order, depth + 1)


def read_elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the bytes of each element."""
    position = 0
    while position + TAG_BYTES <= len(content):
        kind, size = struct.unpack_from(f"{order}2I", content, position)
        if kind >> 16:  # a small element: size and type in four bytes, then at most four bytes
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise ValueError(f"a small element declares {size} bytes")
            yield kind, content[position + 4 : position + 4 + size]
            position += TAG_BYTES
            continue
        start = position + TAG_BYTES
        if size > len(content) - start:
            raise ValueError(f"an element declares {size} bytes, and {len(content) - start} are left")
        yield kind, content[start : start + size]
        position = start + (size if kind == COMPRESSED else -(-size // 8) * 8)
