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
def pretrained():
    """The bundled recogniser; not to be trained or changed."""
    import kerasrecipes as kr

    return kr.load("deepspeech2_small")


@pytest.fixture(scope="session")
def big_data() -> Path:
    """The folder of full data sets; tests that want it are skipped where it is missing."""
    if not (DATA / "LibriSpeech").is_dir():
        pytest.skip(f"no data sets in {DATA}: set KERASRECIPES_DATA")
    return DATA


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Empty folders for weights, manifest rows and cache; no waiting between attempts."""
    from kerasrecipes import hub, manifest

    schema = (manifest.folder() / "schema.json").read_text()
    for name in ("weights", "rows"):
        (tmp_path / name).mkdir()
    (tmp_path / "rows" / "schema.json").write_text(schema)
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path / "weights")
    monkeypatch.setattr(manifest, "folder", lambda: tmp_path / "rows")
    monkeypatch.setattr(hub, "WAIT", 0.0)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("KERASRECIPES_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    manifest.rows.cache_clear()
    manifest.language_models.cache_clear()
    yield tmp_path
    manifest.rows.cache_clear()
    manifest.language_models.cache_clear()


@pytest.fixture
def loopback(monkeypatch):
    """A hub on loopback with the file of `hub_server.row()`; its attributes switch faults on."""
    from hub_server import CONTENT, Hub, row

    server = Hub(files={row().file: CONTENT})
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    yield server
    server.close()
