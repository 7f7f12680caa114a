"""Clips of prompted phrases from a microphone, as a table that `manifest:` reads."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.data.tables import read_rows
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.results import AudioClip
from kerasrecipes.utils.files import atomic_write

COLUMNS = ("path", "transcript", "speaker", "seconds")
MIN_LEVEL, LEVEL_RATIO, MAX_NOISE = 0.004, 4.0, 0.02  # speech is above MIN_LEVEL of full scale and LEVEL_RATIO times the noise
NOISE_SECONDS = 0.3  # at the begin of a clip, before anybody speaks
PAUSE_SECONDS = 0.8  # a pause this long ends a clip
MARGIN_SECONDS = 0.3  # of audio around the speech
MIN_SPEECH_SECONDS = 0.15  # shorter noises are clicks
WAIT_SECONDS, MAX_SECONDS = 8.0, 10.0
MAX_TRIES = 3


def record_phrases(
    blocks: Iterable[Any], phrases: Sequence[str], table: str | Path, *, repeats: int = 3, speaker: str = "speaker",
    report: Callable[[str], Any] = print,
) -> Path:  # fmt: skip
    """Prompt each phrase several times, record it, and write clips and their table.

    A clip begins shortly before the speech and ends after a pause of 0.8 s. Each clip is in the table as soon as it is spoken,
    so that a repeated call continues: phrases that the speaker has recorded often enough are not prompted again.

    Args:
        blocks: Blocks of samples at 16 kHz, as of a microphone.
        phrases: Phrases to prompt.
        table: Table to write, .tsv. Clips are written into a folder beside it, NAME_clips.
        repeats: Number of clips of each phrase. Default 3.
        speaker: Name of the speaker in the table.
        report: Called with each prompt and each result. Default: `print`.

    Returns:
        The table.

    Raises:
        DataError: There are no phrases, a phrase or the speaker has a tab or line break, or the table has other columns.
        AudioError: The microphone is silent, or its audio ends.
    """
    table = Path(table)
    phrases = [" ".join(phrase.split()) for phrase in phrases if phrase.strip()]
    if not phrases or repeats < 1:
        raise DataError("There is nothing to record: write one phrase a line, and repeats of 1 or more")
    if not speaker.strip() or any(c in speaker for c in "\t\r\n"):
        raise DataError(f"The speaker {speaker!r} is no name: write a word without tabs and line breaks")
    rows = read_recorded_rows(table)
    counts = Counter((row["transcript"], row["speaker"]) for row in rows)
    prompts = [phrase for take in range(repeats) for phrase in phrases if counts[phrase, speaker] <= take]
    audio = iter(blocks)
    for number, phrase in enumerate(prompts, 1):
        wave = record_clip(audio, f"{number} of {len(prompts)}  say: {phrase}", report)
        path = free_clip_path(table, len(rows) + 1)
        AudioClip(wave, SAMPLE_RATE).save(table.parent / path)
        rows.append(dict(zip(COLUMNS, (path.as_posix(), phrase, speaker, f"{len(wave) / SAMPLE_RATE:.3f}"), strict=True)))
        atomic_write(table, "".join("\t".join(cells) + "\n" for cells in [COLUMNS, *([r[c] for c in COLUMNS] for r in rows)]))
    report(f"{len(prompts)} clips recorded, {len(rows)} in {table}")
    return table


def free_clip_path(table: Path, number: int) -> Path:
    """Return the path of a clip that does not exist, relative to the table."""
    while (table.parent / (path := Path(f"{table.stem}_clips") / f"{number:04}.wav")).exists():
        number += 1
    return path


def read_recorded_rows(table: Path) -> list[dict[str, str]]:
    """Return the rows of an earlier recording, none if there is no table.

    Raises:
        DataError: The table was not written by `record_phrases`.
    """
    if not table.exists():
        return []
    rows = read_rows(table)
    if any(tuple(row) != COLUMNS for row in rows):
        raise DataError(f"{table} is no table of recorded clips, whose columns are {', '.join(COLUMNS)}: pass another name")
    return [{name: str(value) for name, value in row.items()} for row in rows]


def record_clip(blocks: Iterator[Any], prompt: str, report: Callable[[str], Any]) -> np.ndarray:
    """Prompt until somebody speaks, at most three times, and return the clip, (samples,) float32.

    Raises:
        AudioError: Nothing was heard three times, or the audio ended.
    """
    for _ in range(MAX_TRIES):
        report(prompt)
        wave = cut_speech(blocks)
        if wave is not None:
            loud = np.abs(wave).max() > 0.999
            report(f"   {len(wave) / SAMPLE_RATE:.1f} s{', overdriven: speak lower or lower the level' if loud else ''}")
            return wave
        report("   nothing was heard")
    raise AudioError("The microphone is silent: check its level and whether this program may use it")


def cut_speech(blocks: Iterator[Any]) -> np.ndarray | None:
    """Return the speech of the next blocks up to a pause, None if nobody speaks.

    Raises:
        AudioError: The audio ended.
    """
    parts: list[np.ndarray] = []
    first = last = -1  # samples: begin and end of the speech
    samples, loud_samples, noise = 0, 0, 1.0
    while True:
        try:
            block = np.asarray(next(blocks), "float32")
        except StopIteration:
            raise AudioError("The audio of the microphone ended: repeat the command to go on") from None
        level = float(np.sqrt(np.mean(block**2))) if len(block) else 0.0
        parts.append(block)
        samples += len(block)
        if samples <= NOISE_SECONDS * SAMPLE_RATE:
            noise = min(noise, level)
        is_loud = level > max(MIN_LEVEL, LEVEL_RATIO * min(noise, MAX_NOISE))
        if is_loud:
            first, last = (samples - len(block) if first < 0 else first), samples
            loud_samples += len(block)
        if first >= 0 and samples - last >= PAUSE_SECONDS * SAMPLE_RATE:
            if loud_samples >= MIN_SPEECH_SECONDS * SAMPLE_RATE:
                break
            first, loud_samples = -1, 0  # a click
        if first < 0 and samples >= WAIT_SECONDS * SAMPLE_RATE:
            return None
        if first >= 0 and samples - first >= MAX_SECONDS * SAMPLE_RATE:
            break
    margin = round(MARGIN_SECONDS * SAMPLE_RATE)
    return np.concatenate(parts)[max(first - margin, 0) : last + margin]
