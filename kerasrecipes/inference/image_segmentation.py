"""Engine-independent segmentation: turns logits of cells into a class for every pixel. Does not import Keras."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
from PIL import Image

from kerasrecipes import image
from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.utils.escaping import bar_table, embed_image
from kerasrecipes.utils.files import atomic_write

TILE_SIZE = 512  # pixels on each side
THUMBNAIL_SIZE = 512  # pixels on the longer side
CELL_OFFSETS = {"center": 0.5, "release": 0.0}  # alignment -> pixel that a cell's class belongs to, as a fraction of the cell
UPSAMPLE_BAND_PIXELS = 1 << 18  # upsampled at once: the probabilities of a whole large image would take gigabytes


@dataclass(frozen=True, repr=False)
class Segmentation:
    """The class of every pixel.

    Args:
        mask: (height, width) uint8 class indices.
        classes: Names of the classes.
        palette: (classes, 3) uint8 colors.
        confidence: (height, width) float32 probability of the pixel's class, not calibrated.
        thumbnail: (rows, columns, 3) uint8, the image with at most 512 pixels on each side, for notebooks. Or None.
    """

    mask: np.ndarray
    classes: tuple[str, ...]
    palette: np.ndarray
    confidence: np.ndarray
    thumbnail: np.ndarray | None = field(default=None, compare=False)

    def class_areas(self) -> dict[str, float]:
        """Return the share of the image that each class covers, largest first, without absent classes."""
        shares = np.bincount(self.mask.ravel(), minlength=len(self.classes)) / self.mask.size
        order = np.argsort(-shares, kind="stable")
        return {self.classes[i]: float(shares[i]) for i in order if shares[i] > 0}

    def to_rgb(self) -> np.ndarray:
        """Return (height, width, 3) uint8 with every pixel in the color of its class."""
        return self.palette[self.mask]

    def overlay(self, source: Any, opacity: float = 0.5) -> np.ndarray:
        """Return the colors over an image, (height, width, 3) uint8.

        Args:
            source: The image, as `kerasrecipes.image.load_image` takes it.
            opacity: Weight of the colors, 0 to 1.

        Raises:
            ImageError: The image has another size.
        """
        background = image.load_image(source)
        if background.shape[:2] != self.mask.shape:
            raise ImageError(
                f"The image has {background.shape[1]} x {background.shape[0]} pixels, the mask {self.mask.shape[1]} x "
                f"{self.mask.shape[0]}"
            )
        return np.round((1 - opacity) * background + opacity * self.to_rgb()).astype("uint8")

    def __repr__(self) -> str:
        height, width = self.mask.shape
        return f"Segmentation({width} x {height}: {', '.join(str(self).split(', ')[:4])})"

    def _repr_html_(self) -> str:
        """Return the colors over the image, or alone if it is not known, and the share of each class."""
        colors = Image.fromarray(self.to_rgb())
        if self.thumbnail is not None:
            picture = Image.fromarray(self.thumbnail)
            colors = Image.blend(picture, colors.resize(picture.size, Image.Resampling.NEAREST), 0.5)
        else:
            colors.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.NEAREST)
        file = io.BytesIO()
        colors.save(file, "PNG")
        css = {name: "rgb({},{},{})".format(*color) for name, color in zip(self.classes, self.palette.tolist(), strict=False)}
        rows = [(name, share, css[name]) for name, share in self.class_areas().items()]
        return f"<div>{embed_image(file.getvalue(), str(self))}{bar_table(rows)}</div>"

    def __str__(self) -> str:
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in self.class_areas().items())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the mask."""
        height, width = self.mask.shape
        return {
            "width": width,
            "height": height,
            "class_areas": {k: round(v, 5) for k, v in self.class_areas().items()},
        }

    def save(self, path: str | Path) -> None:
        """Write the mask as a PNG with the palette. Pixel values are class indices."""
        mask = Image.fromarray(self.mask)
        mask.putpalette(self.palette.tobytes())
        atomic_write(path, lambda file: mask.save(file, format="PNG"))


