"""A disk that is full or read-only: the message says which and how to go on, half files go, and the command can be repeated."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.cli.main import main
from kerasrecipes.errors import AudioError
from kerasrecipes.results import AudioClip
from kerasrecipes.utils.files import WRITE_ERRORS, atomic_write, describe_write_error

resource = pytest.importorskip("resource")


@pytest.fixture
def small_files():
    """Let this process write files of at most so many bytes, as on a disk that is nearly full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def list_files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


COMMANDS = {
    "shard": ("data shard librispeech:{clips} --output {out}", 4000),
    "transcribe": ("transcribe {clips} --decoder greedy --format json --output {out}", 300),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_name_the_disk_and_leave_no_half_file(name, tmp_path, clips, small_files, capsys):
    command, size = COMMANDS[name]
    arguments = command.format(out=tmp_path / "out", clips=clips).split()
    small_files(size)
    status = main(arguments)
    small_files(resource.RLIM_INFINITY)
    error = capsys.readouterr().err
    assert status == 1 and "Traceback" not in error, error
    assert "cannot be written: the file would be too large for its disk" in error
    finished = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert all(len(content) <= size for content in finished.values()) and "partial" not in " ".join(list_files(tmp_path))
    assert main(arguments) == 0 and list_files(tmp_path / "out")
    capsys.readouterr()


@pytest.mark.slow
def test_training_names_the_disk_and_resumes(tmp_path, small_files, capsys):
    folder = tmp_path / "images"
    for label in ("1", "7"):
        (folder / label).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(np.random.default_rng(i).integers(0, 255, (28, 28), "uint8")).save(folder / label / f"{i}.png")
    config = tmp_path / "x.yaml"
    config.write_text("recipe: convnetjs_mnist\nmax_steps: 2\nbatch_images: 4\nvalidation: []\ndata: []\n")
    arguments = ["train", "convnetjs_mnist", "--config", str(config), "--data", f"folder:{folder}"]
    arguments += ["--output", str(tmp_path / "run"), "--resume"]
    small_files(2000)
    status = main(arguments)
    small_files(resource.RLIM_INFINITY)
    error = capsys.readouterr().err
    assert status == 1 and "checkpoint.npz cannot be written" in error and "Traceback" not in error
    assert "checkpoint.npz" not in list_files(tmp_path / "run")
    assert main(arguments) == 0 and {"checkpoint.npz", "run.json", "log.csv"} <= list_files(tmp_path / "run")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", [["list"], ["data", "--help"], ["--help"]])
def test_a_full_disk_behind_the_output_is_an_error(command):
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "kerasrecipes", *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 1 and "The output cannot be written: the disk is full" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", WRITE_ERRORS)
def test_errors_of_disks_say_what_to_do(number, tmp_path):
    text = describe_write_error(tmp_path / "x", OSError(number, os.strerror(number)))
    assert text.startswith(f"{tmp_path / 'x'} cannot be written: ") and os.strerror(number) not in text
    assert str(tmp_path) in text.partition("stays: ")[2] or number == errno.ENAMETOOLONG


def test_audio_leaves_no_half_file(tmp_path, small_files, capfd):
    clip = AudioClip(np.random.default_rng(0).uniform(-1, 1, 16000).astype("float32"), 16000)
    small_files(600)
    for name in ("x.wav", "x.flac", "x.mp3"):
        with pytest.raises(AudioError, match="cannot be written: the file would be too large for its disk"):
            clip.save(tmp_path / name)
    small_files(resource.RLIM_INFINITY)
    assert not list_files(tmp_path) and capfd.readouterr() == ("", "")
    assert clip.save(tmp_path / "x.wav").stat().st_size > 32000


def test_what_stood_before_stays(tmp_path, small_files):
    path = atomic_write(tmp_path / "x", b"old")
    small_files(10)
    with pytest.raises(Exception, match="too large for its disk"):
        atomic_write(path, b"new" * 10)
    small_files(resource.RLIM_INFINITY)
    assert path.read_bytes() == b"old" and list_files(tmp_path) == {"x"}
