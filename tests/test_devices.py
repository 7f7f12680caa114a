"""Training on many devices: the same batch gives the same gradients, the same curve, and checkpoints that fit either way."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kerasrecipes.errors import DataError
from kerasrecipes.training.ahead import Ahead
from kerasrecipes.training.devices import octaves, padded

pytest.importorskip("jax")
SCRIPT = Path(__file__).parent / "devices_run.py"
TOLERANCE = 1e-5


def clips(folder):
    """Short clips of noise with texts: two batches of 5, no multiple of four."""
    rng, rows = np.random.default_rng(0), ["path\ttranscript"]
    for i, seconds in enumerate([0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 1.0, 1.01, 1.02]):
        soundfile.write(folder / f"{i}.flac", 0.1 * rng.normal(size=int(16000 * seconds)), 16000)
        rows.append(f"{i}.flac\t{'ab cd'[: 2 + i % 3]}e")
    (folder / "clips.tsv").write_text("\n".join(rows) + "\n")


def start(way, folder, **env):
    return subprocess.Popen(
        [sys.executable, SCRIPT, way, folder], env={**os.environ, **env}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    clips(folder)
    process = start("compared", folder)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]
    return folder, json.loads((folder / "found.json").read_text())


def arrays(path):
    with np.load(path) as file:
        return [file[name] for name in file.files]


def agree(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, atol=TOLERANCE * max(1.0, float(np.abs(y).max())))


def test_four_devices_give_the_gradients_of_one(trained):
    folder, found = trained
    assert found["count"] == 4
    plain = arrays(folder / "plain.npz")
    assert max(float(np.abs(g).max()) for g in plain) > 0.01
    agree(arrays(folder / "one.npz"), plain)  # filled up to shapes that few batches differ in
    agree(arrays(folder / "four.npz"), plain)  # and to four times as many items


def test_four_devices_give_the_curve_of_one_and_resume_either_way(trained):
    _, found = trained
    one = found["one"]
    assert len(set(one)) == len(one)
    np.testing.assert_allclose(found["four"], one, rtol=1e-4)
    np.testing.assert_allclose(found["four after one"], one[3:], rtol=1e-4)
    np.testing.assert_allclose(found["one after four"], one[3:], rtol=1e-4)


def test_counts_that_cannot_be_are_refused(trained):
    more, words, few = trained[1]["refused"]
    assert "5 devices were asked for, and there are 4" in more and "--devices all" in more
    assert "number or 'all'" in words
    assert "fewer than there are devices (4)" in few and "batch_seconds" in few


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one(trained):
    folder, found = trained
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    env = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    processes = [start("loopback", folder, JAX_PROCESS_ID=str(i), **env) for i in range(2)]
    for process in processes:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said[-3000:]
    done = json.loads((folder / "loopback.json").read_text())
    assert (done["count"], done["processes"]) == (4, 2)
    agree(arrays(folder / "loopback.npz"), arrays(folder / "plain.npz"))
    np.testing.assert_allclose(done["losses"], found["one"], rtol=1e-4)
    state = json.loads((folder / "state.json").read_text())
    assert state["step"] == 8
    assert len((folder / "loopback" / "log.csv").read_text().splitlines()) == 2  # the first process writes, alone


def test_another_backend_is_told_what_to_do(monkeypatch):
    import keras

    from kerasrecipes.training import devices

    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    with pytest.raises(DataError, match="KERAS_BACKEND=jax"):
        devices.begin("all")


def test_a_fixed_number_of_items_must_be_a_multiple_of_the_devices():
    from kerasrecipes.training.devices import Devices

    class Kind:
        fixed, dataset = "batch_pictures", range(3)

        def items(self, index):
            return 128

    Devices(4).check(Kind())
    with pytest.raises(
        DataError, match=r"128 items cannot be divided among 6 devices: set batch_pictures .* 126 for instance"
    ):
        Devices(6).check(Kind())


def test_shapes_are_few_and_hold_what_they_must():
    sizes = range(1, 5000)
    assert all(n <= octaves(n) <= max(1.25 * n, n + 1) for n in sizes)
    assert len({octaves(n) for n in sizes if 512 < n <= 4096}) == 12
    np.testing.assert_array_equal(padded(np.ones((1, 2)), 2, 3, -1), [[1, 1, -1], [-1, -1, -1]])


def test_batches_ahead_are_those_that_were_asked_for():
    made, passes = [], [0]

    def make(i):
        made.append(i)
        return passes[0], i

    ahead = Ahead(make, depth=2)
    assert [ahead(i, 5) for i in range(5)] == [(0, i) for i in range(5)] and sorted(made) == [0, 1, 2, 3, 4]
    ahead(1, 5)
    ahead.clear()
    passes[0] = 1
    assert ahead(2, 5) == (1, 2)
