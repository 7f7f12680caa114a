"""Segmentation data sets: images with a class for every pixel."""

import io
import itertools
import numbers
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes import image
from kerasrecipes.data.specs import parse_spec
from kerasrecipes.errors import DataError, ImageError, reader
from kerasrecipes.utils.image_pixels import LOW_BIT_SCALES, describe_pillow_error, raw_mode
from kerasrecipes.utils.npz_arrays import open_npz

IGNORE_INDEX = 255  # mask value of pixels without a class
MAX_VOID_SHARE = 0.5  # a set with more pixels without a class is named
CAMVID_VOID = 11  # value of pixels without a class in CamVid's file


def load_masks(
    specs: Sequence[str], classes: Sequence[str], mask_values: Mapping[int, int] | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Load and join sets: images (height, width, 3) uint8 and masks (height, width) uint8 with 255 for pixels without class.

    CamVid's labels beyond `classes` count as "no class". In masks of other sets they raise `DataError`.

    Args:
        specs: Specifications of readers that yield masks, for instance "masks:FOLDER".
        classes: Names of the classes.
        mask_values: {pixel value: class number, or 255 for no class}. Other values stay as they are. Default: none.

    Raises:
        DataError: A set cannot be read, or no pixel of it has a class that could be learned (`check_unlabeled_pixels`).
    """
    values = check_mask_values(mask_values, classes)
    images: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    counts, names = [], []
    for spec in specs:
        for pixels, mask, name in read_mask_set(spec, values):
            if not spec.startswith("camvid:"):
                check_labels(mask, classes, f"{name}: its mask holds")
            images.append(pixels)
            masks.append(np.where(mask < len(classes), mask, IGNORE_INDEX).astype("uint8"))
            counts.append(count_mask_values(mask))
            names.append(name)
    check_unlabeled_pixels(counts, names, values)
    return images, masks


def read_mask_set(spec: str, mask_values: Mapping[int, int]) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Yield the images, the masks after `replace_mask_values`, and the names of a set, with `?size=` cut or padded to one size."""
    reader, path, options, shared = parse_spec(spec, "masks")
    size = parse_size(shared["size"], spec) if "size" in shared else None
    for pixels, mask, name in reader.read(Path(path), **options):
        if pixels.shape[:2] != mask.shape:
            raise DataError(f"{name}: the image has {pixels.shape[:2]} pixels, its mask {mask.shape}")
        mask = replace_mask_values(mask, mask_values)
        yield *(crop_or_pad(pixels, mask, size) if size else (pixels, mask)), name


def parse_size(text: str, spec: str) -> tuple[int, int]:
    """Return "WIDTHxHEIGHT" as (height, width), or raise `DataError`."""
    width, _, height = text.partition("x")
    sides = [int(side) if side.isascii() and side.isdigit() and len(side) < 6 else 0 for side in (height, width)]
    if min(sides) < image.MIN_SIDE or sides[0] * sides[1] > image.MAX_PIXELS:
        raise DataError(f"{spec!r}: size={text} is not WIDTHxHEIGHT in pixels, for instance size=500x500")
    return sides[0], sides[1]


def crop_or_pad(pixels: np.ndarray, mask: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cut an image (height, width, 3) and its mask to their center, or mirror the image around them, to `size` (height, width).

    Pixels that are added have no class.
    """
    cuts, margins = [], []
    for have, want in zip(mask.shape, size, strict=True):
        first, before = max(have - want, 0) // 2, max(want - have, 0) // 2
        cuts.append(slice(first, first + min(have, want)))
        margins.append((before, max(want - have, 0) - before))
    pixels, mask = pixels[tuple(cuts)], mask[tuple(cuts)]
    return (
        np.pad(pixels, [*margins, (0, 0)], mode="reflect"),
        np.pad(mask, margins, constant_values=IGNORE_INDEX),
    )


def check_mask_values(mask_values: Any, classes: Sequence[str] | None = None) -> dict[int, int]:
    """Return {pixel value: label}, empty for None.

    Args:
        mask_values: {pixel value: class number, or 255 for no class}, or None.
        classes: Names of the classes. None (default) takes every number up to 255.

    Raises:
        DataError: It is no such table.
    """
    count = IGNORE_INDEX if classes is None else len(classes)
    values = {} if mask_values is None else mask_values
    if not isinstance(values, Mapping) or not all(isinstance(v, numbers.Integral) for v in [*values, *values.values()]):
        raise DataError(f"mask_values is {mask_values!r}: give {{pixel value: class number}}, for instance {{255: 1}}")
    for value, label in values.items():
        if label != IGNORE_INDEX and not 0 <= label < count:
            raise DataError(
                f"mask_values makes {value} the label {label}, but there are {count} classes, numbered from 0; "
                f"{IGNORE_INDEX} stands for no class"
            )
    return {int(value): int(label) for value, label in values.items()}


def replace_mask_values(masks: np.ndarray, mask_values: Mapping[int, int]) -> np.ndarray:
    """Return masks with the labels of `mask_values` in place of the pixel values that it holds."""
    if not mask_values:
        return masks
    labels = masks.astype("int32")
    for value, label in mask_values.items():
        labels[masks == value] = label
    return labels


def count_mask_values(mask: np.ndarray) -> np.ndarray:
    """Return the number of pixels of each value from 0 to 255, (256,)."""
    return np.bincount(mask.ravel(), minlength=IGNORE_INDEX + 1)


def is_two_valued(counts: np.ndarray) -> np.ndarray:
    """Return which masks hold 0 and 255 and nothing else, from the numbers of pixels of each value (masks, 256)."""
    return (counts[:, 0] > 0) & (counts[:, IGNORE_INDEX] > 0) & (counts[:, 1:IGNORE_INDEX].sum(1) == 0)


def check_unlabeled_pixels(counts: Sequence[np.ndarray], names: Sequence[str], mask_values: Mapping[int, int]) -> None:
    """Check that pixels of 255, which do not count, were meant to mean "no class".

    Many programs write 255 for the first class and 0 for the background. If a set could still be learned, a warning names the
    masks that hold only 0 and 255 or only 255, and a share of such pixels over a half. An entry for 255 in `mask_values` says
    what 255 means, which ends the warning.

    Args:
        counts: The number of pixels of each value from 0 to 255 (`count_mask_values`), for each mask.
        names: Names of the masks.
        mask_values: The table that was applied to the masks.

    Raises:
        DataError: All pixels are 255, or all are 0 or 255.
    """
    if not counts:
        return
    pixels = np.stack(counts)
    total, void = pixels.sum(0), pixels[:, IGNORE_INDEX] == pixels.sum(1)
    meaning = f"mask_values={{{IGNORE_INDEX}: 1}} (--mask-values {IGNORE_INDEX}=1) if {IGNORE_INDEX} means class 1"
    if void.all():
        raise DataError(
            f"All pixels of the masks ({list_names(names)}) are {IGNORE_INDEX}, which means no class, so nothing counts: pass {meaning}"
        )
    if IGNORE_INDEX in mask_values or not total[IGNORE_INDEX]:
        return
    remedy = f"pass {meaning}, or mask_values={{{IGNORE_INDEX}: {IGNORE_INDEX}}} if it means no class"
    if is_two_valued(total[None])[0]:
        raise DataError(
            f"The masks ({list_names(names)}) hold only 0 and {IGNORE_INDEX}, which means no class, so nothing but class 0 counts: {remedy}"
        )
    problems = [
        f"{int(chosen.sum())} of {len(names)} masks hold only {what} ({list_names(np.array(names)[chosen])})"
        for chosen, what in ((is_two_valued(pixels), f"0 and {IGNORE_INDEX}"), (void, f"{IGNORE_INDEX}"))
        if chosen.any()
    ]
    share = total[IGNORE_INDEX] / total.sum()
    if share > MAX_VOID_SHARE:
        problems.append(f"{100 * share:.0f} % of all pixels of {len(names)} masks are {IGNORE_INDEX}")
    if problems:
        warnings.warn(f"{'; '.join(problems)}. These pixels count as no class: {remedy}", stacklevel=3)


def list_names(names: Sequence[str]) -> str:
    """Return the first names for a message."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def check_labels(masks: np.ndarray, classes: Sequence[str], subject: str) -> None:
    """Check that all values of masks are classes or 255. The error message begins with `subject`."""
    unknown = np.setdiff1d(masks, [*range(len(classes)), IGNORE_INDEX])
    if unknown.size:
        raise DataError(
            f"{subject} labels {unknown.tolist()[:5]}, but there are {len(classes)} classes, numbered from 0: write {IGNORE_INDEX} "
            f"where a pixel has none, or say what it means, for instance mask_values={{{unknown[0]}: 1}} (--mask-values {unknown[0]}=1)"
        )


@reader(DataError)
def camvid(path: Path, split: str = "train") -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Read CamVid's 367, 101 or 233 images, masks (11 classes, and 255 for none) and names of the SegNet split."""
    if not path.is_file():
        raise DataError(f"There is no file {path}")
    with open_npz(path) as arrays:
        if f"{split}_jpeg" not in arrays:
            raise DataError(f"{path} has no split {split}: its splits are train, val and test")
        content, offsets = arrays[f"{split}_jpeg"].tobytes(), arrays[f"{split}_offset"]
        names, masks = arrays[f"{split}_name"], arrays[f"{split}_mask"]
    masks = np.where(masks == CAMVID_VOID, IGNORE_INDEX, masks)
    images = [np.asarray(Image.open(io.BytesIO(content[a:b])).convert("RGB")) for a, b in itertools.pairwise(offsets)]
    return list(zip(images, masks, (str(n) for n in names), strict=True))


@reader(DataError)
def mask_folder(root: Path) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Read `root/images/NAME.*` with `root/masks/NAME.png`, gray or with a palette."""
    try:
        paths = [Path(p) for p in image.list_image_files(root / "images")] if (root / "images").is_dir() else []
    except ImageError as error:
        raise DataError(str(error)) from error
    if not paths:
        raise DataError(f"{root} holds no folder `images`: put NAME.jpg there and its mask into masks/NAME.png")
    items = []
    for path in paths:
        mask = root / "masks" / f"{path.stem}.png"
        if not mask.is_file():
            raise DataError(f"{path} has no mask {mask}")
        items.append((image.load_image(path), read_mask(mask), path.stem))
    return items


def read_mask(path: Path) -> np.ndarray:
    """Read the pixel values of a gray image or one with a palette, (height, width) uint8, as the file stores them.

    A gray image of 1, 2 or 4 bits holds values up to 1, 3 or 15.
    """
    try:
        with Image.open(io.BytesIO(path.read_bytes())) as mask:  # whole: Pillow trusts the length fields of a file
            if mask.mode not in ("1", "L", "P"):
                kind = "numbers of 16 or 32 bits" if mask.mode.startswith(("I", "F")) else "colors"
                raise DataError(
                    f"{path} holds {kind} ({mask.mode}): save class numbers as a gray image of 8 bits or with a palette"
                )
            scale = LOW_BIT_SCALES.get(raw_mode(mask), 1)
            return np.asarray(mask, "uint8") // scale
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an image ({describe_pillow_error(error)}): save the mask again, as PNG") from error
