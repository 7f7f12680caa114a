"""The check of a small set of clips, and its split into clips for training and held-out clips, by speakers where there are several."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.errors import DataError
from kerasrecipes.utils.files import atomic_write

HELD_OUT_SHARE = 0.2
MIN_CLIPS = 4
UNKNOWN_SPEAKERS = ("", "unknown")
PLAUSIBLE_SECONDS = (0.3, 25.0)
MAX_CHARS_PER_SECOND = 25.0
MIN_PEAK, CLIPPED_PEAK, CLIPPED_SHARE = 0.005, 0.999, 0.005  # full scale is 1
MAX_REASONS = 20


def find_doubtful_clips(utterances: Iterable[Utterance]) -> Iterator[tuple[str, str]]:
    """Yield (clip, reason) of clips that look wrong: very short, long, quiet or overdriven ones, and too fast speech.

    Unlike `data summary`, slow speech and repeated texts are fine: commands are short and are recorded several times. At most 20
    clips are named.
    """
    count = 0
    for u in utterances:
        wave = load_audio(u.path)
        seconds, peak = len(wave) / SAMPLE_RATE, float(np.abs(wave).max(initial=0.0))
        if not PLAUSIBLE_SECONDS[0] <= seconds <= PLAUSIBLE_SECONDS[1]:
            reason = f"it is {seconds:.2f} s long"
        elif len(u.text) > MAX_CHARS_PER_SECOND * seconds:
            reason = f"{len(u.text) / seconds:.0f} characters in a second: does {u.text[:40]!r} match the audio?"
        elif peak < MIN_PEAK:
            reason = "it is almost silent"
        elif np.mean(np.abs(wave) >= CLIPPED_PEAK) > CLIPPED_SHARE:
            reason = "it is overdriven: lower the level of the microphone"
        else:
            continue
        count += 1
        if count > MAX_REASONS:
            return
        yield u.id, reason


def split_clips(utterances: Utterances, seed: int = 1) -> tuple[Utterances, Utterances]:
    """Split clips into those for training and about a fifth of held-out ones.

    With two or more speakers, whole speakers are held out, so that the held-out clips measure new voices. With one speaker, or
    clips without speakers, some clips of each transcript are held out.

    Args:
        utterances: At least 4 clips.
        seed: Seed of the choice. Default 1.

    Returns:
        Clips for training, and held-out clips.

    Raises:
        DataError: There are too few clips.
    """
    if len(utterances) < MIN_CLIPS:
        raise DataError(
            f"{len(utterances)} clips are too few to train and to measure: record at least {MIN_CLIPS}, better 5 of each phrase"
        )
    speakers = sorted({u.speaker for u in utterances} - set(UNKNOWN_SPEAKERS))
    held_out = hold_out_speakers(utterances, speakers, seed) if len(speakers) > 1 else hold_out_takes(utterances, seed)
    train = [u for u, is_out in zip(utterances, held_out, strict=True) if not is_out]
    return Utterances(train), Utterances(u for u, is_out in zip(utterances, held_out, strict=True) if is_out)


def hold_out_speakers(utterances: Utterances, speakers: Sequence[str], seed: int) -> list[bool]:
    """Return which clips are held out: those of enough speakers for a fifth of the clips, but never of most clips."""
    counts = {name: sum(u.speaker == name for u in utterances) for name in speakers}
    selected: set[str] = set()
    for name in np.random.default_rng(seed).permutation(speakers):
        size = sum(counts[s] for s in selected)
        if size < HELD_OUT_SHARE * len(utterances) and size + counts[name] <= len(utterances) / 2:
            selected.add(str(name))
    if not selected:  # one speaker has most of the clips
        selected = {min(speakers, key=lambda name: (counts[name], name))}
    return [u.speaker in selected for u in utterances]


def hold_out_takes(utterances: Utterances, seed: int) -> list[bool]:
    """Return which clips are held out: a fifth, spread over the transcripts, of which each keeps a clip for training if it can."""
    order = np.random.default_rng(seed).permutation(len(utterances)).tolist()
    takes: dict[str, list[int]] = defaultdict(list)
    for index in order:
        takes[utterances[index].text].append(index)
    rounds = max(map(len, takes.values()))
    candidates = [clips[n] for n in range(1, rounds) for clips in takes.values() if n < len(clips)] or order
    count = min(max(round(HELD_OUT_SHARE * len(utterances)), 1), len(candidates))
    held_out = set(candidates[:count])
    return [index in held_out for index in range(len(utterances))]


def write_clip_table(path: Path, utterances: Utterances) -> Path:
    """Write a table that `manifest:` reads, with absolute paths.

    Raises:
        DataError: A clip is no file of its own, as in shards, or its path or transcript has a tab or a line break.
    """

    def cells(u: Utterance) -> str:
        values = (str(Path(u.path).resolve()), u.text, u.speaker, f"{u.seconds:.3f}")
        if not Path(u.path).is_file():
            raise DataError(f"{u.id} is no audio file of its own: pass a manifest, a folder or another set of files")
        if any(c in value for value in values for c in "\t\r\n"):
            raise DataError(f"The path or the transcript of {json.dumps(u.id)} has a tab or a line break: remove it")
        return "\t".join(values)

    rows = ["path\ttranscript\tspeaker\tseconds", *map(cells, utterances)]
    return atomic_write(path, "\n".join(rows) + "\n")
