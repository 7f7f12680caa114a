"""What all results share: figures without pyplot's state, PNG files that are whole or absent, values as grey and colour."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.utils.files import atomic_write

DPI = 90
JPEG = (".jpg", ".jpeg")
BACKGROUND = 255  # between tiles


class Figure:
    """A result that can be looked at: subclasses have `plot()`."""

    def plot(self, *arguments: Any, **options: Any) -> Any:
        """A `matplotlib.figure.Figure` of its own; pyplot is not touched."""
        raise NotImplementedError

    def save(self, path: str | Path, **options: Any) -> Path:
        """Write `plot(**options)` as PNG (or JPEG, if `path` ends in .jpg); the file is whole or absent.

        Raises:
            KerasRecipesError: matplotlib is missing, or the folder cannot be written to.
        """
        figure = self.plot(**options)
        kind = "jpg" if Path(path).suffix.lower() in JPEG else "png"
        return atomic_write(path, lambda file: figure.savefig(file, format=kind, dpi=DPI))


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many inches.

    Raises:
        KerasRecipesError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise KerasRecipesError('Drawing needs matplotlib: pip install "kerasrecipes[plots]"') from error
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.06))


def save_image(path: str | Path, image: np.ndarray, **options: Any) -> Path:
    """Write (height, width) or (height, width, 3) uint8 as the PNG or JPEG that the name says."""
    if Path(path).suffix.lower() in JPEG:
        return atomic_write(path, lambda file: Image.fromarray(image).save(file, "JPEG", quality=80, **options))
    return atomic_write(path, lambda file: Image.fromarray(image).save(file, "PNG", **options))


def signed_to_uint8(values: np.ndarray, share: float = 0.999) -> np.ndarray:
    """Signed values as uint8: zero is 128, and the magnitude that `share` of all that is not zero stays below reaches 1
    or 255 (a few outliers would leave all else grey)."""
    magnitudes = np.abs(values[values != 0])
    most = float(np.quantile(magnitudes, share)) if magnitudes.size else 1.0
    return np.round(128 + 127 * np.clip(values / most, -1, 1)).astype("uint8")


def rescale_to_uint8(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Values from `low` to `high` (their own by default) as 0 to 255, uint8."""
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    return np.round(255 * np.clip((values - low) / ((high - low) or 1.0), 0, 1)).astype("uint8")


def image_grid(tiles: np.ndarray, columns: int | None = None, gap: int = 1) -> np.ndarray:
    """(tiles, height, width[, 3]) uint8 side by side, row by row; a square sheet unless `columns` says otherwise."""
    count, height, width = tiles.shape[:3]
    columns = columns or int(np.ceil(np.sqrt(count * height / width)))
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, *tiles.shape[3:]), BACKGROUND, "uint8")
    for i, tile in enumerate(tiles):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[y : y + height, x : x + width] = tile
    return sheet


def enlarge_nearest(image: np.ndarray, least: int) -> np.ndarray:
    """Repeat pixels so that the longer side has `least` or more."""
    factor = max(-(-least // max(image.shape[:2])), 1)
    return image.repeat(factor, 0).repeat(factor, 1)


def imshow(axes: Any, image: np.ndarray, title: str = "", **options: Any) -> None:
    """A picture on axes without ticks."""
    grey = {"cmap": "gray", "vmin": 0, "vmax": 255} if image.ndim == 2 and image.dtype == np.uint8 else {}
    axes.imshow(image, **{"interpolation": "nearest", **grey, **options})
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
    if title:
        axes.set_title(title, fontsize=9)


def side_by_side(images: list[tuple[str, np.ndarray]], height: float = 3.0) -> Any:
    """A figure of titled pictures in one row."""
    widths = [height * max(min(i.shape[1] / i.shape[0], 3), 0.4) for _, i in images]
    drawn = new_figure(sum(widths) + 0.2 * len(widths), height + 0.3)
    grid = drawn.add_gridspec(1, len(images), width_ratios=widths)
    for number, (title, image) in enumerate(images):
        imshow(drawn.add_subplot(grid[0, number]), image, title)
    return drawn
