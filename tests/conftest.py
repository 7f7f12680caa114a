"""Settings for all tests: one backend per process, quiet logs, the optional data folder."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from paths import FIXTURES, ROOT

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of two tests at a time wait for each other: torch takes ten times as long

DATA = Path(os.environ.get("KERASRECIPES_DATA", ROOT.parent / "shared" / "data"))


def pytest_make_parametrize_id(config, val, argname):
    """Name bytes by their length, because every worker must give a test the same name and compressed bytes may hold the time."""
    return f"{argname}-{len(val)}-bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """A cache of decoded clips and converted files for this run of the tests alone."""
    os.environ.setdefault("KERASRECIPES_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def clips() -> Path:
    """The LibriSpeech clips that ship with the tests, in the official layout."""
    return FIXTURES / "LibriSpeech" / "dev-mini"


@pytest.fixture(scope="session")
def pretrained():
    """The bundled recognizer; not to be trained or changed."""
    import kerasrecipes as kr

    return kr.load("deepspeech2_small")


@pytest.fixture(scope="session")
def big_data() -> Path:
    """The folder of full data sets; tests that want it are skipped where it is missing."""
    if not (DATA / "LibriSpeech").is_dir():
        pytest.skip(f"no data sets in {DATA}: set KERASRECIPES_DATA")
    return DATA


TONES = {"IY": 2500.0, "AA": 600.0, "SIL": 0.0}


@pytest.fixture(scope="session")
def spoken(tmp_path_factory):
    """Twelve clips of tones and their exact labels, as a label file in a folder of its own."""
    import numpy as np
    import soundfile

    from kerasrecipes.data.phone_alignments import PhoneLabels, write_labels

    folder, rng, rows = tmp_path_factory.mktemp("tones"), np.random.default_rng(0), []
    for i in range(12):  # all of one length: TensorFlow traces a training step anew for every shape
        x, phones = [np.zeros(0)], []
        for phone in rng.permutation(["IY", "AA", "SIL", "IY", "SIL", "AA"]):
            if phones and phones[-1][0] == phone:
                continue
            phones.append((str(phone), round(sum(map(len, x)) / 16000, 4)))
            samples = int(rng.integers(1200, 3200))
            x.append(0.3 * np.sin(2 * np.pi * TONES[phone] * np.arange(samples) / 16000))
        x.append(
            0.3 * np.sin(2 * np.pi * TONES[phone] * np.arange(samples, samples + 20000 - sum(map(len, x))) / 16000)
        )
        x = np.concatenate(x) + 0.003 * rng.normal(size=sum(map(len, x)))
        soundfile.write(folder / f"{i}.flac", x, 16000)
        rows.append(PhoneLabels(f"{i}.flac", f"s{i % 3}", len(x) / 16000, tuple(phones)))
    write_labels(folder / "labels.tsv.xz", rows, {"labels": "exact"})
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Empty folders for weights, manifest rows and cache; no waiting between attempts."""
    from huggingface_hub.utils import _http

    from kerasrecipes.hub import manifest, transfer

    schema = (manifest.manifest_folder() / "schema.json").read_text()
    for name in ("weights", "rows"):
        (tmp_path / name).mkdir()
    (tmp_path / "rows" / "schema.json").write_text(schema)
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path / "weights")
    monkeypatch.setattr(manifest, "manifest_folder", lambda: tmp_path / "rows")
    monkeypatch.setattr(_http, "time", SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None}))
    monkeypatch.setattr(transfer, "WAIT_SECONDS", 0.0)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("KERASRECIPES_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    manifest.entries.cache_clear()
    manifest.language_models.cache_clear()
    yield tmp_path
    manifest.entries.cache_clear()
    manifest.language_models.cache_clear()


@pytest.fixture
def loopback(monkeypatch):
    """A hub on loopback with the file of `hub_server.row()`; its attributes switch faults on."""
    from hub_server import CONTENT, Hub, row

    server = Hub(files={row().file: CONTENT})
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    yield server
    server.close()
