"""Images: readable sources become upright RGB, others give a clear error; preprocessing against plain arithmetic."""

import io

import numpy as np
import psutil
import pytest
from PIL import Image

from examples import load_example
from kerasrecipes import image
from kerasrecipes.errors import ImageError

rng = np.random.default_rng(0)
RGB = rng.integers(0, 256, size=(12, 20, 3)).astype("uint8")


def png(picture, **options):
    file = io.BytesIO()
    picture.save(file, format="PNG", **options)
    return file.getvalue()


def test_every_source_of_one_picture_gives_the_same_pixels(tmp_path):
    picture = Image.fromarray(RGB)
    path = tmp_path / "x.png"
    path.write_bytes(png(picture))
    for source in (
        path,
        str(path),
        png(picture),
        io.BytesIO(png(picture)),
        picture,
        RGB,
        RGB / 255.0,
        RGB.astype("uint16") * 257,
    ):
        np.testing.assert_array_equal(image.load_image(source), RGB)


def test_modes_become_rgb():
    gray = RGB[..., 0]
    three = np.repeat(gray[..., None], 3, -1)
    for source in (
        gray,
        gray[..., None],
        Image.fromarray(gray),
        Image.fromarray(gray.astype("uint16") * 257),
        Image.fromarray(gray.astype("int32") * 257),
    ):
        np.testing.assert_array_equal(image.load_image(source), three)
    few = (RGB // 64) * 64
    palette = Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    np.testing.assert_array_equal(image.load_image(png(palette)), np.asarray(palette.convert("RGB")))
    assert image.load_image(Image.fromarray(RGB).convert("CMYK")).shape == RGB.shape
    assert set(image.load_image(Image.fromarray(gray > 127)).ravel()) <= {0, 255}


def test_transparent_shows_white_and_half_transparent_half():
    alpha = np.zeros((12, 20), "uint8")
    alpha[:, :10] = 255
    alpha[:, 10:15] = 128
    found = image.load_image(np.dstack([RGB, alpha])).astype(float)
    np.testing.assert_array_equal(found[:, :10], RGB[:, :10])
    np.testing.assert_allclose(found[:, 10:15], RGB[:, 10:15] * (128 / 255) + 255 * (127 / 255), atol=1.01)
    assert (found[:, 15:] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(orientation):
    # a camera stores the image rotated, and the rotation in EXIF
    undo = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (1, 0), 7: (1, 1), 8: (3, 0)}[orientation]
    turns, mirrored = undo  # stored = mirror(rot90(upright))
    stored = np.rot90(RGB, turns)
    stored = stored[:, ::-1] if mirrored else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(image.load_image(png(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)), RGB)


def big(width, height):
    """Return a PNG header with that size and no pixels."""
    whole = bytearray(png(Image.new("L", (4, 4))))
    whole[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    import zlib

    whole[29:33] = zlib.crc32(bytes(whole[12:29])).to_bytes(4, "big")
    return bytes(whole)


BAD = {
    "no image": (b"this is text", "cannot be read as an image"),
    "empty": (b"", "cannot be read as an image"),
    "one pixel": (Image.new("RGB", (1, 1)), "1 x 1 pixels: a side needs at least"),
    "one pixel as an array": (np.zeros((1, 1, 3), "uint8"), "1 x 1 pixels"),
    "too large": (big(20000, 20000), "too large"),
    "two channels": (np.zeros((9, 9, 2), "uint8"), "1, 3 or 4 channels"),
    "five channels": (np.zeros((9, 9, 5), "uint8"), "1, 3 or 4 channels"),
    "a batch": (np.zeros((2, 9, 9, 3), "uint8"), "several images as a list"),
    "0 to 255 as floats": (RGB.astype("float32"), "pass 0 to 255 as uint8"),
    "negative": (RGB / 255.0 - 0.5, "floats must be 0 to 1"),
    "NaN": (np.full((9, 9), np.nan), "NaN or infinite"),
    "int64": (RGB.astype("int64"), "pass uint8"),
    "nowhere": ("nowhere.png", "There is no file nowhere.png"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_images_are_errors(case):
    source, message = BAD[case]
    with pytest.raises(ImageError, match=message):
        image.load_image(source)


def test_a_truncated_jpeg_and_empty_files_are_refused(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.repeat(np.repeat(RGB, 20, 0), 20, 1)).save(file, format="JPEG")
    with pytest.raises(ImageError, match="cannot be read"):
        image.load_image(file.getvalue()[: len(file.getvalue()) // 2])
    (tmp_path / "x.jpg").touch()
    with pytest.raises(ImageError, match="is empty"):
        image.load_image(tmp_path / "x.jpg")
    with pytest.raises(ImageError, match="holds no images"):
        image.list_image_files(tmp_path / ".." / tmp_path.name / "none") if (
            tmp_path / "none"
        ).mkdir() is None else None


def test_crop_uses_the_center_and_squash_the_whole_image():
    wide = np.zeros((10, 30, 3), "uint8")
    wide[:, 10:20] = 200  # the middle third is the square
    crop = image.ImagePreprocessing(resize_to=(10, 10), crop_size=(10, 10)).resize(wide)
    squash = image.ImagePreprocessing(resize_to=(10, 10), crop_size=(10, 10), resize_mode="squash").resize(wide)
    np.testing.assert_allclose(crop, 200, atol=1)
    assert abs(squash.mean() - 200 / 3) < 5 and squash[:, 0].max() < 30
    gray = image.ImagePreprocessing(resize_to=(10, 10), crop_size=(10, 10), channels=1).resize(np.dstack([wide[..., 0]] * 3))
    assert gray.shape == (10, 10, 1)


def test_random_crops_shift_by_whole_pixels_with_the_fill_around():
    rule = image.ImagePreprocessing(resize_to=(6, 6), crop_size=(6, 6), padding=2, fill_value=7.5, horizontal_flip=True)
    canvas = np.arange(108, dtype="float32").reshape(6, 6, 3)
    padded = np.pad(canvas, ((2, 2), (2, 2), (0, 0)), constant_values=7.5)
    possible = {padded[y : y + 6, x : x + 6][:, ::m].tobytes() for y in range(5) for x in range(5) for m in (1, -1)}
    seen = {v.tobytes() for v in rule.crops(canvas, 400, np.random.default_rng(0))}
    assert seen == possible and len(possible) == 50
    np.testing.assert_array_equal(rule.center_crop(canvas), canvas)


def test_corner_crops_are_the_papers_ten():
    rule = image.ImagePreprocessing(resize_to=(8, 8), crop_size=(6, 6), horizontal_flip=True, crop_mode="corners")
    canvas = np.arange(192, dtype="float32").reshape(8, 8, 3)
    found = rule.crops(canvas, 10, None)
    for k, (y, x) in enumerate([(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)]):
        np.testing.assert_array_equal(found[k], canvas[y : y + 6, x : x + 6])
        np.testing.assert_array_equal(found[k + 5], canvas[y : y + 6, x : x + 6][:, ::-1])
    with pytest.raises(ImageError, match="5 or 10 crops, not 3"):
        rule.crops(canvas, 3, None)


@pytest.mark.parametrize("dark", [True, False])
def test_the_example_prepares_a_digit_as_mnist_does(dark):
    """The longer side becomes 20 pixels, the center of mass the center of the image, light on black."""
    preprocess = load_example("classify_digit").preprocess_mnist_digit
    drawn = np.zeros((200, 300), "uint8")
    drawn[40:140, 60:90] = 255  # 100 high, 30 wide
    drawn[40:60, 60:120] = 255  # a flag to the right: the center of mass is not that of the box
    found = preprocess(255 - drawn if dark else drawn).astype(float)
    rows, columns = (np.flatnonzero((found > 127).any(a)) for a in (1, 0))
    assert found.shape == (28, 28) and rows[-1] - rows[0] + 1 == 20 and columns[-1] - columns[0] + 1 == 12
    center = [(found.sum(a) * (np.arange(28) + 0.5)).sum() / found.sum() for a in (1, 0)]
    np.testing.assert_allclose(center, 14, atol=0.55)
    with pytest.raises(ImageError, match="nothing darker or lighter"):
        preprocess(np.full((50, 50), 200, "uint8"))


def test_the_center_crop_box_is_inside_the_image_whatever_rounding_does():
    for canvas in (28, 224, 227, 299, 331):
        for side in range(4, 1200):
            for height, width in ((side, side + 7), (side + 3, side)):
                left, top, right, bottom = image.center_crop_box(height, width, (canvas, canvas))
                assert 0 <= left < right <= width and 0 <= top < bottom <= height
    rule = image.ImagePreprocessing(resize_to=(28, 28), crop_size=(24, 24), channels=1)
    assert rule.resize(np.zeros((29, 29, 3), "uint8")).shape == (28, 28, 1)


def test_a_damaged_exif_block_turns_nothing():
    for block in (b"Exif\0\0garbagegarbage", b"Exif\0\0II"):
        np.testing.assert_array_equal(image.load_image(png(Image.fromarray(RGB), exif=block)), RGB)


def test_errors_in_a_list_keep_no_file_open(tmp_path):
    whole = png(Image.fromarray(RGB))
    paths = [tmp_path / f"{i}.png" for i in range(20)]
    for path in paths:
        path.write_bytes(whole[: len(whole) // 2])
    before = psutil.Process().num_fds()
    found = image.load_images_or_errors(paths)
    assert all(isinstance(e, ImageError) and e.__traceback__ is None for e in found)
    assert psutil.Process().num_fds() == before
