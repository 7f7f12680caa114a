"""Temporary folders of exports that were killed, and names that end in a newline."""

import os
import subprocess
import sys
import time
import zipfile

import pytest

from kerasrecipes.errors import ExportError, KerasRecipesError
from kerasrecipes.export import exporter
from kerasrecipes.graph.units import UNIT_PATTERN, UNIT_RANGE_PATTERN
from kerasrecipes.release.publish import publish
from kerasrecipes.utils.partial_folder import make_partial_folder, remove_partial_folders

EXPORTER = """
import sys
from pathlib import Path
from kerasrecipes.utils.partial_folder import make_partial_folder
with make_partial_folder(Path(sys.argv[1])) as partial:
    (partial / "half.onnx").write_bytes(b"half")
    print(partial.name, flush=True)
    sys.stdin.read()
"""


def test_a_killed_export_is_removed_by_the_next_and_a_running_one_is_not(tmp_path):
    start = lambda: subprocess.Popen(  # noqa: E731
        [sys.executable, "-c", EXPORTER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    killed, running = start(), start()
    names = [process.stdout.readline().strip() for process in (killed, running)]
    killed.kill()
    killed.wait()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    with make_partial_folder(tmp_path) as partial:
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([names[1], partial.name])
    assert [p.name for p in tmp_path.iterdir()] == [names[1]] and (tmp_path / names[1] / "half.onnx").exists()
    running.communicate()  # ends by itself
    assert not list(tmp_path.iterdir())


def test_only_folders_that_are_left_over_are_removed(tmp_path):
    for name in (".partial-new", ".partial-old", "partial-mine", "target"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / ".partial-old", (time.time() - 4000,) * 2)  # of a version without a lock
    (tmp_path / ".partial-future").mkdir()
    os.utime(tmp_path / ".partial-future", (time.time() + 4000,) * 2)  # the clock was set back
    (tmp_path / ".partial-file").write_text("a file")
    (tmp_path / ".partial-link").symlink_to(tmp_path / "target")
    (tmp_path / "target" / "precious").touch()
    remove_partial_folders(tmp_path)
    remaining = sorted(p.name for p in tmp_path.iterdir())
    assert remaining == [".partial-file", ".partial-link", ".partial-new", "partial-mine", "target"]
    assert (tmp_path / "target" / "precious").exists()


def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(request, folder):
        (folder / "half.onnx").write_bytes(b"half")
        raise ExportError("failed")

    monkeypatch.setattr(exporter, "run_worker", fail)
    with pytest.raises(ExportError, match="failed"):
        exporter.export("squeezenet", tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot be written .*choose another folder"):
        exporter.export("squeezenet", tmp_path / "file" / "folder")


@pytest.mark.parametrize("repo", ["org/name\n", "org/na me", "org/name/x", "../name", "org/..", "org/n\u00e4me", "\norg/name"])
def test_names_of_repositories_match_whole(repo):
    with pytest.raises(KerasRecipesError, match="write ORG/NAME"):
        publish("squeezenet", repo)


@pytest.mark.parametrize("text", ["conv3:17@all\n", "conv3:17@6,6\n", "conv3:17@6,\n6"])
def test_units_match_whole(text):
    assert not UNIT_PATTERN.fullmatch(text) and not UNIT_RANGE_PATTERN.fullmatch("conv3:0-15@all\n")


CONFIGS = [
    b"",
    b"[1]",
    b"\xff\xfe",
    b"[" * 200_000,
    b'{"config": {"recipe": ["deepspeech2"]}}',
    b'{"config": {"recipe": "../x"}}',
    b" " * 20_000_000 + b'{"config": {"recipe": "squeezenet"}}',
]


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_a_damaged_keras_file_is_an_error_with_its_name(tmp_path, config):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
    with pytest.raises(KerasRecipesError, match=r"m\.keras was not written by|no recipe|recipe named"):
        exporter.recipe_in_keras_file(path)
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x01\x03"))
    with pytest.raises(ExportError, match=r"m\.keras was not written by"):
        exporter.recipe_in_keras_file(path)
