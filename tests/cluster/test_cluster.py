"""Many files on a Ray cluster of two nodes: killed workers, a killed driver, and still the plain loop's rows."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes import batch
from kerasrecipes.errors import KerasRecipesError

ray = pytest.importorskip("ray", reason="Ray is not installed: make test-ray")
NAME = "convnetjs_mnist"


@pytest.fixture(scope="module")
def address():
    """The address of a cluster of two nodes with one CPU each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("images")
    for i in range(1200):
        if i % 100 == 7:
            (folder / f"{i:04}.png").write_bytes(b"no image")
        else:
            Image.fromarray(rng.integers(0, 255, (28, 28), "uint8")).save(folder / f"{i:04}.png")
    return folder


@pytest.fixture(scope="module")
def expected(images):
    paths = sorted(str(p) for p in images.iterdir())
    return dict(zip(paths, kr.load(NAME, engine="onnxruntime").classify(paths), strict=True))


def assert_rows_match(rows, expected):
    assert sorted(row["path"] for row in rows) == sorted(expected)
    for row in rows:
        result = expected[row["path"]]
        failed = isinstance(result, Exception)
        assert (row["name"], row["error"]) == ((None, str(result)) if failed else (result.name, None))


def command(images, out, address):
    words = ["classify", str(images), "--recipe", NAME, "--output", str(out), "--runner", "ray", "--address", address]
    return subprocess.Popen(
        [sys.executable, "-m", "kerasrecipes", *words, "--workers", "2"], stderr=subprocess.PIPE, text=True
    )


def parts(out):
    return sorted(out.glob("part-*"))


def until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def processes(word):
    return [p for p in psutil.process_iter(["cmdline"]) if word in " ".join(p.info["cmdline"] or ())]


def kill(word):
    found = processes(word)
    assert found
    for process in found:
        process.send_signal(signal.SIGKILL)


def test_a_killed_worker_a_killed_actor_and_a_killed_driver(images, expected, address, tmp_path):
    driver = command(images, tmp_path, address)
    until(lambda: len(parts(tmp_path)) >= 1)
    kill("kerasrecipes.batch.worker_main")
    until(lambda: len(parts(tmp_path)) >= 3)
    kill("MapWorker")
    until(lambda: len(parts(tmp_path)) >= 5)
    there = {p: p.stat().st_mtime_ns for p in parts(tmp_path)}
    driver.kill()
    driver.wait()
    until(lambda: not processes("kerasrecipes.batch.worker_main"), 30)  # workers end with their parents
    assert len(parts(tmp_path)) < 16
    driver = command(images, tmp_path, address)
    assert driver.wait() == 1, driver.stderr.read()
    assert all(p.stat().st_mtime_ns == t for p, t in there.items())
    assert_rows_match(list(batch.read(tmp_path)), expected)


def test_an_option_that_a_worker_rejects_ends_the_run(images, address, tmp_path):
    with pytest.raises(KerasRecipesError, match="num_crops is 0"):
        batch.run(NAME, [str(images)], tmp_path, task="classify", runner="ray", address=address, workers=1, num_crops=0)
    assert not parts(tmp_path)


def test_no_cluster_at_the_address(images, tmp_path):
    begin = time.monotonic()
    with pytest.raises(KerasRecipesError, match=r"No Ray cluster answers at 127.0.0.1:9"):
        batch.run(NAME, [str(images)], tmp_path, task="classify", runner="ray", address="127.0.0.1:9", workers=1)
    assert time.monotonic() - begin < 30


def test_relative_paths_mean_the_same_for_all_workers(images, address, tmp_path, monkeypatch):
    monkeypatch.chdir(images)
    summary = batch.run(NAME, ["0001.png"], tmp_path, task="classify", runner="ray", address=address, workers=1)
    assert (summary.files, summary.failed) == (1, 0)
    assert [row["path"] for row in batch.read(tmp_path)] == ["0001.png"]
    assert os.getcwd() == str(images)
