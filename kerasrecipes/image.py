"""Pictures from anywhere to what every image recipe takes: red, green, blue, 0 to 255, at the recipe's size."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from kerasrecipes.errors import ImageError

IMAGE_EXTENSIONS = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)
MAX_PIXELS = 100_000_000  # 300 MB as red, green and blue
MIN_SIDE = 4  # pixels; less shows nothing
ALPHA_BACKGROUND = (255, 255, 255)  # behind what is transparent


def load_image(source: Any) -> np.ndarray:
    """Read, turn upright and check one picture.

    Args:
        source: path of any format Pillow reads, bytes or a binary file object holding such a file, a `PIL.Image`, or an
            array (height, width) or (height, width, channels) with 1 (grey), 3 (RGB) or 4 (RGBA) channels: integers of
            8 or 16 bits over their whole range, or floats from 0 to 1.

    Returns:
        (height, width, 3) uint8. EXIF rotation is undone; palettes, greys, CMYK and 16 bits become RGB; what is
        transparent shows white.

    Raises:
        ImageError: no picture can be made of it; the message says what to do.

    Example:
        >>> read_image(np.zeros((30, 40), "uint8")).shape
        (30, 40, 3)
    """
    name = source_name(source)
    if isinstance(source, Image.Image):
        picture = source
    elif isinstance(source, str | os.PathLike | bytes | bytearray) or hasattr(source, "read"):
        picture = decode_file(source, name)
    else:
        picture = from_array(np.asarray(source), name)
    return to_rgb(picture, name)


def source_name(source: Any) -> str:
    """What messages call a source."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, bytes | bytearray):
        return f"picture of {len(source)} bytes"
    if isinstance(source, Image.Image):
        return f"PIL image of {source.width} x {source.height}"
    if hasattr(source, "read"):
        return str(getattr(source, "name", "file object"))
    return f"array of shape {np.shape(source)}"


def decode_file(source: Any, name: str) -> Image.Image:
    """A picture from an encoded file, its pixels read."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            raise ImageError(f"{name} is a folder: pass it to the verb as it is, or one of its files")
        if not path.exists():
            raise ImageError(f"There is no file {name}: check the path")
        if path.stat().st_size == 0:
            raise ImageError(f"{name} is empty (0 bytes): save or download it again")
    file: Any = io.BytesIO(source) if isinstance(source, bytes | bytearray) else source
    try:
        picture = Image.open(file)
        try:
            check_size(picture.width, picture.height, name)
            picture.load()
        except BaseException:
            picture.close()  # the error that is kept in a list would keep the file open
            raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large_error(name, "beyond what Pillow opens") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageError(
            f"{name} cannot be read as a picture ({error}): it is damaged or no picture; save it as PNG or JPEG"
        ) from error
    return picture


def check_size(width: int, height: int, name: str) -> None:
    """Refuse what would fill the memory, or shows nothing, before its pixels are read."""
    if width * height > MAX_PIXELS:
        raise too_large_error(name, f"{width} x {height} pixels")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} has {width} x {height} pixels: a side has at least {MIN_SIDE}")


def too_large_error(name: str, size: str) -> ImageError:
    """The error of a picture beyond the limit."""
    return ImageError(
        f"{name} is too large ({size}; at most {MAX_PIXELS / 1e6:.0f} million pixels): make it smaller first"
    )


def from_array(values: np.ndarray, name: str) -> Image.Image:
    """A picture of an array's numbers."""
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[-1] not in (1, 3, 4):
        raise ImageError(
            f"{name} is no picture: it must be (height, width) or (height, width, channels) with 1, 3 or 4 channels; "
            "pass several pictures as a list"
        )
    check_size(values.shape[1], values.shape[0], name)
    if np.issubdtype(values.dtype, np.floating):
        if not np.isfinite(values).all():
            raise ImageError(f"{name} holds numbers that are NaN or infinite: repair it first")
        if values.min() < 0 or values.max() > 1:
            raise ImageError(
                f"{name} holds floats from {values.min():.3g} to {values.max():.3g}: floats go from 0 to 1; "
                "pass 0 to 255 as uint8"
            )
        values = np.round(255 * values)
    elif values.dtype == np.uint16:
        values = np.round(values / 257.0)
    elif values.dtype != np.uint8:
        raise ImageError(f"{name} holds {values.dtype}: pass uint8 (0 to 255), uint16, or floats from 0 to 1")
    values = values.astype("uint8")
    return Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)


