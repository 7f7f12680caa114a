"""Files that only ffmpeg writes, made for a test."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile

SAMPLE_RATE = 16000


def speech_like(seconds, seed=0):
    """Return tone bursts of a rising pitch in faint noise: silence at first, so that bit rates vary."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = 0.3 * np.sin(2 * np.pi * (200 + 60 * t) * t) * (np.sin(3 * t) > 0) * (t > 0.4)
    return (wave + 0.002 * np.random.default_rng(seed).standard_normal(len(t)) * (t > 0.4)).astype("float32")


def make_file(folder, name, *options, wave=None, pipe=False):
    """Write a wave with ffmpeg and return its path. Skips the test if ffmpeg or its encoder is missing.

    Args:
        folder: Folder of the file.
        name: Its name, whose extension chooses the format.
        *options: Options of ffmpeg before the file's name.
        wave: Samples at 16 kHz. Default: 6 s of `speech_like`.
        pipe: Write into a pipe, where ffmpeg cannot go back and complete the header.
    """
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    soundfile.write(folder / "input.wav", speech_like(6) if wave is None else wave, SAMPLE_RATE)
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(folder / "input.wav"), *options]
    result = subprocess.run([*command, "-" if pipe else str(folder / name)], capture_output=True)
    if b"Unknown encoder" in result.stderr:
        pytest.skip(result.stderr.decode().strip())
    assert result.returncode == 0, result.stderr
    if pipe:
        (folder / name).write_bytes(result.stdout)
    return folder / name
