"""The goldens of pip packages, computed again. `KERASRECIPES_WRITE_GOLDENS=1 make test-oracles` writes the files anew."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path[:0] = [str(Path(__file__).parents[1] / "goldens"), str(Path(__file__).parent)]
from golden_inputs import GOLDENS, INPUTS  # noqa: E402
from golden_oracles import ORACLES  # noqa: E402

WRITE = os.environ.get("KERASRECIPES_WRITE_GOLDENS") == "1"


def test_every_input_has_an_oracle():
    assert ORACLES.keys() == INPUTS.keys()


@pytest.mark.parametrize("name", ORACLES)
def test_golden_is_what_the_package_computes(name):
    arrays = {key: np.asarray(value) for key, value in ORACLES[name](INPUTS[name]()).items()}
    if WRITE:
        np.savez_compressed(GOLDENS / f"{name}.npz", **arrays)
    golden = np.load(GOLDENS / f"{name}.npz")
    assert set(golden.files) == arrays.keys()
    for key, value in arrays.items():
        np.testing.assert_allclose(value, golden[key], rtol=1e-5, atol=1e-6)
