"""Figures without pyplot's global state, PNG files, and values as gray and color images."""

import io
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.utils.escaping import InheritedRepr, embed_image
from kerasrecipes.utils.files import atomic_write

DPI = 90
JPEG = (".jpg", ".jpeg")
BACKGROUND = 255  # gray level between tiles


class Figure(InheritedRepr):
    """A result that can be plotted. Subclasses are dataclasses that define `plot()`."""

    def __repr__(self) -> str:
        values = ", ".join(f"{f.name}={describe(getattr(self, f.name))}" for f in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({values})"

    def _repr_html_(self) -> str | None:
        """Return `plot()` as an image, or None without matplotlib."""
        file = io.BytesIO()
        try:
            self.plot().savefig(file, format="png", dpi=DPI)
        except KerasRecipesError:
            return None
        return embed_image(file.getvalue(), type(self).__name__)

    def plot(self, *arguments: Any, **options: Any) -> Any:
        """Return a new `matplotlib.figure.Figure` without changing pyplot's state."""
        raise NotImplementedError

    def save(self, path: str | Path, **options: Any) -> Path:
        """Write `plot(**options)` atomically as PNG, or as JPEG if `path` ends in .jpg.

        Raises:
            KerasRecipesError: matplotlib is not installed, or the folder is not writable.
        """
        return save_figure(self.plot(**options), path)


def describe(value: Any) -> str:
    """Return a short description of a field: the shape of an array, the length of a collection, the beginning of a text."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    text = repr(value)
    if len(text) <= 60:
        return text
    return f"{len(value)} items" if isinstance(value, list | tuple | dict) else f"{text[:57]}..."


def save_figure(figure: Any, path: str | Path, dpi: int = DPI) -> Path:
    """Write a matplotlib figure atomically in the format of the suffix, by default PNG.

    Raises:
        KerasRecipesError: The format is unknown or the folder is not writable.
    """
    kind = Path(path).suffix[1:].lower() or "png"
    if kind not in figure.canvas.get_supported_filetypes():
        raise KerasRecipesError(f"{path}: write a .png, .jpg, .svg or .pdf file")
    return atomic_write(path, lambda file: figure.savefig(file, format=kind, dpi=dpi))


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure. Width and height are in inches.

    Raises:
        KerasRecipesError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise KerasRecipesError('Plotting needs matplotlib: pip install "kerasrecipes[plots]"') from error
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.06))


def save_image(path: str | Path, image: np.ndarray, **options: Any) -> Path:
    """Write (height, width) or (height, width, 3) uint8 atomically as PNG or JPEG by the suffix."""
    if Path(path).suffix.lower() in JPEG:
        return atomic_write(path, lambda file: Image.fromarray(image).save(file, "JPEG", quality=80, **options))
    return atomic_write(path, lambda file: Image.fromarray(image).save(file, "PNG", **options))


def signed_to_uint8(values: np.ndarray, quantile: float = 0.999) -> np.ndarray:
    """Convert signed values to uint8 with 128 as zero.

    The `quantile` of the nonzero magnitudes maps to 1 or 255, because a few outliers would leave everything else gray.
    """
    magnitudes = np.abs(values[values != 0])
    limit = float(np.quantile(magnitudes, quantile)) if magnitudes.size else 1.0
    return np.round(128 + 127 * np.clip(values / limit, -1, 1)).astype("uint8")


def rescale_to_uint8(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Map values from `low` to `high` (by default their minimum and maximum) to 0 to 255, uint8."""
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    return np.round(255 * np.clip((values - low) / ((high - low) or 1.0), 0, 1)).astype("uint8")


def image_grid(tiles: np.ndarray, columns: int | None = None, gap: int = 1) -> np.ndarray:
    """Arrange (tiles, height, width[, 3]) uint8 row by row in one image, by default about square."""
    count, height, width = tiles.shape[:3]
    columns = columns or int(np.ceil(np.sqrt(count * height / width)))
    rows = -(-count // columns)
    grid = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, *tiles.shape[3:]), BACKGROUND, "uint8")
    for i, tile in enumerate(tiles):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        grid[y : y + height, x : x + width] = tile
    return grid


def enlarge_nearest(image: np.ndarray, min_size: int) -> np.ndarray:
    """Repeat pixels so that the longer side has at least `min_size` of them."""
    factor = max(-(-min_size // max(image.shape[:2])), 1)
    return image.repeat(factor, 0).repeat(factor, 1)


def imshow(axes: Any, image: np.ndarray, title: str = "", **options: Any) -> None:
    """Show an image on axes without ticks."""
    gray = {"cmap": "gray", "vmin": 0, "vmax": 255} if image.ndim == 2 and image.dtype == np.uint8 else {}
    axes.imshow(image, **{"interpolation": "nearest", **gray, **options})
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
    if title:
        axes.set_title(title, fontsize=9)


def side_by_side(images: list[tuple[str, np.ndarray]], height: float = 3.0) -> Any:
    """Return a figure of (title, image) pairs in one row. Height is in inches."""
    widths = [height * max(min(i.shape[1] / i.shape[0], 3), 0.4) for _, i in images]
    figure = new_figure(sum(widths) + 0.2 * len(widths), height + 0.3)
    grid = figure.add_gridspec(1, len(images), width_ratios=widths)
    for number, (title, image) in enumerate(images):
        imshow(figure.add_subplot(grid[0, number]), image, title)
    return figure
