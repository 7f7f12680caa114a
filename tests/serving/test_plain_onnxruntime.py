"""The guide's program for onnxruntime alone gives the text of the package."""

import re
import subprocess
import sys

import numpy as np
import soundfile
from paths import ROOT

import kerasrecipes as kr


def test_the_guides_program_needs_nothing_of_the_package(tmp_path):
    guide = (ROOT / "docs" / "guides" / "serving.md").read_text("utf-8")
    program = re.search(r"```python\n(.*?)```", guide, re.DOTALL).group(1)
    assert "kerasrecipes" not in program.replace('"kerasrecipes"', "")
    clip = next((ROOT / "tests" / "fixtures" / "LibriSpeech").rglob("*.mp3"))
    soundfile.write(tmp_path / "clip.wav", np.round(kr.load_audio(clip) * 32767).astype("int16"), 16000)
    (tmp_path / "wav2letter_small.onnx").symlink_to(ROOT / "weights" / "wav2letter_small.onnx")
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    model = kr.load("wav2letter_small", engine="onnxruntime")
    assert result.stdout.split() == model.transcribe(tmp_path / "clip.wav", decoder="greedy").text.split()
