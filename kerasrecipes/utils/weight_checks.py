"""Whether numbers can be the weights of a network."""

import numpy as np

MAX_WEIGHT = 1e15  # weights, averages and variances of trained networks are far below; the square is a float32


def describe_bad_values(values: np.ndarray) -> str:
    """Return in words what is wrong with weights, or an empty string."""
    if values.dtype.kind != "f" or values.size < 2:  # single numbers may be limits, for instance of a clipped ReLU
        return ""
    largest = float(np.max(np.abs(values)))  # NaN if any is NaN
    if largest <= MAX_WEIGHT:
        return ""
    count = int(np.size(values) - np.isfinite(values).sum())
    return f"holds {count} values that are NaN or infinite" if count else f"holds values up to {largest:.3g}"
