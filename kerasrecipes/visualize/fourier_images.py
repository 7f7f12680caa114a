"""Images as scaled Fourier coefficients of decorrelated colors, and random transforms of them (distill.pub/2017/feature-visualization).

Adam steps in this parameterization change coarse and fine structure alike, where steps in pixels mostly make fine noise.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes.errors import KerasRecipesError

OUTPUT_SCALE = 0.25  # of lucid and lucent, against saturated colors
# columns span the colors of ImageNet, scaled by how much each direction varies (lucid, Apache 2.0)
COLOR_DIRECTIONS = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
COLOR_MATRIX = (COLOR_DIRECTIONS / np.linalg.norm(COLOR_DIRECTIONS, axis=0).max()).astype("float32")
GRAY_LEVEL = 0.5  # outside a transformed image
SHIFTS, SCALES = (8, 4), 1 + np.arange(-5, 6) / 50  # pixels before and after, 0.9 to 1.1
ANGLES = np.concatenate([np.arange(-10, 11), np.zeros(5)])  # degrees


@dataclass(frozen=True)
class FourierSettings:
    """Settings of gradient ascent on Fourier coefficients, with lucent's defaults.

    Args:
        steps: Number of iterations.
        learning_rate: Step size of Adam.
        stddev: Standard deviation of the initial coefficients.
        decay_power: Coefficients are scaled by 1 / frequency ** decay_power.
        transforms: Whether each step shifts, scales and rotates the image at random.
    """

    steps: int = 512
    learning_rate: float = 0.05
    stddev: float = 0.01
    decay_power: float = 1.0
    transforms: bool = True

    def __post_init__(self) -> None:
        if self.steps < 2 or self.learning_rate <= 0 or min(self.decay_power, self.stddev) < 0:
            raise KerasRecipesError("2 steps or more, learning_rate above 0, stddev and decay_power 0 or more")


def frequency_scale(height: int, width: int, decay_power: float = 1.0) -> np.ndarray:
    """Return the (height, width // 2 + 1) factors of coefficients: 1 / frequency ** decay_power, bounded at the lowest frequencies."""
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[: width // 2 + 1])
    return (1 / np.maximum(frequencies, 1 / max(width, height)) ** decay_power).astype("float32")


@functools.cache
def _inverse_matrices(height: int, width: int) -> tuple[np.ndarray, ...]:
    """Return cosine and sine over rows (height, height), and over columns (width // 2 + 1, width) with the weight of each frequency."""
    rows = 2 * np.pi * np.outer(np.arange(height), np.arange(height)) / height
    columns = 2 * np.pi * np.outer(np.arange(width // 2 + 1), np.arange(width)) / width
    weight = np.full((width // 2 + 1, 1), 2.0)
    weight[0] = 1
    if width % 2 == 0:
        weight[-1] = 1
    weight /= np.sqrt(height * width)
    matrices = (np.cos(rows), np.sin(rows), weight * np.cos(columns), weight * np.sin(columns))
    return tuple(m.astype("float32") for m in matrices)


def spectrum_to_channels(spectrum: Any, width: int, decay_power: float = 1.0) -> Any:
    """Return the inverse Fourier transform of scaled coefficients.

    Args:
        spectrum: (batch, 2, channels, height, width // 2 + 1) real and imaginary parts.
        width: Width of the images.
        decay_power: Exponent of `frequency_scale`.

    Returns:
        (batch, height, width, channels) without limits.
    """
    height = int(spectrum.shape[3])
    row_cos, row_sin, column_cos, column_sin = (ops.convert_to_tensor(m) for m in _inverse_matrices(height, width))
    scaled = spectrum * ops.convert_to_tensor(OUTPUT_SCALE * frequency_scale(height, width, decay_power))
    real, imaginary = scaled[:, 0], scaled[:, 1]
    real, imaginary = (
        ops.einsum("nk,bckl->bcnl", row_cos, real) - ops.einsum("nk,bckl->bcnl", row_sin, imaginary),
        ops.einsum("nk,bckl->bcnl", row_sin, real) + ops.einsum("nk,bckl->bcnl", row_cos, imaginary),
    )
    return ops.einsum("bcnl,lm->bnmc", real, column_cos) - ops.einsum("bcnl,lm->bnmc", imaginary, column_sin)


def spectrum_to_image(spectrum: Any, width: int, decay_power: float = 1.0) -> Any:
    """Return images (batch, height, width, channels) from 0 to 1. Three channels are decorrelated colors in the spectrum."""
    channels = spectrum_to_channels(spectrum, width, decay_power)
    if channels.shape[-1] == 3:
        channels = ops.einsum("bnmc,dc->bnmd", channels, ops.convert_to_tensor(COLOR_MATRIX))
    return ops.sigmoid(channels)


def initial_spectrum(shape: tuple[int, ...], seed: int, stddev: float = 0.01) -> np.ndarray:
    """Return a normally distributed spectrum (2, channels, height, width // 2 + 1) of an image (height, width, channels).

    Raises:
        KerasRecipesError: The shape is no image.
    """
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise KerasRecipesError(f"The preset fourier is for images with 1 or 3 channels, not for {shape}: choose 1, 2, 3 or 4")
    height, width, channels = shape
    return np.random.default_rng(seed).normal(0, stddev, (2, channels, height, width // 2 + 1)).astype("float32")


def sample_transform(size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sample a shift, a scale, a rotation and a second shift of images, see `apply_transform`.

    Shifts are at most an eighth of the shorter side.
    """
    first, second = (rng.integers(-(s // 2), -(s // 2) + s, 2) for s in (min(s, max(min(size) // 8, 1)) for s in SHIFTS))
    return affine_weights(size, float(rng.choice(SCALES)), float(rng.choice(ANGLES)), first, second)


def affine_weights(
    size: tuple[int, int], scale: float, degrees: float, first: Any = (0, 0), second: Any = (0, 0)
) -> tuple[np.ndarray, np.ndarray]:
    """Return the four pixels that each pixel of a transformed image is mixed from, and their weights, both (4, height * width).

    The image is shifted by `first` (rows, columns), scaled and rotated about its center, and shifted by `second`. Weights of pixels
    outside are 0.
    """
    height, width = size
    center = (np.array(size) - 1) / 2
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    points = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).reshape(-1, 2)
    rows, columns = ((points - center - np.asarray(second)) @ rotation.T + center - np.asarray(first)).T
    pixels, weights = [], []
    for row in (np.floor(rows), np.floor(rows) + 1):
        for column in (np.floor(columns), np.floor(columns) + 1):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            weights.append((1 - np.abs(rows - row)) * (1 - np.abs(columns - column)) * inside)
            pixels.append(np.where(inside, row * width + column, 0))
    return np.stack(pixels).astype("int32"), np.stack(weights).astype("float32")


def apply_transform(images: Any, pixels: Any, weights: Any) -> Any:
    """Return images (batch, height, width, channels) transformed by the results of `affine_weights`. Outside they are middle gray."""
    flat = ops.reshape(images, (-1, images.shape[1] * images.shape[2], images.shape[3]))
    mixed = sum(ops.take(flat, pixels[i], axis=1) * weights[i][None, :, None] for i in range(4))
    outside = GRAY_LEVEL * (1 - ops.sum(weights, axis=0))
    return ops.reshape(mixed + outside[None, :, None], (-1, *images.shape[1:]))
