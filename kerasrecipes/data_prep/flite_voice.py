"""The voices of flite, with random pitch and speaking rate."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.data_prep.voices import SpeechClip
from kerasrecipes.errors import DataError

NAMES = ("rms", "slt", "awb", "kal16")
PITCH_HZ = {"rms": 95, "slt": 175, "awb": 125, "kal16": 105}  # about each voice's own
DEFAULT_PITCH_HZ = 120


class FliteVoice:
    """Speaks through the program flite. The pitch varies by 15 %, the rate by 20 %.

    Args:
        names: Voices, which take turns. Default: the four 16 kHz voices that come with flite.
        program: Name or path of flite.

    Raises:
        DataError: flite is not installed.
    """

    def __init__(self, names: Sequence[str] = NAMES, program: str = "flite"):
        if not shutil.which(program):
            raise DataError(f"{program} is not installed; Debian and Ubuntu have it: apt install flite")
        self.names, self.program = tuple(names), program

    def speak(self, sentence: str, number: int, rng: np.random.Generator) -> SpeechClip:
        """Speak a sentence with voice `number` of the list, counted in turns."""
        name = self.names[number % len(self.names)]
        settings = {
            "duration_stretch": rng.uniform(0.8, 1.2),
            "int_f0_target_mean": PITCH_HZ.get(name, DEFAULT_PITCH_HZ) * rng.uniform(0.85, 1.15),
        }
        options = [word for k, v in settings.items() for word in ("--setf", f"{k}={v:.3f}")]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            command: list[Any] = [self.program, "-voice", name, *options, "-t", sentence, "-o", path]
            run = subprocess.run(command, capture_output=True, text=True)
            if run.returncode or not path.is_file():
                reason = run.stderr.strip() or "no reason given"
                raise DataError(f"{self.program} could not say {sentence!r}: {reason}")
            return SpeechClip(load_audio(path), SAMPLE_RATE, f"flite-{name}")
