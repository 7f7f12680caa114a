"""Prepare a drawn or photographed digit as MNIST's own (LeCun et al., 1998), and classify it.

python examples/classify_digit.py photo.jpg
"""

import sys
from typing import Any

import numpy as np
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.image import source_name


def preprocess_mnist_digit(source: Any, dark_ink: bool | None = None) -> np.ndarray:
    """Return a digit light on black, in a box of 20 pixels, with its center of mass at the center of 28 x 28.

    Args:
        source: What `kr.load_image` takes.
        dark_ink: Whether the digit is darker than its background. Default: whether the border is light.

    Returns:
        (28, 28) uint8.

    Raises:
        ImageError: Nothing is drawn on the image.
    """
    gray = np.asarray(Image.fromarray(kr.load_image(source)).convert("L"), "float32")
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    if dark_ink if dark_ink is not None else np.median(border) > 127:
        gray = 255 - gray
    low, high = float(np.percentile(gray, 5)), float(gray.max())
    if high - low < 30:
        raise kr.ImageError(
            f"{source_name(source)} shows nothing darker or lighter than its background: draw the digit in black on white"
        )
    gray = np.clip((gray - low) * 255 / (high - low), 0, 255)
    rows, columns = (np.flatnonzero((gray > 64).any(axis)) for axis in (1, 0))
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    scale = 20 / max(box[2] - box[0], box[3] - box[1])
    size = (max(round((box[2] - box[0]) * scale), 1), max(round((box[3] - box[1]) * scale), 1))
    digit = np.asarray(Image.fromarray(gray.astype("uint8")).resize(size, Image.Resampling.BICUBIC, box=box), "float64")
    y, x = (float((digit.sum(axis) * (np.arange(digit.shape[1 - axis]) + 0.5)).sum() / digit.sum()) for axis in (1, 0))
    top, left = (int(np.clip(round(14 - c), 0, 28 - n)) for c, n in ((y, digit.shape[0]), (x, digit.shape[1])))
    result = np.zeros((28, 28), "uint8")
    result[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return result


if __name__ == "__main__":
    model = kr.load("convnetjs_mnist")
    for path in sys.argv[1:]:
        best = model.classify(preprocess_mnist_digit(path)).top(3)
        print(path, ", ".join(f"{c.name}: {100 * c.probability:.0f} %" for c in best))
