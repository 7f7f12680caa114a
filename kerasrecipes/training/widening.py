"""Initial weights of a wider network that computes what a narrower one computes.

New units have random weights on their inputs and zeros on their outputs, so the outputs of the network do not change, and the
new units learn from the first step. Net2Net (Chen, Goodfellow and Shlens, arXiv 1511.05641) copies units instead.
"""

from typing import Any

import numpy as np
from keras import ops

from kerasrecipes.errors import DataError

KERNELS, VECTORS = ("kernel",), ("bias", "gamma", "beta", "moving_mean", "moving_variance")


def is_narrower(source: Any, target: Any) -> bool:
    """Return whether two networks have as many weights, of which some differ in shape."""
    shapes = [[weight.shape for weight in model.weights] for model in (source, target)]
    return len(shapes[0]) == len(shapes[1]) and shapes[0] != shapes[1]


def widen_weights(narrow: Any, wide: Any) -> list[np.ndarray]:
    """Return the weights with which a wide network computes what a narrow one computes.

    Convolutions and dense layers, one after another, may have more outputs. A dense layer may flatten several steps of the layer
    before it.

    Args:
        narrow: Network with the weights to keep.
        wide: Network of the same layers, whose random weights the new units get.

    Raises:
        DataError: The networks differ in more than the numbers of units, or a layer cannot be widened.
    """
    widths: list[tuple[int, int]] = []  # outputs of the kernels before, narrow and wide, the last one first
    weights = []
    for source, target in zip(narrow.weights, wide.weights, strict=True):
        old, new = (np.array(ops.convert_to_numpy(weight)) for weight in (source, target))
        is_kernel = source.name in KERNELS and old.ndim > 1
        if old.shape == new.shape:
            weights.append(old)
        elif old.ndim == new.ndim and all(a <= b for a, b in zip(old.shape, new.shape, strict=True)) and is_kernel:
            weights.append(widen_kernel(old, new, widths, source.path))
        elif old.ndim == new.ndim == 1 and len(old) < len(new) and source.name in VECTORS:
            weights.append(np.concatenate([old, new[len(old) :]]))
        else:
            raise DataError(f"init_config: {source.path} has the shape {old.shape} and cannot be widened to {new.shape}")
        if is_kernel:
            widths.insert(0, (old.shape[-1], new.shape[-1]))
    return weights


def widen_kernel(old: np.ndarray, new: np.ndarray, widths: list[tuple[int, int]], path: str) -> np.ndarray:
    """Return a kernel (..., inputs, outputs) with more inputs or outputs, in which old outputs do not see new inputs.

    Args:
        old: Kernel to keep.
        new: Random kernel of the wide layer.
        widths: Outputs of the kernels before, narrow and wide. The inputs are a multiple of those of one of them.
        path: Name of the kernel in errors.
    """
    if old.shape[-2] != new.shape[-2]:
        pairs = ((old.shape[-2] // a, a, b) for a, b in widths)
        steps = next((n for n, a, b in pairs if (n * a, n * b) == (old.shape[-2], new.shape[-2])), None)
        if steps is None or old.shape[:-2] != new.shape[:-2]:
            raise DataError(f"init_config: {path} has the shape {old.shape} and cannot be widened to {new.shape}")
        old, new_steps = (k.reshape(*k.shape[:-2], steps, -1, k.shape[-1]) for k in (old, new))
    else:
        new_steps = new
    inputs, outputs = old.shape[-2:]
    result = new_steps.copy()
    result[..., inputs:, :outputs] = 0.0
    result[..., :inputs, :outputs] = old
    return result.reshape(new.shape)
