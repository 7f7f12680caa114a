"""The pixels of an image of any mode as red, green and blue, converted strip by strip, so that a large image fits into memory."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from kerasrecipes.errors import ImageError

ALPHA_BACKGROUND = (255, 255, 255)
STRIP_PIXELS = 4_000_000  # 32 MB as float64
# Pillow scales gray levels of 2 and 4 bits to 0 to 255: raw mode -> factor
LOW_BIT_SCALES = {"L;2": 85, "L;4": 17}


def raw_mode(image: Image.Image) -> str:
    """Return the mode of a file's pixels before Pillow decodes them, "" once they are decoded."""
    return str(image.tile[0][3]) if isinstance(image, ImageFile.ImageFile) and image.tile else ""


def open_image(content: bytes | bytearray) -> Image.Image:
    """Open an image file. The gray level or color that it declares transparent is scaled as Pillow scales its pixels.

    Colors of 16 bits lose their lower 8, so colors that differ in these alone become transparent together.
    """
    image = Image.open(io.BytesIO(content))
    transparent, mode = image.info.get("transparency"), raw_mode(image)
    if mode in LOW_BIT_SCALES and isinstance(transparent, int):
        image.info["transparency"] = LOW_BIT_SCALES[mode] * transparent
    elif mode == "RGB;16B" and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    return image


def to_rgb(image: Image.Image, name: str) -> np.ndarray:
    """Convert an image of any mode to (height, width, 3) uint8, upright. Transparent pixels become white.

    Args:
        image: The image. 16 bits and floats use their whole range: 0 to 65,535, or 0 to 1.
        name: Its name in error messages.

    Raises:
        ImageError: Numbers are not finite or outside their range, or the pixels cannot be decoded.
    """
    try:
        image = apply_exif_orientation(image)
        top = gray_range(image, name)
        pixels = np.empty((image.height, image.width, 3), "uint8")
        for rows, strip in split_strips(image):
            if top is not None:
                strip = scale_gray(strip, top, image.info.get("transparency"))
            pixels[rows] = strip_to_rgb(strip)
        return pixels
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} cannot be read as an image ({error}): save it as PNG or JPEG") from error


def split_strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Yield the image's rows in strips of at most `STRIP_PIXELS`, each with its range of rows."""
    height = max(1, STRIP_PIXELS // image.width)
    for first in range(0, image.height, height):
        last = min(first + height, image.height)
        yield slice(first, last), image.crop((0, first, image.width, last))


def gray_range(image: Image.Image, name: str) -> float | None:
    """Return the brightest value of a gray image of 16 bits or floats, and None for all other modes.

    Raises:
        ImageError: A number is not finite, below 0, or above the brightest value.
    """
    if not image.mode.startswith(("I", "F")):
        return None
    top, lowest, highest = 65535.0 if image.mode.startswith("I") else 1.0, np.inf, -np.inf
    for _, strip in split_strips(image):
        values = np.asarray(strip)
        if not np.isfinite(values).all():
            raise ImageError(f"{name} holds numbers that are NaN or infinite: repair it first")
        lowest, highest = min(lowest, values.min()), max(highest, values.max())
    if lowest < 0 or highest > top:
        raise ImageError(f"{name} holds numbers from {lowest:.3g} to {highest:.3g}, not 0 to {top:.0f}")
    return top


def scale_gray(strip: Image.Image, top: float, transparent: float | None) -> Image.Image:
    """Scale the values 0 to `top` of a strip to 8 bits. The gray level that a PNG declares transparent becomes white."""
    values = np.asarray(strip).astype("float64")
    values[values == transparent] = top
    return Image.fromarray(np.round(values * 255 / top).astype("uint8"))


def strip_to_rgb(strip: Image.Image) -> np.ndarray:
    """Convert a strip of 8 bits a channel to (height, width, 3) uint8, over white where it is transparent."""
    if "A" in strip.getbands() or "transparency" in strip.info:
        background = Image.new("RGBA", strip.size, (*ALPHA_BACKGROUND, 255))
        strip = Image.alpha_composite(background, strip.convert("RGBA"))
    return np.asarray(strip.convert("RGB"))


def apply_exif_orientation(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF block says. A damaged block turns nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow raises many classes, and the pixels are intact
        return image


def describe_pillow_error(error: Exception) -> str:
    """Return what is wrong with a file. Pillow's own words name an object in memory if the format is not known."""
    return "its format is not known" if isinstance(error, UnidentifiedImageError) else str(error)
