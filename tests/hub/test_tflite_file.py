"""The reader of TensorFlow Lite's files: quantized constants, and files that lie about their sizes."""

import struct
import time
import tracemalloc

import numpy as np
import pytest
from tflite_files import convolution, tflite_model

from kerasrecipes.errors import WeightsCorrupted
from kerasrecipes.hub import tflite_file
from kerasrecipes.hub.tflite_file import read_tflite


def read(tmp_path, content):
    path = tmp_path / "a.tflite"
    path.write_bytes(content)
    return read_tflite(path)


def test_integers_are_multiplied_by_their_scales(tmp_path):
    tensors = read(tmp_path, tflite_model(convolution()))
    assert list(tensors) == ["conv_2d_0.1", "conv_2d_0.2"]
    kernel = np.arange(-6, 6).reshape(2, 1, 3, 2) * np.array([0.5, 0.25]).reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(tensors["conv_2d_0.1"], kernel.astype("float32"))
    assert tensors["conv_2d_0.2"].tolist() == [12.5, -0.25] and tensors["conv_2d_0.2"].dtype == np.float32


def test_one_scale_zero_points_and_kinds_of_numbers(tmp_path):
    values = np.array([[1, -2], [3, 4]])
    constants = [
        (values.astype("int8"), [0.5], [1], 0), (values.astype("int16"), [0.5, 2], [0, 1], 1), (values.astype("float16"), [], [], 0),
        (values.astype("float32"), [], [], 0), (values.astype("int32"), [], [], 0), (np.abs(values).astype("uint8"), [2], [], 0),
        (values.astype("int64"), [], [], 0),
    ]  # fmt: skip
    tensors = read(tmp_path, tflite_model(constants, [(9, [0, 1, 2, -1, 3]), (200, [4, 5]), (9, [6, 7])]))
    expected = {
        "fully_connected_0.1": [[0, -1.5], [1, 1.5]], "fully_connected_0.2": [[0.5, -6], [1.5, 6]],
        "fully_connected_0.4": values.tolist(), "operator_200_0.0": values.tolist(), "fully_connected_1.0": [[2, 4], [6, 8]],
    }  # fmt: skip
    assert {name: array.tolist() for name, array in tensors.items()} == expected


@pytest.mark.parametrize("content, message", [
    (b"", "does not begin as a file of TensorFlow Lite"),
    (b"\xff\xff\xff\x7fTFL3", "points to byte 2147483647 of 8"),
    (tflite_model(convolution(), graphs=2), "it has 2 graphs"),
    (tflite_model(convolution(), sparse=True), "sparse constants"),
    (tflite_model([(np.ones(3, "int8"), [1, 2], [0, 0], 0)]), "2 scales for 3 channels"),
    (tflite_model([(np.ones((4, 1), "int8"), [1] * 9, [0] * 9, 1)]), "9 scales for 1 channels"),
    (tflite_model([(np.ones(3, "int8"), [1, 2, 3], [0], 0)]), "ValueError"),
    (tflite_model([(np.ones(3, "int8"), [1, 2, 3], [0] * 3, 7)]), "IndexError"),
    (tflite_model(convolution(), [(3, [0, 99])]), "IndexError"),
    (tflite_model([(np.ones(9 * (1,), "int8"), [1], [0], 0)]), "shape of a constant is not valid"),
])  # fmt: skip
def test_invalid_files_are_errors_of_the_package(tmp_path, content, message):
    with pytest.raises(WeightsCorrupted, match=message):
        read(tmp_path, content)


def test_a_shape_of_other_numbers_is_refused(tmp_path):
    content = tflite_model(convolution())
    shape = struct.pack("<4i", 2, 1, 3, 2)
    assert content.count(shape) == 1
    for size in (3, -2, 2**31 - 1):
        with pytest.raises(WeightsCorrupted, match="ValueError"):
            read(tmp_path, content.replace(shape, struct.pack("<4i", size, 1, 3, 2)))


def test_constants_that_are_used_often_do_not_fill_the_memory(tmp_path):
    """One array of 1 MB is the input of 1,000 operators."""
    content = tflite_model([(np.ones(1_000_000, "int8"), [1], [0], 0)], [(3, [1] * 100)] * 1000)
    tracemalloc.start()
    with pytest.raises(WeightsCorrupted, match="arrays declare 100000000000 bytes"):
        read(tmp_path, content)
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()


def test_lists_that_many_operators_share_end_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(tflite_file, "MAX_ITEMS", 500)
    content = tflite_model(convolution(), [(3, [-1] * 400), (3, [-1] * 400)])
    start = time.process_time()
    with pytest.raises(WeightsCorrupted, match="operators have more than 500 inputs"):
        read(tmp_path, content)
    with pytest.raises(WeightsCorrupted, match="has 600 tables in one list"):
        read(tmp_path, tflite_model(convolution(), [(3, [-1])] * 600))
    assert time.process_time() - start < 1
