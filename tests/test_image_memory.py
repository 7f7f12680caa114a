"""Small files that ask for much memory: images are converted strip by strip, and lengths that a file declares are not trusted."""

import io
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import image
from kerasrecipes.data.images import mnist
from kerasrecipes.errors import DataError, ImageError
from kerasrecipes.utils import image_pixels
from kerasrecipes.utils.npz_arrays import open_npz

rng = np.random.default_rng(0)
READ_UNDER_LIMIT = """
import resource, sys
import kerasrecipes.image as image
limit = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 1_000_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(image.load_image(sys.argv[1]).shape)
"""


@pytest.mark.parametrize("mode", ["I;16", "RGBA"])
def test_the_largest_image_takes_less_than_a_gigabyte(tmp_path, mode):
    path = tmp_path / "large.png"
    Image.new(mode, (9000, 8000)).save(path, compress_level=1)
    assert path.stat().st_size < 3_000_000
    output = subprocess.run([sys.executable, "-c", READ_UNDER_LIMIT, path], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "(8000, 9000, 3)"


def test_a_chunk_that_declares_four_gigabytes_asks_for_no_memory(tmp_path):
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (9, 8, 3), "uint8")).save(file, format="PNG")
    content = file.getvalue()
    start = content.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(content[:start] + struct.pack(">I", 2**32 - 1) + content[start + 4 :])
    output = subprocess.run(
        [sys.executable, "-c", READ_UNDER_LIMIT, tmp_path / "a.png"], capture_output=True, text=True
    )
    assert "MemoryError" not in output.stderr
    assert output.stdout.strip() == "(9, 8, 3)" or "ImageError" in output.stderr


@pytest.mark.parametrize("mode", ["I;16", "I", "F", "RGBA", "LA", "P", "CMYK", "1", "L"])
def test_strips_give_the_pixels_of_the_whole(monkeypatch, mode):
    if mode in ("I;16", "I", "F"):
        values = rng.uniform(0, 1, (50, 7))
        values = values.astype("float32") if mode == "F" else np.round(values * 65535).astype("uint16")
        picture = Image.fromarray(values.astype("int32") if mode == "I" else values)
    else:
        picture = Image.fromarray(rng.integers(0, 256, (50, 7, 4), "uint8")).convert(mode)
    assert picture.mode == mode
    whole = image.load_image(picture)
    monkeypatch.setattr(image_pixels, "STRIP_PIXELS", 21)
    np.testing.assert_array_equal(image.load_image(picture), whole)


def test_an_array_that_declares_more_than_the_file_holds_is_refused(tmp_path):
    path, array = tmp_path / "mnist.npz", io.BytesIO()
    np.save(array, np.zeros((2, 28, 28), "uint8"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", array.getvalue().replace(b"(2, 28, 28), }", b"(9000000, 8) }"))
    with pytest.raises(DataError, match="declares 72000000 bytes but holds 1568"):
        mnist(path, "train")


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(zipfile.BadZipFile, match="not a zip file"), open_npz(tmp_path / "a.npy"):
        pass


def test_what_is_no_image_is_named_without_objects_of_this_process(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(ImageError, match=r"a\.png cannot be read as an image \(its format is not known\)"):
        image.load_image(tmp_path / "a.png")
