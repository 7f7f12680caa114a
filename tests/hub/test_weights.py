"""Weights from the package, the cache, and a hub on loopback with faults on demand."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_server import CONTENT, REVISION, Hub, row

from kerasrecipes.errors import WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub import manifest, weights


def named(place):
    """Files under the final name in the cache."""
    return [p for p in (place / "cache").rglob(row().file) if p.exists()]


# ---------------------------------------------------------------- files of the package


def test_a_file_of_the_package_is_checked_before_use(place):
    path = place / "weights" / row().file
    path.write_bytes(CONTENT)
    assert weights.weights_path(row()) == path  # comes before cache and hub
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsCorrupted, match="299999 bytes"):
        weights.weights_path(row(hub=None))
    path.write_bytes(bytes(len(CONTENT)))
    with pytest.raises(WeightsCorrupted, match=f"has the hash .* says {row().sha256}: restore it"):
        weights.weights_path(row(hub=None))


def test_neither_file_nor_hub_names_the_training_command(place):
    with pytest.raises(WeightsUnavailable, match="kerasrecipes train deepspeech2_small"):
        weights.weights_path(row(hub=None))


def test_verify_tells_each_row(place):
    for name in ("a", "b"):
        manifest.write_entry(row(recipe=name, hub=None, file=f"{name}.h5"))
    (place / "rows" / "c.json").write_text("{}")
    (place / "weights" / "a.h5").write_bytes(CONTENT)
    found = weights.verify()
    assert [(name, ok) for name, ok, _ in found] == [("a", True), ("b", False), ("c", False)]
    assert "missing" in found[2][2] and "'sha256'" in found[2][2]


# ---------------------------------------------------------------- cache


def test_download_once_then_never_ask_again(place, loopback):
    path = weights.weights_path(row())
    assert path.read_bytes() == CONTENT and loopback.downloads() == [0]
    assert weights.weights_path(row()) == path and loopback.downloads() == [0]
    assert weights.weights_path(row(), offline=True) == path
    assert [p for p in (place / "cache").rglob("*") if p.suffix == ".incomplete"] == []


def test_the_hubs_own_library_finds_the_file(place, loopback):
    from huggingface_hub import hf_hub_download, scan_cache_dir

    path = weights.weights_path(row())
    settings = {"cache_dir": place / "cache", "revision": REVISION, "local_files_only": True}
    assert hf_hub_download("org/name", row().file, **settings) == str(path)
    assert [r.repo_id for r in scan_cache_dir(place / "cache").repos] == ["org/name"]


def test_a_file_that_the_hubs_own_library_fetched_is_found(place, loopback):
    folder = place / "cache" / "models--org--name"
    for name in ("blobs", f"snapshots/{REVISION}"):
        (folder / name).mkdir(parents=True)
    (folder / "blobs" / row().sha256).write_bytes(CONTENT)
    link = folder / "snapshots" / REVISION / row().file
    link.symlink_to(folder / "blobs" / row().sha256)
    assert weights.weights_path(row()) == link and not loopback.requests
    (folder / "blobs" / row().sha256).write_bytes(b"spoilt")
    with pytest.raises(WeightsCorrupted, match="6 bytes.*network on"):
        weights.weights_path(row(), offline=True)
    assert weights.weights_path(row()).read_bytes() == CONTENT and loopback.downloads() == [0]


def test_offline_switches(place, loopback, monkeypatch):
    for name in ("KERASRECIPES_OFFLINE", "HF_HUB_OFFLINE"):
        with monkeypatch.context() as switched:
            switched.setenv(name, "1")
            with pytest.raises(WeightsUnavailable, match="switched off"):
                weights.weights_path(row())
    assert not loopback.requests and weights.weights_path(row(), offline=False).read_bytes() == CONTENT


def test_cache_below_a_file(place, loopback, monkeypatch):
    (place / "file").write_text("a file where a folder should be")
    monkeypatch.setenv("HF_HUB_CACHE", str(place / "file" / "cache"))
    with pytest.raises(WeightsUnavailable, match="cannot be written .* set HF_HUB_CACHE"):
        weights.weights_path(row())


# ---------------------------------------------------------------- faults of the hub


def test_wrong_bytes_are_removed_and_the_next_load_heals(place, loopback):
    loopback.wrong = True
    with pytest.raises(WeightsCorrupted, match="has the hash"):
        weights.weights_path(row())
    assert not named(place)
    loopback.wrong = False
    assert weights.weights_path(row()).read_bytes() == CONTENT


@pytest.mark.parametrize("size", [1000, len(CONTENT) + 1000])
def test_a_file_of_another_length(place, loopback, size):
    loopback.files[row().file] = bytes(size)
    with pytest.raises(WeightsCorrupted, match=f"has {size} bytes"):
        weights.weights_path(row())
    assert not named(place)


def test_a_truncated_body_is_requested_again(place, loopback):
    loopback.truncate = 2
    assert weights.weights_path(row()).read_bytes() == CONTENT and len(loopback.downloads()) == 3


def test_a_server_without_ranges_sends_everything_again(place, loopback):
    loopback.truncate, loopback.ranges = 1, False
    assert weights.weights_path(row()).read_bytes() == CONTENT and len(loopback.downloads()) == 2


def test_always_truncated_body_never_appears(place, loopback):
    loopback.truncate = 1000
    with pytest.raises(WeightsUnavailable, match="check the network and load again"):
        weights.weights_path(row())
    assert not named(place)
    loopback.truncate = 0
    assert weights.weights_path(row()).read_bytes() == CONTENT


def test_server_error_then_success(place, loopback):
    loopback.fail = 2
    assert weights.weights_path(row()).read_bytes() == CONTENT and not loopback.fail


def test_server_error_for_good(place, loopback):
    loopback.fail = 1000
    with pytest.raises(WeightsUnavailable, match="503.*try again later"):
        weights.weights_path(row())
    assert 1000 - loopback.fail > 3  # it was tried again
    assert not named(place)


def test_not_there(place, loopback):
    for missing in (row(file="other.h5"), row(hub={"repo": "org/other", "revision": REVISION})):
        with pytest.raises(WeightsUnavailable, match=r"was not found in .* update kerasrecipes"):
            weights.weights_path(missing)
    assert len(loopback.requests) == 2  # a second request would not help


def test_no_network(place, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsUnavailable, match="cannot be reached .* check the network"):
        weights.weights_path(row())


def test_the_login_stays_with_the_hub_when_it_redirects(place, loopback, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    storage = Hub(files=loopback.files)
    try:
        loopback.redirect, storage.truncate = storage.endpoint, 1
        assert weights.weights_path(row()).read_bytes() == CONTENT
    finally:
        storage.close()
    assert {login for _, path, _, login in loopback.requests if "/resolve/" in path} == {"Bearer hf_test"}
    assert len(storage.downloads()) == 2 and {login for *_, login in storage.requests} == {None}


# ---------------------------------------------------------------- several processes

FETCH = """
import json, sys
from pathlib import Path
from kerasrecipes.hub import manifest, weights
manifest.weights_folder = lambda: Path("/nonexistent")
print(weights.weights_path(manifest.from_dict(json.loads(sys.argv[1]))), flush=True)
"""


def start(place, loopback, **options):
    env = {**os.environ, "HF_ENDPOINT": loopback.endpoint, "HF_HUB_CACHE": str(place / "cache")}
    command = [sys.executable, "-c", FETCH, manifest.to_json(row())]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_two_processes_at_once_download_once(place, loopback):
    loopback.slow = 0.1
    processes = [start(place, loopback) for _ in range(2)]
    told = [p.communicate(timeout=60) for p in processes]
    assert [p.returncode for p in processes] == [0, 0], told
    assert len({out for out, _ in told}) == 1 and loopback.downloads() == [0]


def restore_interrupts():
    """A test run in a shell's background ignores SIGINT, and so would its child processes."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_leaves_no_file_and_the_next_one_succeeds(place, loopback, how):
    loopback.slow = 0.5
    process = start(place, loopback, preexec_fn=restore_interrupts)
    deadline = time.monotonic() + 30
    while not any((place / "cache").rglob("*.incomplete")):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(how)
    process.communicate(timeout=30)
    assert process.returncode != 0 and not named(place)
    loopback.slow = 0
    again = start(place, loopback)
    out, error = again.communicate(timeout=60)
    assert again.returncode == 0, error
    assert Path(out.strip()).read_bytes() == CONTENT
    assert len(loopback.downloads()) == 2


