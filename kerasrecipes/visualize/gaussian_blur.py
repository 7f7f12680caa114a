"""Gaussian blur as a matrix for each axis: equal results in numpy and on every backend, including at the edges."""

import functools
from typing import Any

import numpy as np
from keras import ops

TRUNCATE_SIGMAS = 4.0  # the kernel is cut off after this many standard deviations


@functools.cache
def gaussian_matrix(size: int, sigma: float) -> np.ndarray:
    """Return the (size, size) float32 matrix that blurs a line: `matrix @ line`.

    Lines are mirrored at their ends (d c b a | a b c d | d c b a), as `scipy.ndimage.gaussian_filter` does.
    """
    radius = int(TRUNCATE_SIGMAS * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    matrix = np.zeros((size, size))
    for offset, weight in zip(offsets, kernel, strict=True):
        position = (np.arange(size) + offset) % (2 * size)
        matrix[np.arange(size), np.where(position < size, position, 2 * size - 1 - position)] += weight
    return matrix.astype("float32")


def blur_numpy(values: np.ndarray, sigma: float) -> np.ndarray:
    """Blur (height, width[, channels]) over rows and columns by `sigma` pixels."""
    if sigma <= 0:
        return values
    down, across = (gaussian_matrix(n, float(sigma)) for n in values.shape[:2])
    return np.einsum("ij,kl,jl...->ik...", down, across, values, optimize=True)


def blur(x: Any, sigma: float) -> Any:
    """Blur tensors (batch, height, width, channels) or (batch, time, features) over axes 1 and 2."""
    down = ops.convert_to_tensor(gaussian_matrix(int(x.shape[1]), float(sigma)))
    across = ops.convert_to_tensor(gaussian_matrix(int(x.shape[2]), float(sigma)))
    rows = ops.moveaxis(ops.einsum("kl,bl...->bk...", across, ops.moveaxis(x, 2, 1)), 1, 2)
    return ops.einsum("ij,bj...->bi...", down, rows)
