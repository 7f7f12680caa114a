"""Read images as every image recipe takes them: red, green, blue, 0 to 255, at the recipe's size."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes.errors import ImageError, convert_errors, strip_traceback
from kerasrecipes.utils import sources
from kerasrecipes.utils.image_formats import IMAGE_FILES
from kerasrecipes.utils.image_pixels import describe_pillow_error, open_image, to_rgb
from kerasrecipes.utils.listing import expand_pattern, is_pattern, list_folder_or_warn

MAX_PIXELS = 100_000_000  # 300 MB as red, green and blue
MAX_FILE_BYTES = 8 * MAX_PIXELS  # red, green, blue and transparency of 16 bits
MIN_SIDE = 4  # pixels


def load_image(source: Any) -> np.ndarray:
    """Read, turn upright and check one image.

    Args:
        source: Path of any format that Pillow reads, "-" for standard input, bytes or a binary file object of such a file,
            a `PIL.Image`, or an array (height, width) or (height, width, channels) with 1 (gray), 3 (RGB) or 4 (RGBA)
            channels: integers of 8 or 16 bits over their whole range, or floats from 0 to 1.

    Returns:
        (height, width, 3) uint8. EXIF rotation is undone; palettes, gray, CMYK and 16 bits become RGB; transparent pixels
        become white.

    Raises:
        ImageError: The source is not usable as an image; the message says what to do.

    Example:
        >>> load_image(np.zeros((30, 40), "uint8")).shape
        (30, 40, 3)
    """
    name = source_name(source)
    with convert_errors(ImageError, name):
        if isinstance(source, Image.Image):
            return convert_image(source, name)
        if isinstance(source, str | os.PathLike | sources.FileContent) or hasattr(source, "read"):
            return convert_image(decode_file(source, name), name)
        return convert_image(from_array(np.asarray(source), name), name)


def source_name(source: Any) -> str:
    """Return a printable name of a source for error messages."""
    if isinstance(source, Image.Image):
        return f"PIL image of {source.width} x {source.height}"
    return sources.source_name(source, sources.IMAGE)


def decode_file(source: Any, name: str) -> Image.Image:
    """Decode an image file with its pixels."""
    source = sources.resolve_source(source, name, sources.IMAGE)
    if not isinstance(source, bytes | bytearray):
        source = read_image_file(source, name)
    try:
        image = open_image(source)
        try:
            check_size(image.width, image.height, name)
            image.load()
        except BaseException:
            image.close()  # otherwise an error in a result list would keep the file open
            raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large_error(name, "beyond what Pillow opens") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageError(
            f"{name} cannot be read as an image ({describe_pillow_error(error)}): it is damaged or not an image; save it as PNG or JPEG"
        ) from error
    return image


def read_image_file(path: str | os.PathLike, name: str) -> bytes:
    """Read a file whole, because Pillow asks a file for as many bytes as a damaged length field names.

    Raises:
        ImageError: The file is larger than the pixels of the largest image.
    """
    size = os.path.getsize(path)
    if size > MAX_FILE_BYTES:
        raise too_large_error(name, f"{size / 1e9:.1f} GB")
    return Path(path).read_bytes()


def check_size(width: int, height: int, name: str) -> None:
    """Check the size before the pixels fill the memory."""
    if width * height > MAX_PIXELS:
        raise too_large_error(name, f"{width} x {height} pixels")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} has {width} x {height} pixels: a side needs at least {MIN_SIDE}")


def too_large_error(name: str, size: str) -> ImageError:
    return ImageError(
        f"{name} is too large ({size}; at most {MAX_PIXELS / 1e6:.0f} million pixels): make it smaller first"
    )


def from_array(values: np.ndarray, name: str) -> Image.Image:
    """Convert an array of pixel values to an image."""
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[-1] not in (1, 3, 4):
        raise ImageError(
            f"{name} is no image: it must be (height, width) or (height, width, channels) with 1, 3 or 4 channels; "
            "pass several images as a list"
        )
    check_size(values.shape[1], values.shape[0], name)
    if np.issubdtype(values.dtype, np.floating):
        if not np.isfinite(values).all():
            raise ImageError(f"{name} holds numbers that are NaN or infinite: repair it first")
        if values.min() < 0 or values.max() > 1:
            raise ImageError(
                f"{name} holds floats from {values.min():.3g} to {values.max():.3g}: floats must be 0 to 1; "
                "pass 0 to 255 as uint8"
            )
        values = np.round(255 * values)
    elif values.dtype == np.uint16:
        values = np.round(values / 257.0)
    elif values.dtype != np.uint8:
        raise ImageError(f"{name} holds {values.dtype}: pass uint8 (0 to 255), uint16, or floats from 0 to 1")
    values = values.astype("uint8")
    return Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)


def convert_image(image: Image.Image, name: str) -> np.ndarray:
    """Check the size of an image of any mode and convert it to (height, width, 3) uint8, upright."""
    check_size(image.width, image.height, name)
    return to_rgb(image, name)


@dataclass(frozen=True)
class ImagePreprocessing:
    """The steps from an image of any size to a network's input.

    The image is resized to a canvas, from which crops of the input size are taken.

    Args:
        resize_to: (height, width) of the canvas.
        crop_size: (height, width) of the input.
        resize_mode: "crop" takes the largest centered part with the canvas's proportions; "squash" changes the proportions.
        padding: Pixels around the canvas that a crop may reach into.
        fill_value: Their value, 0 to 255.
        horizontal_flip: Whether crops are also mirrored.
        crop_mode: Positions of several crops: "random", or "corners" for the four corners and the center (10 crops with
            mirroring). A single crop is the center.
        channels: 3, or 1 for gray (ITU-R 601 luma).
    """

    resize_to: tuple[int, int]
    crop_size: tuple[int, int]
    resize_mode: str = "crop"
    padding: int = 0
    fill_value: float = 0.0
    horizontal_flip: bool = False
    crop_mode: str = "random"
    channels: int = 3

    def resize(self, pixels: np.ndarray) -> np.ndarray:
        """Resize (height, width, 3) uint8 to a canvas (*resize_to, channels) float32, 0 to 255."""
        image = Image.fromarray(pixels)
        height, width = self.resize_to
        if image.size != (width, height):
            box = center_crop_box(image.height, image.width, self.resize_to) if self.resize_mode == "crop" else None
            image = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
        if self.channels == 1:
            return np.asarray(image.convert("L"), "float32")[..., None]
        return np.asarray(image, "float32")

    def center_crop(self, canvas: np.ndarray) -> np.ndarray:
        """Crop the center of a canvas: (*crop_size, channels)."""
        top, left = (self.resize_to[0] - self.crop_size[0]) // 2, (self.resize_to[1] - self.crop_size[1]) // 2
        return canvas[top : top + self.crop_size[0], left : left + self.crop_size[1]]

    def crops(self, canvas: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return `count` crops of a canvas: (count, *crop_size, channels).

        Raises:
            ImageError: The crop mode "corners" has 5 crops, or 10 with mirroring.
        """
        (h, w), p = self.crop_size, self.padding
        max_y, max_x = self.resize_to[0] - h + 2 * p, self.resize_to[1] - w + 2 * p
        if self.crop_mode == "corners":
            corners = [(0, 0), (0, max_x), (max_y, 0), (max_y, max_x), (max_y // 2, max_x // 2)]
            positions = [
                (y, x, flip) for flip in ((False, True) if self.horizontal_flip else (False,)) for y, x in corners
            ]
            if count not in (len(corners), len(positions)):
                raise ImageError(f"This recipe averages over {len(corners)} or {len(positions)} crops, not {count}")
        else:
            positions = [
                (
                    int(rng.integers(max_y + 1)),
                    int(rng.integers(max_x + 1)),
                    self.horizontal_flip and bool(rng.integers(2)),
                )
                for _ in range(count)
            ]
        padded = np.pad(canvas, ((p, p), (p, p), (0, 0)), constant_values=self.fill_value)
        return np.stack([padded[y : y + h, x : x + w][:, :: -1 if flip else 1] for y, x, flip in positions[:count]])


def center_crop_box(height: int, width: int, canvas: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) of the largest centered part with the canvas's proportions."""
    scale = min(height / canvas[0], width / canvas[1])
    h, w = min(canvas[0] * scale, height), min(canvas[1] * scale, width)  # rounding may exceed the image
    return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2


def list_image_files(source: Any) -> list[Any]:
    """Return the images of a folder or a pattern in the order of their names, of a list of sources, or of a single source.

    Raises:
        ImageError: A folder holds no images, or a pattern matches nothing.
    """
    if isinstance(source, list | tuple):
        return [item for entry in source for item in list_image_files(entry)]
    sources.check_not_empty(source, sources.IMAGE)
    if isinstance(source, str | os.PathLike) and os.path.isdir(source):
        return list_folder_or_warn(source, IMAGE_FILES, ImageError)
    return expand_pattern(source, ImageError) if is_pattern(source) else [source]


def single_or_list(source: Any, results: list[Any]) -> Any:
    """Return the results of a list, folder or pattern as they are. For a single image return its result, or raise its error."""
    is_folder = isinstance(source, str | os.PathLike) and os.path.isdir(source)
    if isinstance(source, list | tuple) or is_folder or is_pattern(source):
        return results
    if isinstance(results[0], ImageError):
        raise results[0]
    return results[0]


def load_images_or_errors(images: Sequence[Any]) -> list[Any]:
    """Load each image, or return its `ImageError`."""
    results: list[Any] = []
    for source in images:
        try:
            results.append(load_image(source))
        except ImageError as error:
            results.append(strip_traceback(error))
    return results
