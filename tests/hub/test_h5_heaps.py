"""Heaps of strings in HDF5 files: what h5py writes passes, and what keeps its library busy without end is refused."""

import struct

import h5py
import pytest

from kerasrecipes.errors import WeightsCorrupted
from kerasrecipes.hub.h5_heaps import MAGIC, check_heaps
from kerasrecipes.hub.keras_h5 import read_keras_h5


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "layer.h5"
    with h5py.File(path, "w") as file:
        for number in range(40):
            layer = file.create_group(f"dense_{number}")
            layer.attrs["weight_names"] = [name := "x" * (number + 1)]
            layer.attrs["comment"] = ["y" * 7 * number] * 9
            layer[name] = [1.0]
    return path


def replace_free_space(content, size):
    """Return an HDF5 file whose last heap ends with an object of free space of another size."""
    begin = content.rindex(MAGIC)
    position = begin + 16
    while (number := struct.unpack_from("<H", content, position)[0]) != 0:
        position += 16 + -(-struct.unpack_from("<Q", content, position + 8)[0] // 8) * 8
    assert number == 0
    return content[: position + 8] + struct.pack("<Q", size) + content[position + 16 :]


def test_files_of_h5py_pass(path):
    content = path.read_bytes()
    assert content.count(MAGIC) > 1
    check_heaps(content)
    assert len(read_keras_h5(path)) == 40


@pytest.mark.parametrize(("size", "message"), [(0, "free space of 0 bytes"), (15, "15 bytes"), (2**40, "larger than the heap")])
def test_free_space_of_no_or_too_much_size_is_refused(path, size, message):
    path.write_bytes(replace_free_space(path.read_bytes(), size))
    with pytest.raises(WeightsCorrupted, match=message):
        read_keras_h5(path)


def test_letters_of_a_heap_at_the_end_of_a_file_are_no_heap():
    check_heaps(b"values" + MAGIC)
    check_heaps(MAGIC + bytes(3) + struct.pack("<Q", 2**62) + bytes(40))
