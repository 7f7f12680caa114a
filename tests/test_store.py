"""Manifest rows, and weights from the package, the cache and a hub on loopback that misbehaves on purpose."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import jsonschema
import pytest
from hub_server import REVISION, Hub

from kerasrecipes import manifest, store
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupt, WeightsUnavailable
from kerasrecipes.manifest import Weights

CONTENT = os.urandom(300_000)


def row(**changes):
    values = {
        "recipe": "deepspeech2_small", "tag": "t", "file": "deepspeech2_small.weights.h5", "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(), "bundled": False, "licence": "CC BY 4.0",
        "data": ({"name": "a", "hours": 1.0, "licence": "CC0", "synthetic": False},),
        "training": {"config": {}, "seed": 1, "steps": 2, "hardware": "h", "commit": None, "audio_hours": 1.0, "wall_hours": 0.1},
        "metrics": ({"dataset": "d", "split": "d", "metric": "wer", "value": 0.5, "low": 0.4, "high": 0.6,
                     "decoder": "greedy", "command": "c", "date": "2026-11-23"},),
        "keras": "3.15.1", "hub": {"repo": "org/name", "revision": REVISION}, "model": {},
    }  # fmt: skip
    return Weights(**(values | changes))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Empty folders for weights and cache, and no retry waits."""
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path / "weights")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name in ("KERASRECIPES_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "weights").mkdir()
    return tmp_path


@pytest.fixture
def hub(monkeypatch):
    server = Hub(files={row().file: CONTENT})
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    yield server
    server.close()


def test_released_rows_fit_the_schema_by_an_independent_checker():
    assert manifest.rows()
    for name, found in manifest.rows().items():
        values = json.loads((manifest.folder() / f"{name}.json").read_text())
        jsonschema.validate(values, manifest.schema())
        assert found.recipe == name


BREACHES = {
    "missing": (lambda v: v.pop("sha256"), "lacks 'sha256'"),
    "hash": (lambda v: v.update(sha256="xyz"), "sha256 must match"),
    "type": (lambda v: v.update(size="12"), "size must be integer"),
    "bool is no number": (lambda v: v.update(size=True), "size must be integer"),
    "unknown": (lambda v: v.update(colour="red"), "unknown key 'colour'"),
    "branch": (lambda v: v.update(hub={"repo": "a/b", "revision": "main"}), "revision must match"),
    "inside a list": (lambda v: v["data"][0].pop("hours"), r"data\[0\] lacks 'hours'"),
    "negative": (lambda v: v.update(size=0), "at least 1"),
}


@pytest.mark.parametrize("case", BREACHES)
def test_breaches_are_named_as_jsonschema_finds_them(case):
    values = json.loads(json.dumps(asdict(row())))
    manifest.from_dict(json.loads(json.dumps(values)))
    change, message = BREACHES[case]
    change(values)
    with pytest.raises(KerasRecipesError, match=message):
        manifest.from_dict(values)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, manifest.schema())


def test_write_is_read_again(tmp_path):
    path = manifest.write(row(), tmp_path / "x.json")
    assert manifest.read(path) == row() and [p.name for p in tmp_path.iterdir()] == ["x.json"]
    path.write_text("{")
    with pytest.raises(KerasRecipesError, match="not JSON"):
        manifest.read(path)


def test_a_file_at_hand_is_checked_before_it_is_used(place):
    path = place / "weights" / row().file
    path.write_bytes(CONTENT)
    assert store.locate(row(hub=None)) == path
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsCorrupt, match="299999 bytes"):
        store.locate(row(hub=None))
    path.write_bytes(bytes(len(CONTENT)))
    with pytest.raises(WeightsCorrupt, match="has the hash"):
        store.locate(row(hub=None))


def test_neither_file_nor_hub_names_the_training_command(place):
    with pytest.raises(WeightsUnavailable, match="kerasrecipes train deepspeech2_small"):
        store.locate(row(hub=None))


def test_download_once_then_never_ask_again(place, hub):
    path = store.locate(row())
    assert path.read_bytes() == CONTENT
    asked = len(hub.requests)
    assert store.locate(row()) == path and len(hub.requests) == asked
    hub.close()
    assert store.locate(row(), offline=True) == path


def test_wrong_bytes_are_refused(place, hub):
    hub.wrong = True
    with pytest.raises(WeightsCorrupt, match="has the hash"):
        store.locate(row())


