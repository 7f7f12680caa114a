"""Whether numbers can be the weights of a network."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

MAX_WEIGHT = 1e15  # weights, averages and variances of trained networks are far below; the square is a float32
MAX_COMPRESSION = 4  # of weights, which hardly compress


def describe_bad_values(values: np.ndarray) -> str:
    """Return in words what is wrong with weights, or an empty string."""
    if values.dtype.kind != "f" or values.size < 2:  # single numbers may be limits, for instance of a clipped ReLU
        return ""
    largest = float(np.max(np.abs(values)))  # NaN if any is NaN
    if largest <= MAX_WEIGHT:
        return ""
    count = int(np.size(values) - np.isfinite(values).sum())
    return f"holds {count} values that are NaN or infinite" if count else f"holds values up to {largest:.3g}"


def check_declared_bytes(tensors: Mapping[str, tuple[Sequence[int], int]], available: int) -> None:
    """Check that arrays are not larger than the file that declares them, before memory is asked for.

    Args:
        tensors: {name: (shape, bytes of a value)}.
        available: Bytes of the file. Compressed arrays may be `MAX_COMPRESSION` times larger.

    Raises:
        ValueError: They are larger.
    """
    declared = sum(prod(shape) * itemsize for shape, itemsize in tensors.values())
    if declared > MAX_COMPRESSION * available:
        raise ValueError(f"its arrays declare {declared} bytes, and the file has {available}")
