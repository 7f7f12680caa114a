"""Small sets for the chapter's experiments, made of MNIST: halved digits, digits of other sizes, holes of digits, and moving digits."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

DIRECTIONS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]  # rows and columns of one step


def load_mnist(part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images (count, 28, 28) uint8 of a part, "train" or "test", and their labels."""
    with np.load(Path(os.environ["KERASRECIPES_DATA"]) / "mnist" / "mnist.npz") as sets:
        return sets[f"x_{part}"][:count], sets[f"y_{part}"][:count].astype("int64")


def resize_digits(images: np.ndarray, side: int) -> np.ndarray:
    """Return the digits resized to `side` pixels, (count, side, side, 1) float32 from 0 to 1."""
    if side * 2 == images.shape[1]:
        halves = images.reshape(len(images), side, 2, side, 2).mean((2, 4))
        return (halves[..., None] / 255).astype("float32")
    sized = [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX)) for image in images]
    return (np.stack(sized)[..., None] / 255).astype("float32")


def pad_digits(images: np.ndarray, side: int) -> np.ndarray:
    """Return the halved digits in the middle of `side` black pixels, (count, side, side, 1)."""
    digits = resize_digits(images, images.shape[1] // 2)
    before = (side - digits.shape[1]) // 2
    after = side - digits.shape[1] - before
    return np.pad(digits, ((0, 0), (before, after), (before, after), (0, 0)))


def make_holes(part: str, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return digits with loops (count, 20, 20, 1), 0 or 1, and the class of each pixel: 0 outside, 1 ink, 2 enclosed by ink.

    Every second digit loses the ink in a square of four pixels at a random place of its ink, which opens some loops. So a pixel's
    neighborhood does not tell its class.
    """
    images, labels = load_mnist(part, 20 * count)
    ink = images[np.isin(labels, (0, 6, 8, 9))][:count, 4:24, 4:24] > 100
    rng = np.random.default_rng(seed)
    for digit in ink[::2]:
        places = np.argwhere(digit)
        y, x = places[rng.integers(len(places))]
        digit[max(y - 2, 0) : y + 2, max(x - 2, 0) : x + 2] = False
    return ink[..., None].astype("float32"), classify_pixels(ink)


def classify_pixels(ink: np.ndarray) -> np.ndarray:
    """Return the class of each pixel of masks (count, rows, columns): 0 outside, 1 ink, 2 enclosed by ink.

    The outside grows from the border, up, down, left and right, as far as there is no ink.
    """
    free = np.pad(~ink, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    outside = np.zeros_like(free)
    outside[:, [0, -1]] = outside[:, :, [0, -1]] = True
    while True:
        grown = outside.copy()
        grown[:, 1:] |= outside[:, :-1]
        grown[:, :-1] |= outside[:, 1:]
        grown[:, :, 1:] |= outside[:, :, :-1]
        grown[:, :, :-1] |= outside[:, :, 1:]
        grown &= free
        if (grown == outside).all():
            return np.where(ink, 1, np.where(outside[:, 1:-1, 1:-1], 0, 2))
        outside = grown


def make_clips(part: str, count: int, frames: int = 5, side: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return clips (count, frames, side, side, 1) of halved digits that move a pixel a frame, and the number of their direction."""
    digits = resize_digits(load_mnist(part, count)[0], 14)[..., 0]
    rng = np.random.default_rng(seed)
    directions = rng.integers(len(DIRECTIONS), size=count)
    clips = np.zeros((count, frames, side, side, 1), "float32")
    for clip, digit, direction in zip(clips, digits, directions, strict=True):
        step = np.array(DIRECTIONS[direction])
        room = side - digit.shape[0]
        low = np.where(step < 0, frames - 1, 0)
        high = np.where(step > 0, room - frames + 1, room)
        begin = rng.integers(low, high + 1)
        for t, frame in enumerate(clip):
            y, x = begin + t * step
            frame[y : y + digit.shape[0], x : x + digit.shape[1], 0] = digit
    return clips, directions
