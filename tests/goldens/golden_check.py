"""Comparison of results with a golden."""

import numpy as np
from golden_inputs import GOLDENS


def assert_is_golden(name: str, results: dict, tolerance: float, keys: tuple[str, ...] = ()) -> None:
    """Compare results with the arrays of `NAME.npz`, within `tolerance` times the largest absolute value of each array.

    Args:
        name: Name of the golden.
        results: An array for each key of the golden.
        tolerance: Largest deviation relative to the array's largest absolute value. 0 for integers and masks.
        keys: Keys to compare. Default: all of the golden, and no others.
    """
    with np.load(GOLDENS / f"{name}.npz") as golden:
        expected = {key: golden[key] for key in (keys or golden.files)}
    assert expected.keys() == results.keys()
    for key, array in expected.items():
        result = np.asarray(results[key])
        assert result.shape == array.shape, f"{name} {key}: {result.shape}, not {array.shape}"
        limit = tolerance * np.abs(array.astype("float64")).max()
        np.testing.assert_allclose(result, array, rtol=0, atol=limit, err_msg=f"{name} {key}")
