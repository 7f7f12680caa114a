"""Speech synthesized from text by flite, as a data set of its own that a manifest row declares as synthetic.

A synthesizer's voice replaces no speaker. The set adds words and sentences, so voices, pitch and speaking rate vary.
"""

import csv
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.errors import DataError
from kerasrecipes.utils.files import atomic_write

VOICES = ("rms", "slt", "awb", "kal16")
COLUMNS = ("path", "seconds", "speaker", "split", "transcript")
PITCH = {"rms": 95, "slt": 175, "awb": 125, "kal16": 105}  # Hz, about each voice's own


def synthesize_corpus(
    texts: Sequence[str], folder: str | Path, hours: float, *, voices: Sequence[str] = VOICES, seed: int = 0,
    words: tuple[int, int] = (3, 20), program: str = "flite", workers: int | None = None,
    progress: Callable[[float, float], Any] | None = None,
) -> Path:  # fmt: skip
    """Synthesize random texts until the set has `hours` of speech. An interrupted set is continued.

    Args:
        texts: Texts to sample from. Longer texts are cut to a random sequence of words.
        folder: Folder for `clips/*.flac` (16 kHz) and `manifest.tsv`, which `manifest:FOLDER/manifest.tsv` reads.
        hours: Total hours of speech.
        voices: Voices of flite.
        seed: Seed of texts, voices, pitch (+-15 %) and speaking rate (+-20 %). Default 0.
        words: Smallest and largest number of words in a clip. Default (3, 20).
        program: Name or path of flite.
        workers: Number of parallel processes. Default: the number of CPUs.
        progress: Called as `progress(hours done, hours in all)`.

    Returns:
        The path of the table.

    Raises:
        DataError: flite is missing or fails, or no text is long enough.
    """
    if not shutil.which(program):
        raise DataError(f"{program} is not installed; Debian and Ubuntu have it: apt install flite")
    usable = [t.split() for t in texts if len(t.split()) >= words[0]]
    if not usable:
        raise DataError(f"No text has {words[0]} words")
    folder = Path(folder)
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    table = folder / "manifest.tsv"
    is_new = not table.is_file()
    rows = [] if is_new else list(csv.DictReader(table.open(newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    seconds, first = sum(float(row["seconds"]) for row in rows), len(rows)

    def synthesize(number: int) -> dict[str, Any]:
        rng = np.random.default_rng([seed, number])
        text = usable[int(rng.integers(len(usable)))]
        count = int(rng.integers(words[0], min(words[1], len(text)) + 1))
        start = int(rng.integers(len(text) - count + 1))
        sentence = " ".join(text[start : start + count]).lower()
        voice = voices[number % len(voices)]
        path, raw = folder / "clips" / f"{number:06}.flac", folder / "clips" / f"{number:06}.wav"
        settings = {
            "duration_stretch": rng.uniform(0.8, 1.2),
            "int_f0_target_mean": PITCH.get(voice, 120) * rng.uniform(0.85, 1.15),
        }
        options = [w for k, v in settings.items() for w in ("--setf", f"{k}={v:.3f}")]
        command: list[Any] = [program, "-voice", voice, *options, "-t", sentence, "-o", raw]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode or not raw.is_file():
            raise DataError(f"{program} could not say {sentence!r}: {run.stderr.strip() or 'no reason given'}")
        wave = load_audio(raw)
        raw.unlink()
        atomic_write(path, lambda file: soundfile.write(file, wave, SAMPLE_RATE, format="FLAC"))
        values = (f"clips/{path.name}", f"{len(wave) / SAMPLE_RATE:.3f}", f"flite-{voice}", "train", sentence)
        return dict(zip(COLUMNS, values, strict=True))

    size = 4 * (workers or os.cpu_count() or 1)
    with table.open("a", newline="") as file, ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
        if is_new:
            writer.writeheader()
        while seconds < 3600 * hours:
            for row in pool.map(synthesize, range(first, first + size)):
                writer.writerow(row)
                seconds += float(row["seconds"])
            file.flush()
            first += size
            if progress:
                progress(seconds / 3600, hours)
    return table
