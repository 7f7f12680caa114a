"""Logs of killed runs, and the lock that keeps two runs out of one folder."""

import json
import os
import subprocess
import sys

import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.training.learning_curve import plot_learning_curve, read_csv_columns, smoothed_losses
from kerasrecipes.training.run_folder import append_row, read_numbers, remove_leftovers
from kerasrecipes.utils.locks import exclusive_lock

HEADER = "step,audio_hours,loss\r\n"


def write_log(folder, text, name="log.csv"):
    (folder / name).write_bytes(text.encode())
    return folder / name


@pytest.mark.parametrize(("text", "rest"), [
    ("20,0.1,3\r\n40,0.2,2\r\n60,0.3,1\r\n", "20,0.1,3\r\n40,0.2,2\r\n"),  # written after the checkpoint
    ("20,0.1,3\r\n40,0.2,2\r\n60,0.", "20,0.1,3\r\n40,0.2,2\r\n"),  # torn
    ("20,0.1,3\r\n40,0.2,2", "20,0.1,3\r\n"),  # torn at its last digit, perhaps
    ("20,0.1,3\r\n60,0.3,1\r\n40,0.2,2\r\n", "20,0.1,3\r\n40,0.2,2\r\n"),  # doubled by an earlier version
    ("20,0.1,3\r\n40,0.60,0.3,1\r\n", "20,0.1,3\r\n"),  # the row after a torn one
    ("20,0.1,3\r\n\0\0\0\0\0\0\r\n", "20,0.1,3\r\n"),  # a disk without power
    ("20,0.1,3\r\n40,0.2,2\r\n", "20,0.1,3\r\n40,0.2,2\r\n"),
    ("", ""),
])  # fmt: skip
def test_logs_are_cut_back_to_the_checkpoint(tmp_path, text, rest):
    log = write_log(tmp_path, HEADER + text)
    remove_leftovers(tmp_path, 40)
    assert log.read_bytes().decode() == HEADER + rest


@pytest.mark.parametrize("text", ["", "step,aud", "\0\0\0"])
def test_a_log_without_a_whole_header_begins_again(tmp_path, text):
    log = write_log(tmp_path, text)
    remove_leftovers(tmp_path, 40)
    assert not log.exists()
    append_row(log, {"step": 60, "loss": 1 / 3})
    assert log.read_bytes() == b"step,loss\r\n60,0.3333\r\n"


def test_half_files_of_a_killed_process_are_removed(tmp_path):
    for name in (".checkpoint.npz.0123abcd.partial", "checkpoint.npz", ".lock", "notes.partial"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, 0)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "checkpoint.npz", "notes.partial"]


def test_skipped_steps_count_the_steps_before_theirs(tmp_path):
    names = 'a,"b\nc"'
    log = tmp_path / "skipped.csv"
    for step in (38, 39, 40, 41):
        append_row(log, {"step": step, "utterances": names})
    remove_leftovers(tmp_path, 40)
    assert [row for row in log.read_text().splitlines() if row[:2].isdigit()] == ['38,"a,""b', '39,"a,""b']
    before = log.stat().st_mtime_ns
    remove_leftovers(tmp_path, 40)
    assert log.stat().st_mtime_ns == before  # nothing to cut, nothing written


def test_reading_passes_torn_rows(tmp_path):
    log = write_log(tmp_path, f"{HEADER}20,0.1,3\r\n40,0.2,x\r\n40,0.60,0.3,1\r\n60,0.3,1\r\n80,0.4,0.")
    assert read_csv_columns(log) == {"step": [20, 60], "audio_hours": [0.1, 0.3], "loss": [3, 1]}
    assert smoothed_losses(tmp_path) == {"audio_hours": [0.1, 0.3], "loss": [3, 1]}
    write_log(tmp_path, "step,audio_hours,wer\r\n20,0.1,0.5\r\n40,0.", "validation.csv")
    assert read_numbers(tmp_path / "validation.csv") == [{"step": 20, "audio_hours": 0.1, "wer": 0.5}]
    assert plot_learning_curve(tmp_path).stat().st_size > 5000


@pytest.mark.parametrize("text", ["", HEADER, "step", f"{HEADER}20,0.1"])
def test_an_empty_log_has_no_curve(tmp_path, text):
    write_log(tmp_path, text)
    assert smoothed_losses(tmp_path) == {} and plot_learning_curve(tmp_path) is None


# ---------------------------------------------------------------- lock

HOLDER = """
import sys
from pathlib import Path
from kerasrecipes.utils.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), ""):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of the test's folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_says_who_holds_the_lock(tmp_path, holder):
    with (
        pytest.raises(DataError, match=rf"^busy \(held by process {holder.pid} on .+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\)$"),
        exclusive_lock(tmp_path, "busy"),
    ):
        pass
    holder.kill()  # the system releases the lock
    holder.wait()
    with exclusive_lock(tmp_path, "busy"):
        assert json.loads((tmp_path / ".lock.holder").read_text())["pid"] == os.getpid()
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', None])
def test_a_holder_that_cannot_be_read_is_left_out(tmp_path, holder, content):
    path = tmp_path / ".lock.holder"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match="^busy$"), exclusive_lock(tmp_path, "busy"):
        pass


def test_what_a_holder_file_says_is_escaped(tmp_path, holder):
    (tmp_path / ".lock.holder").write_text(json.dumps({"pid": "\x1b[31m", "host": "a\nb", "since": "x" * 1000}))
    with pytest.raises(DataError) as error, exclusive_lock(tmp_path, "busy"):
        pass
    assert "\x1b" not in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300
