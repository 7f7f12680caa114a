"""Kills at random moments: what a command leaves is no half file, and the same command ends with what it would have written."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

KILLS = 20
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("digits"), np.random.default_rng(0)
    for label in ("1", "7"):
        (folder / label).mkdir()
        for i in range(8):
            Image.fromarray(rng.integers(0, 255, (28, 28), "uint8")).save(folder / label / f"{i}.png")
    config = "recipe: convnetjs_mnist\nmax_steps: 10\nbatch_images: 4\nvalidation: []\ndata: []\ncheckpoint_every_minutes: 0\n"
    (folder.parent / "kills.yaml").write_text(config)
    return folder


COMMANDS = {
    "shard": "data shard librispeech:{clips} --output {out} --megabytes 0.02",
    "transcribe": "transcribe {clips} --decoder greedy --format json --output {out}",
    "train": "train convnetjs_mnist --config {images}/../kills.yaml --data folder:{images} --output {out} --resume",
    "export": "export convnetjs_mnist --output {out}",
    "release": None,
}
RELEASE = """
import sys
from pathlib import Path
from kerasrecipes.hub import manifest
from kerasrecipes.release.from_run import release
run, out = map(Path, sys.argv[1:])
out.mkdir(exist_ok=True)
manifest.manifest_folder = manifest.weights_folder = lambda: out
release("convnetjs_mnist", run, "tag")
"""
VOLATILE = (".lock", "run.json", "curve.png", "log.csv", "averaged.keras")  # hold times of the run, or of a zip's members


def read_folder(folder):
    """Return the contents of the files that must be the same in every run."""
    contents = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name in VOLATILE or path.name.startswith(".lock"):
            continue
        if path.name == "checkpoint.npz":
            arrays = np.load(path)
            contents[path.name] = [arrays[name].tobytes() for name in sorted(arrays) if "hours" not in name and name != "state"]
        else:
            contents[str(path.relative_to(folder))] = path.read_bytes()
    return contents


def start(name, out, clips, images):
    if name == "release":
        arguments = ["-c", RELEASE, images.parent / "run", out]
    else:
        arguments = ["-m", "kerasrecipes", *COMMANDS[name].format(out=out, clips=clips, images=images).split()]
    return subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_commands_end_with_the_same_files(name, tmp_path, clips, images):
    if name == "release":
        assert start("train", images.parent / "run", clips, images).wait() == 0
    begin = time.monotonic()
    process = start(name, tmp_path / "whole", clips, images)
    error = process.communicate()[1]
    assert process.returncode == 0, error
    seconds, expected = time.monotonic() - begin, read_folder(tmp_path / "whole")
    assert expected
    rng, out = random.Random(0), tmp_path / "killed"
    num_killed = 0
    for _ in range(KILLS):
        process = start(name, out, clips, images)
        try:
            process.communicate(timeout=rng.uniform(0.1, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            num_killed += process.returncode == -signal.SIGKILL
        half = [p for p in out.rglob("*") if p.is_file() and p.name in {path.rpartition("/")[2] for path in expected}]
        assert all(path.stat().st_size for path in half)
    assert num_killed > KILLS // 5
    process = start(name, out, clips, images)
    error = process.communicate()[1]
    assert process.returncode == 0, error
    assert read_folder(out) == expected and not list(out.rglob("*.partial"))


def test_contents_of_checkpoints_are_compared(tmp_path):
    """The comparison sees a changed weight."""
    for value in (0.0, 1.0):
        folder = tmp_path / str(value)
        folder.mkdir()
        np.savez(folder / "checkpoint.npz", weight=np.full(3, value))
    assert read_folder(tmp_path / "0.0") != read_folder(tmp_path / "1.0")