def respect_modes():
    """Drop root's right to write anywhere (prctl, PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) in the new process."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def test_a_read_only_cache_serves_its_files_and_names_the_missing_one(place, loopback):
    cache = place / "cache"
    cache.mkdir()
    cache.chmod(0o555)
    lacking = start(place, loopback, preexec_fn=respect_modes)
    error = lacking.communicate(timeout=60)[1]
    assert lacking.returncode and "set HF_HUB_CACHE to a folder that can" in error
    assert not list(cache.iterdir())
    cache.chmod(0o755)
    path = weights.weights_path(row())
    folders = [cache, *(p for p in cache.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    serving = start(place, loopback, preexec_fn=respect_modes)
    out, error = serving.communicate(timeout=60)
    assert out.strip() == str(path), error
    for folder in folders:  # so that it can be removed
        folder.chmod(0o755)


def test_another_s_onnx_file_is_never_the_package_s(place, loopback):
    """A bundled file must not replace another repository's file of the same name."""
    own = row(
        onnx={"file": "deepspeech2_small.onnx", "size": len(CONTENT), "sha256": row().sha256, "weights": row().sha256}
    )
    (place / "weights" / "deepspeech2_small.onnx").write_bytes(b"the package's")
    loopback.files["deepspeech2_small.onnx"] = CONTENT
    with pytest.raises(WeightsCorrupted):
        weights.onnx_path(own)
    assert weights.onnx_path(own, packaged=False).read_bytes() == CONTENT


def test_the_doctor_reads_any_cache(place, monkeypatch):
    from kerasrecipes.cli import doctor

    monkeypatch.chdir(place)
    for folder in ("cache", "not/there", ""):
        monkeypatch.setenv("HF_HUB_CACHE", folder)
        ((name, ok, text),) = doctor.check_cache()
        assert name == "cache" and text.startswith("/") and (ok or not folder)
