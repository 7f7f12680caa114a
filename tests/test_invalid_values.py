"""Values that are no numbers, or that a file declares transparent, are named or shown instead of passing in silence."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import image
from kerasrecipes.errors import DataError, ImageError
from kerasrecipes.experiments.studies import load_experiment
from kerasrecipes.export.convnetjs_import import parse_layers, parse_volume
from kerasrecipes.results import Classification
from kerasrecipes.training.config import config_for, read_config


def encode(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_float_images_hold_numbers(tmp_path, value):
    pixels = np.linspace(0, 1, 64, dtype="float32").reshape(8, 8)
    path = tmp_path / "x.tiff"
    path.write_bytes(encode(pixels, "TIFF"))
    np.testing.assert_array_equal(image.load_image(path)[..., 0], np.round(255.0 * pixels))
    pixels[3, 4] = value
    path.write_bytes(encode(pixels, "TIFF"))
    for source in (path, path.read_bytes(), pixels):
        with pytest.raises(ImageError, match="NaN or infinite"):
            image.load_image(source)


@pytest.mark.parametrize("level", [0, 5000, 47000])
def test_the_transparent_gray_of_16_bits_is_white(level):
    values = np.arange(48, dtype="uint16").reshape(6, 8) * 1000
    expected = np.round(values * (255 / 65535))
    np.testing.assert_array_equal(image.load_image(encode(values, "PNG"))[..., 0], expected)
    expected[values == level] = 255
    np.testing.assert_array_equal(image.load_image(encode(values, "PNG", transparency=level))[..., 0], expected)


def encode_png(values, bits, transparent):
    """Return a gray or RGB PNG of a bit depth with a tRNS chunk (PNG specification, 11.2.2 and 11.3.2.1), which Pillow cannot write."""
    if bits < 8:
        bit_planes = np.unpackbits(values.astype("uint8")[..., None], axis=-1)[..., 8 - bits :]
        rows = np.packbits(bit_planes.reshape(len(values), -1), axis=1)
    else:
        rows = values.astype(">u2").reshape(len(values), -1).view("uint8")
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", *values.shape[1::-1], bits, 2 if values.ndim == 3 else 0, 0, 0, 0)),
        (b"tRNS", np.array(transparent, ">u2").tobytes()),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks
    )


@pytest.mark.parametrize(("bits", "level"), [(1, 0), (2, 0), (2, 1), (2, 2), (4, 1), (4, 8), (4, 14)])
def test_the_transparent_gray_of_few_bits_is_white(bits, level):
    top = 2**bits - 1
    values = np.arange(64).reshape(8, 8) % (top + 1)
    expected = np.where(values == level, 255, values * 255 / top)
    np.testing.assert_array_equal(image.load_image(encode_png(values, bits, level))[..., 0], expected)


@pytest.mark.parametrize("color", [(60000, 50000, 40000), (0, 0, 0), (256, 512, 65535)])
def test_the_transparent_color_of_16_bits_is_white(color):
    values = np.random.default_rng(0).integers(0, 65536, (6, 8, 3))
    values[2, 3] = color
    pixels = image.load_image(encode_png(values, 16, color))
    assert pixels[2, 3].tolist() == [255, 255, 255]
    others = np.ones((6, 8), bool)
    others[2, 3] = False
    np.testing.assert_allclose(pixels[others], (values / 257)[others], atol=1)


@pytest.mark.parametrize("weights", [[0.5, None], {"0": None, "1": 0.5}, [0.5, float("nan")], [float("inf"), 1], [1e39, 1]])
def test_convnetjs_weights_are_numbers(weights):
    assert parse_volume({"w": [0.5, 1]}).tolist() == [0.5, 1]
    with pytest.raises(ValueError, match="null, NaN or infinity"):
        parse_volume({"w": weights})


def test_a_classification_is_short_to_print():
    classes = tuple(f"a class with a long name {i}" for i in range(1000))
    probabilities = np.full(1000, 0.0001)
    probabilities[[7, 8]] = 0.8, 0.1
    text = repr(Classification(classes, tuple(probabilities)))
    assert text.startswith("Classification(a class with a long name 7 80.0 %, ") and text.endswith("; 1000 classes)")
    assert len(text) < 200
    assert repr(Classification(("cat",), (1.0,))) == "Classification(cat 100.0 %; 1 classes)"


@pytest.mark.parametrize("content", [b"recipe: [", b"recipe: caf\xe9", b"\x00\x01", b"- a\n- b\n"])
def test_configurations_that_are_no_yaml(tmp_path, content):
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    for read in (
        read_config,
        lambda path: load_experiment(str(path)),
        lambda path: config_for("wav2letter_small", path),
    ):
        with pytest.raises(DataError, match=r"own\.yaml"):
            read(path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"layers": "caf\xe9"}'])
def test_snapshots_that_are_no_json(tmp_path, content):
    (tmp_path / "net.json").write_bytes(content)
    with pytest.raises(DataError, match=r"net\.json cannot be read"):
        parse_layers(tmp_path / "net.json")
