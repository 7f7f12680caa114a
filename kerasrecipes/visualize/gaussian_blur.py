"""Gaussian blur as a matrix per axis: the same numbers in numpy and on every backend, edges included."""

import functools
from typing import Any

import numpy as np
from keras import ops

TRUNCATE_SIGMAS = 4.0  # deviations


@functools.cache
def gaussian_matrix(size: int, sigma: float) -> np.ndarray:
    """(size, size) float32: a line times its transpose is the line blurred.

    The kernel is cut at 4 deviations and lines are mirrored at their ends (d c b a | a b c d | d c b a), as
    `scipy.ndimage.gaussian_filter` does.
    """
    reach = int(TRUNCATE_SIGMAS * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    found = np.zeros((size, size))
    for offset, weight in zip(offsets, kernel, strict=True):
        place = (np.arange(size) + offset) % (2 * size)
        found[np.arange(size), np.where(place < size, place, 2 * size - 1 - place)] += weight
    return found.astype("float32")


def blur_numpy(values: np.ndarray, sigma: float) -> np.ndarray:
    """(height, width[, channels]) blurred over rows and columns by `sigma` pixels."""
    if sigma <= 0:
        return values
    down, across = (gaussian_matrix(n, float(sigma)) for n in values.shape[:2])
    return np.einsum("ij,kl,jl...->ik...", down, across, values, optimize=True)


def blur(x: Any, sigma: float) -> Any:
    """Tensors (batch, height, width, channels) likewise; of (batch, time, features) both axes."""
    down = ops.convert_to_tensor(gaussian_matrix(int(x.shape[1]), float(sigma)))
    across = ops.convert_to_tensor(gaussian_matrix(int(x.shape[2]), float(sigma)))
    return ops.einsum(
        "ij,bj...->bi...", down, ops.moveaxis(ops.einsum("kl,bl...->bk...", across, ops.moveaxis(x, 2, 1)), 1, 2)
    )
