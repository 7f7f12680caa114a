"""Summaries of image and segmentation data sets: sizes and the share of each class."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes.data.images import read_image_set
from kerasrecipes.data.segmentation_masks import (
    IGNORE_INDEX,
    check_mask_values,
    count_mask_values,
    is_two_valued,
    read_mask_set,
)
from kerasrecipes.data.specs import parse_spec
from kerasrecipes.data_prep.summary import DatasetSummary
from kerasrecipes.errors import DataError, convert_errors

RARE_CLASS = 0.1  # a class with fewer images than this part of an average class is suspicious
MAX_CLASS_ROWS = 40  # of more classes, the most frequent and the rarest are listed


def summarize_images(specs: Sequence[str]) -> DatasetSummary:
    """Summarize image classification data: images, sizes, and the number and share of the images of each class.

    Args:
        specs: Specifications of readers that yield images, for instance "folder:FOLDER".

    Returns:
        A table, and (class, reason) pairs of classes with few images.
    """
    counts: Counter[str] = Counter()
    sizes: Counter[tuple[int, int]] = Counter()
    for spec in specs:
        names = list_classes(spec)
        images, labels = read_image_set(spec, names)
        counts.update(names[label] if names else str(label) for label in labels.tolist())
        sizes.update(read_image_size(image) for image in images)
    total = counts.total()
    if not total:
        raise DataError(f"{', '.join(specs)} holds no image")
    least = RARE_CLASS * total / len(counts)
    rare = [
        (name, f"{n:,} images, the average class has {total / len(counts):,.0f}")
        for name, n in counts.items()
        if n < least
    ]
    shares = [(name, f"{100 * n / total:.1f} %, {n:,} images") for name, n in counts.most_common()]
    rows = [
        ("images", f"{total:,}"),
        ("sets", set_names(specs)),
        ("sizes", describe_sizes(sizes)),
        ("classes", f"{len(counts):,}"),
    ]
    return DatasetSummary((*rows, *shorten_class_rows(shares)), tuple(rare), "classes")


def summarize_masks(specs: Sequence[str], mask_values: Mapping[int, int] | None = None) -> DatasetSummary:
    """Summarize segmentation data: images, sizes, and the share of the pixels of each class and of no class.

    Args:
        specs: Specifications of readers that yield masks, for instance "masks:FOLDER".
        mask_values: {pixel value: class number, or 255 for no class}. Default: none.

    Returns:
        A table, and (mask, reason) pairs of masks that hold only 0 and 255, or only 255.
    """
    values = check_mask_values(mask_values)
    sizes: Counter[tuple[int, int]] = Counter()
    counts, names = [], []
    for spec in specs:
        for pixels, mask, name in read_mask_set(spec, values):
            sizes[pixels.shape[1], pixels.shape[0]] += 1
            counts.append(count_mask_values(mask))
            names.append(name)
    if not counts:
        raise DataError(f"{', '.join(specs)} holds no mask")
    pixels = np.stack(counts)
    total = pixels.sum(0)
    share, present = total / total.sum(), (pixels > 0).sum(0)
    labels = np.flatnonzero(total[:IGNORE_INDEX])
    shares = [(f"class {i}", f"{100 * share[i]:.1f} % of the pixels, in {present[i]:,} masks") for i in labels.tolist()]
    rows = [
        ("images", f"{len(names):,}"),
        ("sets", set_names(specs)),
        ("sizes", describe_sizes(sizes)),
        ("classes", f"{len(labels):,}"),
    ]
    void = f"{100 * share[IGNORE_INDEX]:.1f} % of the pixels, in {present[IGNORE_INDEX]:,} masks"
    reasons = {
        f"holds only 0 and {IGNORE_INDEX}": is_two_valued(pixels),
        f"holds only {IGNORE_INDEX}": pixels[:, IGNORE_INDEX] == pixels.sum(1),
    }
    suspicious = [
        (name, f"{reason}, which means no class: --mask-values {IGNORE_INDEX}=1 makes it class 1")
        for i, name in enumerate(names) for reason, chosen in reasons.items() if chosen[i] and IGNORE_INDEX not in values
    ]  # fmt: skip
    return DatasetSummary(
        (*rows, *shorten_class_rows(shares), (f"no class ({IGNORE_INDEX})", void)), tuple(suspicious), "masks"
    )


def list_classes(spec: str) -> list[str]:
    """Return the class names of a set, or none for readers whose classes are numbers."""
    reader, path, options, _ = parse_spec(spec, "images")
    return reader.class_names(Path(path), options.get("split", "train"))


def read_image_size(image: Any) -> tuple[int, int]:
    """Return the width and height of an array or an image file, whose pixels are not decoded."""
    if isinstance(image, np.ndarray):
        return image.shape[1], image.shape[0]
    with convert_errors(DataError, image), Image.open(image) as file:
        return file.size


def set_names(specs: Sequence[str]) -> str:
    """Return the names of the files or folders of data sets."""
    return ", ".join(Path(spec.partition(":")[2].partition("?")[0]).name for spec in specs)


def describe_sizes(sizes: Mapping[tuple[int, int], int]) -> str:
    """Return the only size of images (width, height), or the range of sides and the most frequent size."""
    common = max(sizes, key=lambda size: sizes[size])
    text = f"{common[0]} x {common[1]}"
    if len(sizes) == 1:
        return text
    widths, heights = zip(*sizes, strict=True)
    return f"widths {min(widths)} to {max(widths)}, heights {min(heights)} to {max(heights)}, most often {text}"


def shorten_class_rows(rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the rows of classes, or of many classes the first and the last with a row for those between."""
    half = MAX_CLASS_ROWS // 2
    if len(rows) <= MAX_CLASS_ROWS:
        return list(rows)
    return [*rows[:half], ("...", f"{len(rows) - 2 * half:,} other classes"), *rows[-half:]]
