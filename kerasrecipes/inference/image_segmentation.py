"""What a segmenter does with scores of cells, whatever engine computes them; needs no Keras."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes import image
from kerasrecipes.errors import ImageError

TILE_SIZE = 512  # pixels of a picture that go through the front end at once, on each side
UPSAMPLE_BAND_PIXELS = (
    1 << 18
)  # pixels whose probabilities are enlarged at once: those of a large picture would take gigabytes


@dataclass(frozen=True)
class Segmentation:
    """A picture's classes.

    Args:
        mask: (height, width) uint8, numbers of `classes`. classes: their names. palette: (classes, 3) uint8.
        confidence: (height, width) float32, the probability of the class that was chosen (the model's own).
    """

    mask: np.ndarray
    classes: tuple[str, ...]
    palette: np.ndarray = field(repr=False)
    confidence: np.ndarray = field(repr=False)

    def areas(self) -> dict[str, float]:
        """Share of the picture that each class covers, largest first; classes that are not there are left out."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.classes)) / self.mask.size
        order = np.argsort(-counts, kind="stable")
        return {self.classes[i]: float(counts[i]) for i in order if counts[i] > 0}

    def colours(self) -> np.ndarray:
        """(height, width, 3) uint8: every pixel in its class's colour."""
        return self.palette[self.mask]

    def overlay(self, picture: Any, share: float = 0.5) -> np.ndarray:
        """The colours over the picture: (height, width, 3) uint8.

        Raises:
            ImageError: a picture of another size.
        """
        ground = image.load_image(picture)
        if ground.shape[:2] != self.mask.shape:
            raise ImageError(
                f"The picture has {ground.shape[1]} x {ground.shape[0]} pixels, the mask {self.mask.shape[1]} x {self.mask.shape[0]}"
            )
        return np.round((1 - share) * ground + share * self.colours()).astype("uint8")

    def __str__(self) -> str:
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in self.areas().items())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the mask is left out."""
        return {
            "width": self.mask.shape[1],
            "height": self.mask.shape[0],
            "areas": {k: round(v, 5) for k, v in self.areas().items()},
        }

    def save(self, path: str | Path) -> None:
        """The mask as a PNG with the palette: pixel values are class numbers."""
        picture = Image.fromarray(self.mask)
        picture.putpalette(self.palette.tobytes())
        partial = Path(path).with_name(f".{Path(path).name}.partial")
        picture.save(partial, format="PNG")
        partial.replace(path)


class ImageSegmentationMixin:
    """`segment` on top of `cell_scores(picture, tile)`.

    Subclasses have `classes`, `palette` (classes, 3), `stride` (pixels between cells) and `margin` (pixels on each side).
    """

    classes: tuple[str, ...]
    palette: Any
    stride: int
    margin: int
    predict_logits: Any

    def preprocess(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures as the network takes them: `with_margin`, float32."""
        return self.pad_context(pictures).astype("float32", copy=False)

    def pad_context(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures with the margin mirrored around them (arXiv 1511.07122, section 4), sides padded to whole cells."""
        down, right = (-n % self.stride for n in pictures.shape[1:3])
        m = self.margin
        return np.pad(pictures, ((0, 0), (m, m + down), (m, m + right), (0, 0)), mode="reflect")

    def segment(self, pictures: Any, tile: int = TILE_SIZE) -> Any:
        """A class for every pixel.

        Args:
            pictures: what `kerasrecipes.image.load_image` takes, of any size; or a list or folder of such.
            tile: side of the parts that go through the front end at once, in pixels; the result does not depend on it.

        Returns:
            A `Segmentation`; for a list or folder a list in order, where a bad picture's place holds its `ImageError`.

        Raises:
            ImageError: a single picture cannot be read.
        """
        several = image.returns_list(pictures)
        found: list[Any] = []
        for source in image.list_image_files(pictures):
            read = image.load_images_or_errors([source])[0]
            found.append(read if isinstance(read, ImageError) else self._segment_one(read, tile))
        if several:
            return found
        if isinstance(found[0], ImageError):
            raise found[0]
        return found[0]

    def _segment_one(self, picture: np.ndarray, tile: int) -> Segmentation:
        scores = self.predict_logits(picture, tile)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        cells = scores / scores.sum(-1, keepdims=True)
        height, width = picture.shape[:2]
        mask, confidence = np.empty((height, width), "uint8"), np.empty((height, width), "float32")
        rows = max(UPSAMPLE_BAND_PIXELS // width, 1)
        for top in range(0, height, rows):
            band = upsample_bilinear(cells, self.stride, range(top, min(top + rows, height)))[:, :width]
            mask[top : top + rows], confidence[top : top + rows] = band.argmax(-1), band.max(-1)
        return Segmentation(mask, self.classes, self.palette, confidence)


def upsample_bilinear(maps: np.ndarray, factor: int, rows: range | None = None) -> np.ndarray:
    """Bilinear: (rows, columns, classes) -> (factor rows, factor columns, classes) float32; beyond the outer cells' middles
    their own values. `rows`: of the result, only these."""

    def along(values: np.ndarray, axis: int, wanted: range) -> np.ndarray:
        size = values.shape[axis]
        at = np.clip((np.array(wanted) + 0.5) / factor - 0.5, 0, size - 1)
        low = np.minimum(at.astype(int), max(size - 2, 0))
        share = (at - low).astype("float32")
        shape = [1] * values.ndim
        shape[axis] = -1
        upper = np.take(values, np.minimum(low + 1, size - 1), axis)
        return np.take(values, low, axis) * (1 - share.reshape(shape)) + upper * share.reshape(shape)

    chosen = range(maps.shape[0] * factor) if rows is None else rows
    return along(along(maps.astype("float32"), 0, chosen), 1, range(maps.shape[1] * factor))
