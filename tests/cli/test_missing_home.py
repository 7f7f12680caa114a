"""Home folders that are missing or cannot be written: caches lie in the temporary folder, and nothing else notices."""

import os
import stat
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import soundfile

from kerasrecipes.data.audio_cache import AudioCache
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.utils.writable_cache import make_cache_folder

HOMES = ("a file", "missing", "read-only")


@pytest.fixture
def home(request, tmp_path, monkeypatch):
    """A home folder in which nothing can be created, and a temporary folder of its own."""
    (tmp_path / "file").write_text("")
    (tmp_path / "locked" / ".cache" / "kerasrecipes" / "audio").mkdir(parents=True, mode=0o700)
    folder = {"a file": tmp_path / "file", "missing": tmp_path / "file" / "x", "read-only": tmp_path / "locked"}
    for name in ("KERASRECIPES_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder[request.param]))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    if request.param == "read-only":  # root may write everywhere
        monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(folder[request.param])))
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="other systems find their cache folders without HOME")
@pytest.mark.parametrize("home", HOMES, indirect=True)
def test_clips_are_decoded_into_the_temporary_folder(home):
    soundfile.write(home / "a.wav", np.full(1600, 0.5), 16000)
    with pytest.warns(UserWarning, match="set KERASRECIPES_CACHE"):
        cache = AudioCache([str(home / "a.wav")])
    assert cache.lengths().tolist() == [[1600]]
    (folder,) = (home / "tmp").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and [p.suffix for p in folder.rglob("*.*")] == [".clips"]


@pytest.mark.parametrize("home", ["a file"], indirect=True)
def test_a_cache_that_was_chosen_is_never_replaced(home, monkeypatch):
    monkeypatch.setenv("KERASRECIPES_CACHE", str(home / "file" / "x"))
    with pytest.raises(KerasRecipesError, match="set KERASRECIPES_CACHE"):
        make_cache_folder("audio")
    monkeypatch.setenv("KERASRECIPES_CACHE", str(home / "mine"))
    assert make_cache_folder("audio") == home / "mine" / "audio"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows finds the home folder elsewhere")
@pytest.mark.parametrize("value", [None, "/dev/null/x", ""])
def test_commands_need_no_home(value, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "KERASRECIPES_CACHE", "XDG_CACHE_HOME")}
    code = "import sys; from kerasrecipes.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "list", "deepspeech2*"], capture_output=True, text=True,
        env=environment | ({} if value is None else {"HOME": value}),
    )  # fmt: skip
    assert done.returncode == 0 and "deepspeech2_small" in done.stdout and not done.stderr
