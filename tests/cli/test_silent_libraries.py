"""Messages of KenLM and of backends, which C++ writes to standard error, do not reach the screen."""

import os
import subprocess
import sys

import pytest
from paths import ROOT

from kerasrecipes import _lazy

CLIP = ROOT / "kerasrecipes" / "assets" / "demo.mp3"
ARPA = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1.0\t<unk>
-1.0\t<s>\t-0.3
-1.0\t</s>
-0.5\tit\t-0.2

\\2-grams:
-0.3\t<s> it
-0.2\tit </s>

\\end\\
"""


def run(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "kerasrecipes", *map(str, arguments)], capture_output=True, text=True, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


@pytest.mark.parametrize("decoder", ["beam", "lexicon"])
def test_kenlm_prints_nothing(tmp_path, decoder):
    pytest.importorskip({"beam": "ctc_beam_decoder", "lexicon": "kenlm"}[decoder])
    (tmp_path / "it.arpa").write_text(ARPA)
    result = run("transcribe", CLIP, "--decoder", decoder, "--language-model", "it.arpa", "--beam-size", 5, cwd=tmp_path)
    assert result.returncode == 0 and "it" in result.stdout and result.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [
    ("transcribe", CLIP, "--engine", "keras"), ("visualize", "convnetjs_mnist", "--method", "table"), ("doctor", "--backend"),
])  # fmt: skip
def test_tensorflow_prints_nothing(tmp_path, arguments):
    result = run(*arguments, cwd=tmp_path, KERAS_BACKEND="tensorflow")
    assert result.returncode == 0 and result.stdout and result.stderr == ""


def test_only_the_command_line_is_silent(capfd, monkeypatch):
    monkeypatch.setattr(_lazy, "quiet_backend", True)
    with _lazy.silent_libraries():
        os.write(2, b"noise\n")
    os.write(2, b"after\n")
    monkeypatch.setattr(_lazy, "quiet_backend", False)
    with _lazy.silent_libraries():
        os.write(2, b"told\n")
    assert capfd.readouterr().err == "after\ntold\n"


def test_an_error_ends_the_silence(capfd, monkeypatch):
    monkeypatch.setattr(_lazy, "quiet_backend", True)
    with pytest.raises(ValueError, match="broken"), _lazy.silent_libraries():
        raise ValueError("broken")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_warnings_are_lines_without_a_place_in_the_code(tmp_path):
    (tmp_path / "a.mp3").symlink_to(CLIP)
    (tmp_path / "gone.mp3").symlink_to("nowhere")
    result = run("transcribe", ".", "--decoder", "greedy", cwd=tmp_path)
    assert result.returncode == 0 and result.stdout
    assert result.stderr == "warning: .: 1 skipped: 1 broken link: repair or remove it (gone.mp3)\n"
