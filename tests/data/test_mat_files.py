"""MATLAB files: every size that they declare is compared with the bytes that are there."""

import struct
import zlib

import pytest

from kerasrecipes.utils import mat_files
from kerasrecipes.utils.mat_files import check_mat_sizes

HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def element(kind, body):
    return struct.pack("<2I", kind, len(body)) + body + bytes(-len(body) % 8)


def matrix(*sizes, values=b""):
    parts = element(6, bytes(8)), element(5, struct.pack(f"<{len(sizes)}i", *sizes)), element(1, b"x"), element(9, values)
    return element(14, b"".join(parts))


def compressed(content):
    packed = zlib.compress(content)
    return struct.pack("<2I", 15, len(packed)) + packed


def test_whole_files_pass():
    check_mat_sizes(HEADER + matrix(2, 3, values=bytes(48)) + compressed(matrix(1, 1, values=bytes(8))))
    check_mat_sizes(HEADER + element(14, b""))
    savemat = pytest.importorskip("scipy.io").savemat
    import io

    file = io.BytesIO()
    savemat(file, {"a": [[1.0, 2.0]], "names": ["one", "two"], "cells": [{"b": 1}, "text"]}, do_compression=True)
    check_mat_sizes(file.getvalue())


@pytest.mark.parametrize(("content", "message"), [
    (b"no file", "no MATLAB file"),
    (HEADER + matrix(2**30, 3), "matrix of 1073741824 x 3 values"),
    (HEADER + matrix(-1, 3), "matrix of -1 x 3 values"),
    (HEADER + compressed(matrix(2**31 - 1)), "matrix of 2147483647 values"),
    (HEADER + struct.pack("<2I", 14, 2**31), "declares 2147483648 bytes, and 0 are left"),
    (HEADER + struct.pack("<2I", 5 | 9 << 16, 0), "small element declares 9"),
    (HEADER + element(14, element(6, bytes(8))), "no dimensions"),
])  # fmt: skip
def test_sizes_beyond_the_file_are_refused(content, message):
    with pytest.raises(ValueError, match=message):
        check_mat_sizes(content)


def test_bombs_and_deep_nesting_are_refused(monkeypatch):
    monkeypatch.setattr(mat_files, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        check_mat_sizes(HEADER + compressed(bytes(100_000)))
    nested = b""
    for _ in range(20):
        nested = compressed(nested)
    with pytest.raises(ValueError, match="nested more than 8 deep"):
        check_mat_sizes(HEADER + nested)
