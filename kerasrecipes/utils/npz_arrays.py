"""Open `.npz` files whose arrays are as large as they say, before memory is asked for."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np

HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@contextmanager
def open_npz(path: str | Path) -> Iterator[Mapping[str, np.ndarray]]:
    """Open a file of arrays. Nothing in it is unpickled.

    Raises:
        BadZipFile: The file is no archive.
        ValueError: An array declares another number of bytes than its member of the archive holds.
    """
    with zipfile.ZipFile(path) as archive:  # np.load would read the array of an .npy file at once
        for member in archive.infolist():
            check_declared_size(archive, member)
    with np.load(path) as arrays:
        yield arrays


def check_declared_size(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Compare the size that an array's header declares with that of its member."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in HEADER_READERS:
            raise ValueError(f"{member.filename} has version {version} of the format, which is not read")
        shape, _, dtype = HEADER_READERS[version](file)
        declared, actual = prod(shape) * dtype.itemsize, member.file_size - file.tell()
    if declared != actual and not dtype.hasobject:  # objects are refused by numpy when they are read
        raise ValueError(f"{member.filename} declares {declared} bytes but holds {actual}")
