"""Synthetic speech from text by flite, as a data set of its own that a manifest row declares as synthetic.

A synthesiser's voice is no speaker: what helps is its many words and sentences, so voices, pitch and pace vary.
"""

import csv
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.errors import DataError

VOICES = ("rms", "slt", "awb", "kal16")
COLUMNS = ("path", "seconds", "speaker", "split", "transcript")
PITCH = {"rms": 95, "slt": 175, "awb": 125, "kal16": 105}  # Hz, about each voice's own


def synthesize_corpus(
    texts: Sequence[str], folder: str | Path, hours: float, *, voices: Sequence[str] = VOICES, seed: int = 0,
    words: tuple[int, int] = (3, 20), program: str = "flite", workers: int | None = None, progress: Any = None,
) -> Path:  # fmt: skip
    """Speak random texts until there are so many hours; a set that already lies in `folder` is gone on with.

    Args:
        texts: to draw from; longer ones are cut to a random run of words.
        folder: gets `clips/*.flac` (16 kHz) and `manifest.tsv`, which `manifest:FOLDER/manifest.tsv` reads.
        hours: of speech in all. voices: of flite. seed: of texts, voices, pitch (+-15 %) and pace (+-20 %).
        words: fewest and most in a clip. program: flite's name or path. workers: at once; default: cores.
        progress: called with the hours so far.

    Returns:
        The table's path.

    Raises:
        DataError: flite is missing or fails; no text is long enough.
    """
    if not shutil.which(program):
        raise DataError(f"{program} is not installed; Debian and Ubuntu have it: apt install flite")
    usable = [t.split() for t in texts if len(t.split()) >= words[0]]
    if not usable:
        raise DataError(f"No text has {words[0]} words")
    folder = Path(folder)
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    table = folder / "manifest.tsv"
    begun = table.is_file()
    done = list(csv.DictReader(table.open(newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)) if begun else []
    seconds, first = sum(float(row["seconds"]) for row in done), len(done)

    def speak(number: int) -> dict[str, Any]:
        rng = np.random.default_rng([seed, number])
        text = usable[int(rng.integers(len(usable)))]
        count = int(rng.integers(words[0], min(words[1], len(text)) + 1))
        start = int(rng.integers(len(text) - count + 1))
        said = " ".join(text[start : start + count]).lower()
        voice = voices[number % len(voices)]
        path, raw = folder / "clips" / f"{number:06}.flac", folder / "clips" / f"{number:06}.wav"
        settings = {
            "duration_stretch": rng.uniform(0.8, 1.2),
            "int_f0_target_mean": PITCH.get(voice, 120) * rng.uniform(0.85, 1.15),
        }
        options = [w for k, v in settings.items() for w in ("--setf", f"{k}={v:.3f}")]
        run = subprocess.run(
            [program, "-voice", voice, *options, "-t", said, "-o", raw], capture_output=True, text=True
        )
        if run.returncode or not raw.is_file():
            raise DataError(f"{program} could not say {said!r}: {run.stderr.strip() or 'no reason given'}")
        wave = load_audio(raw)
        raw.unlink()
        partial = path.with_suffix(".partial")
        soundfile.write(partial, wave, SAMPLE_RATE, format="FLAC")
        os.replace(partial, path)
        values = (f"clips/{path.name}", f"{len(wave) / SAMPLE_RATE:.3f}", f"flite-{voice}", "train", said)
        return dict(zip(COLUMNS, values, strict=True))

    size = 4 * (workers or os.cpu_count() or 1)
    with table.open("a", newline="") as file, ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
        if not begun:
            writer.writeheader()
        while seconds < 3600 * hours:
            for row in pool.map(speak, range(first, first + size)):
                writer.writerow(row)
                seconds += float(row["seconds"])
            file.flush()
            first += size
            if progress:
                progress(seconds / 3600)
    return table