class ImageSegmentationMixin:
    """Adds `segment` to a model.

    Subclasses have `classes`, `palette` (classes, 3), `stride` (pixels between cells), `margin` (pixels on each side),
    `alignment` (a key of `CELL_OFFSETS`) and `predict_cell_logits(image, tile_size)`.
    """

    classes: tuple[str, ...]
    palette: Any
    stride: int
    margin: int
    alignment: str
    predict_cell_logits: Any

    def preprocess(self, images: np.ndarray) -> np.ndarray:
        """Return images as the network takes them: with context and in float32."""
        return self.pad_context(images).astype("float32", copy=False)

    def pad_context(self, images: np.ndarray) -> np.ndarray:
        """Mirror the margin around images (arXiv 1511.07122, section 4), and pad their sides to whole cells."""
        down, right = (-n % self.stride for n in images.shape[1:3])
        m = self.margin
        return np.pad(images, ((0, 0), (m, m + down), (m, m + right), (0, 0)), mode="reflect")

    @overload
    def segment(
        self, images: list[Any] | tuple[Any, ...], tile_size: int = TILE_SIZE
    ) -> list[Segmentation | ImageError]: ...

    @overload
    def segment(self, images: Any, tile_size: int = TILE_SIZE) -> Segmentation: ...

    def segment(self, images: Any, tile_size: int = TILE_SIZE) -> Any:
        """Return the class of every pixel.

        Args:
            images: Anything that `kerasrecipes.image.load_image` takes, of any size, or a list or folder of it.
            tile_size: Side in pixels of the tiles that run through the front end at once. It does not change the result.

        Returns:
            A `Segmentation`. For a list or folder, a list in order with an `ImageError` for every unreadable image.

        Raises:
            ImageError: A single image cannot be read.
        """
        results: list[Any] = []
        for source in image.list_image_files(images):
            loaded = image.load_images_or_errors([source])[0]
            results.append(loaded if isinstance(loaded, ImageError) else self._segment_one(loaded, tile_size))
        return image.single_or_list(images, results)

    def _segment_one(self, pixels: np.ndarray, tile_size: int) -> Segmentation:
        logits = self.predict_cell_logits(pixels, tile_size)
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        cells = weights / weights.sum(-1, keepdims=True)
        height, width = pixels.shape[:2]
        mask, confidence = np.empty((height, width), "uint8"), np.empty((height, width), "float32")
        rows = max(UPSAMPLE_BAND_PIXELS // width, 1)
        for top in range(0, height, rows):
            pixel_rows = range(top, min(top + rows, height))
            band = upsample_bilinear(cells, self.stride, pixel_rows, self.alignment)[:, :width]
            mask[top : top + rows], confidence[top : top + rows] = band.argmax(-1), band.max(-1)
        small = Image.fromarray(pixels)
        small.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
        return Segmentation(mask, self.classes, self.palette, confidence, np.asarray(small))


def find_cell_offset(alignment: str) -> float:
    """Return the pixel that a cell's class belongs to, as a fraction of the cell's side.

    Raises:
        KerasRecipesError: The alignment is unknown.
    """
    if not isinstance(alignment, str) or alignment not in CELL_OFFSETS:
        raise KerasRecipesError(f"alignment is {alignment!r:.80}: write one of {', '.join(CELL_OFFSETS)}")
    return CELL_OFFSETS[alignment]


def upsample_bilinear(
    maps: np.ndarray, factor: int, rows: range | None = None, alignment: str = "center"
) -> np.ndarray:
    """Upsample (rows, columns, classes) bilinearly to (factor rows, factor columns, classes) float32.

    Pixels beyond the outer cells' own pixels take the values of these cells.

    Args:
        maps: Values of cells.
        factor: Pixels per cell on each side.
        rows: Return only these rows of the result.
        alignment: "center" if a cell's value belongs to the center of its pixels, "release" if it belongs to its first pixel,
            as in the published program of arXiv 1511.07122 (fyu/dilation). Default "center".

    Raises:
        KerasRecipesError: The alignment is unknown.
    """
    offset = find_cell_offset(alignment)

    def interpolate(values: np.ndarray, axis: int, pixels: range) -> np.ndarray:
        size = values.shape[axis]
        position = np.clip((np.array(pixels) + offset) / factor - offset, 0, size - 1)
        low = np.minimum(position.astype(int), max(size - 2, 0))
        shape = [1] * values.ndim
        shape[axis] = -1
        weight = (position - low).astype("float32").reshape(shape)
        upper = np.take(values, np.minimum(low + 1, size - 1), axis)
        return np.take(values, low, axis) * (1 - weight) + upper * weight

    pixel_rows = range(maps.shape[0] * factor) if rows is None else rows
    return interpolate(interpolate(maps.astype("float32"), 0, pixel_rows), 1, range(maps.shape[1] * factor))