def to_rgb(picture: Image.Image, name: str) -> np.ndarray:
    """(height, width, 3) uint8 of a picture of any mode, upright."""
    check_size(picture.width, picture.height, name)
    try:
        picture = apply_exif_orientation(picture)
        if picture.mode.startswith(("I", "F")):  # 16 bits or more: over their whole range
            values = np.asarray(picture).astype("float64")
            top = 65535.0 if picture.mode.startswith("I") else 1.0
            if values.min() < 0 or values.max() > top:
                raise ImageError(
                    f"{name} holds numbers from {values.min():.3g} to {values.max():.3g}, not 0 to {top:.0f}"
                )
            picture = Image.fromarray(np.round(values * 255 / top).astype("uint8"))
        if "A" in picture.getbands() or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            ground = Image.new("RGBA", picture.size, (*ALPHA_BACKGROUND, 255))
            picture = Image.alpha_composite(ground, picture)
        return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} cannot be read as a picture ({error}): save it as PNG or JPEG") from error


def apply_exif_orientation(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF block says; as it is where nobody can read that block."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # Pillow raises many kinds, and the pixels are whole
        return picture


@dataclass(frozen=True)
class ImagePreprocessing:
    """How a picture of any size becomes a network's input; a recipe's `picture` holds these values.

    Args:
        canvas: (height, width) that it is resized to.
        resize_mode: "crop" cuts the centre in the canvas's proportions and resizes that; "squash" changes the proportions.
        size: (height, width) of the input, cut out of the canvas; one view takes the centre.
        pad: pixels around the canvas that a view may reach into. fill: their value, 0 to 255.
        flip: whether views are mirrored. views: "random" places, or "corners" and the centre (10 with mirroring).
        channels: 3, or 1 for grey (ITU-R 601 luma).
    """

    resize_to: tuple[int, int]
    crop_size: tuple[int, int]
    resize_mode: str = "crop"
    padding: int = 0
    fill_value: float = 0.0
    horizontal_flip: bool = False
    crop_mode: str = "random"
    channels: int = 3

    def resize(self, picture: np.ndarray) -> np.ndarray:
        """(height, width, 3) uint8 -> (*canvas, channels) float32, 0 to 255."""
        image = Image.fromarray(picture)
        height, width = self.resize_to
        if image.size != (width, height):
            box = center_crop_box(image.height, image.width, self.resize_to) if self.resize_mode == "crop" else None
            image = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
        if self.channels == 1:
            return np.asarray(image.convert("L"), "float32")[..., None]
        return np.asarray(image, "float32")

    def center_crop(self, canvas: np.ndarray) -> np.ndarray:
        """The centre: (*canvas, channels) -> (*size, channels)."""
        top, left = (self.resize_to[0] - self.crop_size[0]) // 2, (self.resize_to[1] - self.crop_size[1]) // 2
        return canvas[top : top + self.crop_size[0], left : left + self.crop_size[1]]

    def crops(self, canvas: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """`count` views: (*canvas, channels) -> (count, *size, channels).

        Raises:
            ImageError: "corners" has 5 views, or 10 with mirroring.
        """
        (h, w), (ch, cw), p = self.crop_size, self.resize_to, self.padding
        room = (ch - h + 2 * p, cw - w + 2 * p)
        if self.crop_mode == "corners":
            places = [(0, 0), (0, room[1]), (room[0], 0), room, (room[0] // 2, room[1] // 2)]
            cuts = [(y, x, mirrored) for mirrored in ((False, True) if self.horizontal_flip else (False,)) for y, x in places]
            if count not in (len(places), len(cuts)):
                raise ImageError(f"This recipe averages over {len(places)} or {len(cuts)} views, not {count}")
            cuts = cuts[:count]
        else:
            cuts = [
                (int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1)), self.horizontal_flip and bool(rng.integers(2)))
                for _ in range(count)
            ]
        padded = np.pad(canvas, ((p, p), (p, p), (0, 0)), constant_values=self.fill_value)
        return np.stack([padded[y : y + h, x : x + w][:, :: -1 if m else 1] for y, x, m in cuts])


def center_crop_box(height: int, width: int, canvas: tuple[int, int]) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the largest centred part with the canvas's proportions."""
    scale = min(height / canvas[0], width / canvas[1])
    h, w = min(canvas[0] * scale, height), min(canvas[1] * scale, width)  # rounding may go beyond
    return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2


def list_image_files(sources: Any) -> list[Any]:
    """A folder as its pictures in order of their names, a list as it is.

    Raises:
        ImageError: a folder without pictures.
    """
    if isinstance(sources, list | tuple):
        return [item for source in sources for item in list_image_files(source)]
    if isinstance(sources, str | os.PathLike) and Path(sources).is_dir():
        found = sorted(str(p) for p in Path(sources).rglob("*") if p.suffix.lower() in IMAGE_EXTENSIONS)
        if not found:
            raise ImageError(f"{sources} holds no pictures ({', '.join(sorted(IMAGE_EXTENSIONS))})")
        return found
    return [sources]


def single_or_list(source: Any, results: list[Any]) -> Any:
    """Return the results of a list or folder as they are. For a single image return its result, or raise its error."""
    if isinstance(source, list | tuple) or (isinstance(source, str | os.PathLike) and Path(source).is_dir()):
        return results
    if isinstance(results[0], ImageError):
        raise results[0]
    return results[0]


def load_images_or_errors(sources: Sequence[Any]) -> list[Any]:
    """Each picture as `read_image` gives it, or its `ImageError`."""
    found: list[Any] = []
    for source in sources:
        try:
            found.append(load_image(source))
        except ImageError as error:
            found.append(strip_traceback(error))
    return found


def strip_traceback(error: ImageError) -> ImageError:
    """The error without the frames that it came from, and what lies in them: lists keep errors for long."""
    at: BaseException | None = error
    while at is not None:
        at.__traceback__, at = None, at.__cause__ or at.__context__
    return error


def preprocess_mnist_digit(picture: Any, dark_ink: bool | None = None) -> np.ndarray:
    """A drawn or photographed digit as MNIST has its own: light on black, in a box of 20 pixels, its centre of mass at the
    centre of 28 x 28 (LeCun et al., 1998).

    Args:
        picture: what `read_image` takes. dark_ink: dark on light; None looks at the border.

    Returns:
        (28, 28) uint8.

    Raises:
        ImageError: nothing is drawn on it.
    """
    grey = np.asarray(Image.fromarray(load_image(picture)).convert("L"), "float32")
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if dark_ink if dark_ink is not None else np.median(border) > 127:
        grey = 255 - grey
    low, high = float(np.percentile(grey, 5)), float(grey.max())
    if high - low < 30:
        raise ImageError(
            f"{source_name(picture)} shows nothing darker or lighter than its ground: draw the digit in black on white"
        )
    grey = np.clip((grey - low) * 255 / (high - low), 0, 255)
    rows, columns = (np.flatnonzero((grey > 64).any(axis)) for axis in (1, 0))
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    scale = 20 / max(box[2] - box[0], box[3] - box[1])
    size = (max(round((box[2] - box[0]) * scale), 1), max(round((box[3] - box[1]) * scale), 1))
    drawn = Image.fromarray(grey.astype("uint8")).resize(size, Image.Resampling.BICUBIC, box=box)
    small = np.asarray(drawn, "float64")
    y, x = (float((small.sum(axis) * (np.arange(small.shape[1 - axis]) + 0.5)).sum() / small.sum()) for axis in (1, 0))
    top, left = (int(np.clip(round(14 - c), 0, 28 - n)) for c, n in ((y, small.shape[0]), (x, small.shape[1])))
    found = np.zeros((28, 28), "uint8")
    found[top : top + small.shape[0], left : left + small.shape[1]] = small
    return found
