"""The README names every golden, and goldens stay small."""

import re

import numpy as np
import pytest
from golden_inputs import GOLDENS

FILES = sorted(path.name for path in GOLDENS.glob("*.npz"))


def test_readme_names_every_file_and_no_other():
    named = re.findall(r"`(\w+\.npz)`", (GOLDENS / "README.md").read_text("utf-8"))
    assert sorted(named) == FILES


def test_every_row_names_source_call_and_inputs():
    rows = [line for line in (GOLDENS / "README.md").read_text("utf-8").splitlines() if ".npz`" in line and line.startswith("|")]
    assert len(rows) > 20
    for row in rows:
        _, _, source, call, inputs, _ = re.split(r"(?<!\\)\|", row)
        assert re.search(r"BSD|MIT|ISC|Apache", source) and re.search(r"\d\.\d| at [0-9a-f]{7}", source), row
        assert "`" in call and inputs.strip(), row


def test_files_are_small():
    sizes = {name: (GOLDENS / name).stat().st_size for name in FILES}
    assert {name: size for name, size in sizes.items() if size >= 50_000} == {}
    assert sum(sizes.values()) < 2_000_000
    assert {path.suffix for path in GOLDENS.iterdir() if path.is_file()} == {".npz", ".py", ".md"}


@pytest.mark.parametrize("name", FILES)
def test_values_are_finite_and_not_all_equal(name):
    with np.load(GOLDENS / name) as golden:
        for key in golden.files:
            value = golden[key]
            if value.dtype.kind == "f":
                assert np.isfinite(value).all() and (value.size == 1 or np.ptp(value) > 0), key
