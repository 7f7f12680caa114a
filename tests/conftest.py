"""Settings for all tests: one backend per process, quiet logs, the optional data folder."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("KERASRECIPES_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def clips() -> Path:
    """The LibriSpeech clips that ship with the tests, in the official layout."""
    return Path(__file__).parent / "data" / "LibriSpeech" / "dev-mini"


@pytest.fixture(scope="session")
def big_data() -> Path:
    """The folder of full data sets; tests that want it are skipped where it is missing."""
    if not (DATA / "LibriSpeech").is_dir():
        pytest.skip(f"no data sets in {DATA}: set KERASRECIPES_DATA")
    return DATA
