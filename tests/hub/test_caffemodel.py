"""Caffe's files: what a writer of the format puts in comes out, of all generations, and damaged files are errors of the package."""

import contextlib

import numpy as np
import pytest
from caffe_files import blob, caffemodel, field, varint

from kerasrecipes.errors import WeightsCorrupted
from kerasrecipes.hub import caffemodel as reader

RNG = np.random.default_rng(1)
LAYERS = {
    "conv1": (RNG.standard_normal((4, 3, 2, 2)).astype("float32"), RNG.standard_normal(4).astype("float32")),
    "fire2/squeeze1x1": (RNG.standard_normal((5, 4)).astype("float32"),),
}


def read(tmp_path, content):
    (tmp_path / "a.caffemodel").write_bytes(content)
    return reader.read_caffemodel(tmp_path / "a.caffemodel")


@pytest.mark.parametrize("options", [{}, {"packed": False}, {"double": True}, {"double": True, "packed": False}], ids=str)
@pytest.mark.parametrize("version", [2, 1, 0])
def test_all_generations_have_their_values(tmp_path, version, options):
    tensors = read(tmp_path, caffemodel(LAYERS, version, **options))
    expected = {f"{name}.{number}": values for name, blobs in LAYERS.items() for number, values in enumerate(blobs)}
    assert set(tensors) == set(expected)
    for name, values in expected.items():
        assert tensors[name].dtype == "float32" and np.array_equal(tensors[name], values)


def test_old_shapes_have_four_sizes(tmp_path):
    tensors = read(tmp_path, caffemodel(LAYERS, 1, shape=False))
    assert {name: values.shape for name, values in tensors.items()} == {
        "conv1.0": (4, 3, 2, 2), "conv1.1": (1, 1, 1, 4), "fire2/squeeze1x1.0": (1, 1, 5, 4),
    }  # fmt: skip


def test_gradients_and_unknown_fields_are_skipped(tmp_path):
    content = field(7, field(1, varint(2))) + field(6, bytes(8)) + field(5, np.float32([1, 2]).tobytes()) + field(999, b"x")
    layer = field(1, b"a") + field(7, content) + field(2, b"Convolution")
    tensors = read(tmp_path, field(3, b"data") + field(100, layer) + field(4, 1, 0))
    assert list(tensors) == ["a.0"] and tensors["a.0"].tolist() == [1, 2]


DAMAGE = {
    "empty": (b"", "no layer has weights"),
    "text": (b"name: net\n", "wire type 6"),
    "shape": (field(100, field(1, b"a") + field(7, field(7, field(1, varint(3))) + field(5, bytes(8)))), r"shape \(3,\) holds 2 values"),
    "huge shape": (field(100, field(7, field(7, field(1, varint(1 << 60) * 2)))), "holds 0 values"),
    "huge length": (varint(100 << 3 | 2) + varint(1 << 62), "ends after its message"),
    "half a value": (field(100, field(7, field(5, bytes(7)))), "no whole number of values"),
    "cut integer": (varint(100 << 3 | 2) + b"\xff", "is cut off"),
    "endless integer": (b"\xff" * 20, "more than 10 bytes"),
    "group": (bytes([1 << 3 | 3]) + bytes(9), "wire type 3"),
    "no number": (b"\0\0", "has no number"),
    "same name twice": (caffemodel(LAYERS) + caffemodel(LAYERS), "two layers are called 'conv1'"),
    "name": (field(100, varint(1 << 3 | 5) + bytes(4)), "name is no text"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_an_error_of_the_package(tmp_path, case):
    content, message = DAMAGE[case]
    with pytest.raises(WeightsCorrupted, match=message):
        read(tmp_path, content)


def test_every_cut_is_an_error_or_fewer_layers(tmp_path):
    content = caffemodel(LAYERS)
    for length in range(len(content)):
        with contextlib.suppress(WeightsCorrupted):
            assert set(read(tmp_path, content[:length])) == {"conv1.0", "conv1.1"}


def test_the_number_of_fields_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MAX_FIELDS", 50)
    with pytest.raises(WeightsCorrupted, match="more than 50 fields"):
        read(tmp_path, field(4, 1, 0) * 51)
    assert read(tmp_path, caffemodel({"a": (np.ones(10_000, "float32"),)}, packed=False))["a.0"].sum() == 10_000


@pytest.mark.parametrize("shape", [True, False])
def test_mean_image(tmp_path, shape):
    mean = RNG.random((3, 6, 5)).astype("float32")
    (tmp_path / "mean.binaryproto").write_bytes(blob(mean, shape=shape))
    assert np.array_equal(reader.read_mean_image(tmp_path / "mean.binaryproto"), mean)
    (tmp_path / "mean.binaryproto").write_bytes(blob(mean[0, 0]))
    with pytest.raises(WeightsCorrupted, match="3 dimensions"):
        reader.read_mean_image(tmp_path / "mean.binaryproto")