def test_truncated_body_is_fetched_again(place, hub):
    hub.truncate = 1
    assert store.locate(row()).read_bytes() == CONTENT


def test_always_truncated_body_never_appears(place, hub):
    hub.truncate = 100
    with pytest.raises((WeightsUnavailable, WeightsCorrupt)):
        store.locate(row())
    whole = [p for p in (place / "cache").rglob(row().file) if p.exists()]
    assert not whole


def test_server_error_then_success(place, hub):
    hub.fail_first = 2
    assert store.locate(row()).read_bytes() == CONTENT


def test_not_there(place, hub):
    with pytest.raises(WeightsUnavailable, match="no other.h5 in org/name"):
        store.locate(row(file="other.h5"))
    with pytest.raises(WeightsUnavailable):
        store.locate(row(hub={"repo": "org/other", "revision": REVISION}))


def test_no_network_and_offline_switch(place, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsUnavailable, match="network|broke off|reached"):
        store.locate(row())
    monkeypatch.setenv("KERASRECIPES_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match="switched off"):
        store.locate(row())


def test_cache_that_cannot_be_written(place, hub, monkeypatch):
    (place / "file").write_text("a file where a folder should be")
    monkeypatch.setenv("HF_HUB_CACHE", str(place / "file" / "cache"))
    with pytest.raises(WeightsUnavailable):
        store.locate(row())


FETCH = """
import json, sys
from kerasrecipes import manifest, store
manifest.weights_folder = lambda: __import__("pathlib").Path("/nonexistent")
print(store.locate(manifest.read(__import__("pathlib").Path(sys.argv[1]))), flush=True)
"""


def fetch(place, hub):
    path = manifest.write(row(), place / "row.json")
    env = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_CACHE": str(place / "cache")}
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, str(path)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_two_processes_at_once(place, hub):
    hub.slow = 0.05
    first, second = fetch(place, hub), fetch(place, hub)
    paths = {p.communicate(timeout=60)[0].strip() for p in (first, second)}
    assert first.returncode == second.returncode == 0 and len(paths) == 1
    downloads = [path for method, path in hub.requests if method == "GET" and path.endswith(row().file)]
    assert len(downloads) == 1, hub.requests


def test_interrupted_download_leaves_nothing_and_goes_on(place, hub, monkeypatch):
    monkeypatch.undo()  # real time here
    hub.slow = 0.5
    process = fetch(place, hub)
    while not any(m == "GET" for m, _ in hub.requests):
        time.sleep(0.05)
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert not [p for p in (place / "cache").rglob(row().file) if p.exists()]
    hub.slow = 0
    again = fetch(place, hub)
    out, error = again.communicate(timeout=60)
    assert again.returncode == 0, error
    assert open(out.strip(), "rb").read() == CONTENT


def test_publish_then_load_by_reference(place, hub, monkeypatch):
    from kerasrecipes import publish

    (place / "rows").mkdir()
    (place / "rows" / "schema.json").write_text((manifest.folder() / "schema.json").read_text())
    monkeypatch.setattr(manifest, "folder", lambda: place / "rows")
    manifest.schema.cache_clear()
    manifest.write(row(hub=None))
    (place / "weights" / row().file).write_bytes(CONTENT)
    hub.files.clear()
    told = publish.publish("deepspeech2_small", "org/name")
    assert told.startswith("would upload") and not hub.requests and manifest.get("deepspeech2_small").hub is None
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    assert REVISION in publish.publish("deepspeech2_small", "org/name", dry_run=False)
    assert manifest.get("deepspeech2_small").hub == {"repo": "org/name", "revision": REVISION}
    assert b"CC BY 4.0" in hub.files["README.md"] and hub.files[row().file] == CONTENT
    found, path = store.fetch_ref(f"hf://org/name@{REVISION}")
    assert path.read_bytes() == CONTENT and found == row(hub=None)
    for bad in ("hf://org/name", "hf://org/name@main", "hf://name@" + REVISION):
        with pytest.raises(WeightsUnavailable, match="no hub reference"):
            store.fetch_ref(bad)
    manifest.rows.cache_clear()


def test_verify_tells_each_row(place, monkeypatch):
    monkeypatch.setattr(
        manifest, "rows", lambda: {"a": row(recipe="a", hub=None), "b": replace(row(hub=None), file="b.h5")}
    )
    (place / "weights" / row().file).write_bytes(CONTENT)
    assert [(n, ok) for n, ok, _ in store.verify()] == [("a", True), ("b", False)]
