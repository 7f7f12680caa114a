"""Speech synthesized from text, as a data set of its own whose speakers' names say that it is synthetic.

A synthesizer's voice replaces no speaker. The set adds words and sentences, so voices, pitch and speaking rate vary.
"""

import csv
import hashlib
import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.data.audio_cache import ordered_map
from kerasrecipes.data_prep.voices import VOICES, Synthesizer, Voice
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.utils.audio_encoding import encode_audio
from kerasrecipes.utils.environment import available_cpus
from kerasrecipes.utils.files import atomic_write
from kerasrecipes.utils.journal import Journal
from kerasrecipes.utils.locks import exclusive_lock

COLUMNS = ("path", "seconds", "speaker", "split", "transcript")
MAX_FAILURES = 10  # in a row, after which the synthesizer is broken

_voice: Any = None  # of this worker process


class SynthesisJob(NamedTuple):
    """One clip to synthesize, with the random numbers that choose its voice."""

    number: int
    sentence: str
    rng: np.random.Generator


def synthesize_corpus(
    texts: Sequence[str], folder: str | Path, hours: float, *, voices: str = "flite", seed: int = 0,
    words: tuple[int, int] = (3, 20), workers: int | None = None, progress: Callable[[float, float], Any] | None = None, **options: Any,
) -> Path:  # fmt: skip
    """Synthesize random texts until the set has `hours` of speech. An interrupted set is continued.

    A clip depends on the texts, the seed and its number alone, not on the number of workers or on interruptions.

    Args:
        texts: Texts to sample from. Longer texts are cut to a random sequence of words.
        folder: Folder for `clips/*.flac` (16 kHz), `manifest.tsv`, which `manifest:FOLDER/manifest.tsv` reads, and the journal
            `synthesis.jsonl`. The speaker column names the synthesizer and the voice, for instance "hibari-000123".
        hours: Total hours of speech.
        voices: Name of a synthesizer in `kerasrecipes.data_prep.voices.VOICES`: "flite", "hibari" or "kokoro".
        seed: Seed of texts and voices. Default 0.
        words: Smallest and largest number of words in a clip. Default (3, 20).
        workers: Number of parallel processes. Default: the number of CPUs.
        progress: Called as `progress(hours done, hours in all)`.
        **options: Options of the synthesizer: `names` and `program` of flite, `voice_folder` of kokoro.

    Returns:
        The path of the table.

    Raises:
        DataError: The synthesizer is missing or fails again and again, no text is long enough, or the folder holds another set.
    """
    if voices not in VOICES:
        raise DataError(f"There is no synthesizer {voices!r}; there are {', '.join(VOICES)}")
    usable = [text for text in texts if len(text.split()) >= words[0]]
    if not usable:
        raise DataError(f"No text has {words[0]} words")
    folder = Path(folder)
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    workers = workers or available_cpus()
    message = f"Another process synthesizes into {folder}: wait for it, or choose another folder"
    settings = {"voices": voices, "seed": seed, "words": words, "texts": hash_texts(usable)}
    with exclusive_lock(folder, message), Journal(folder / "synthesis.jsonl", settings) as journal:
        if not journal.rows and (folder / "manifest.tsv").is_file():
            journal.append(read_manifest_rows(folder / "manifest.tsv"))
        seconds = sum(row.get("seconds", 0.0) for row in journal.rows)
        first = 1 + max((row["number"] for row in journal.rows), default=-1)
        clips = run_jobs(VOICES[voices], options, sample_jobs(usable, seed, words, first), workers)
        failures = 0
        try:
            while seconds < 3600 * hours:
                row, content = next(clips)
                failures = failures + 1 if "error" in row else 0
                if failures == MAX_FAILURES:
                    raise DataError(row["error"])
                if content:
                    atomic_write(folder / clip_path(row["number"]), content)
                journal.append([row])
                seconds += row.get("seconds", 0.0)
                if progress:
                    progress(seconds / 3600, hours)
        finally:
            clips.close()
            table = write_manifest(journal.rows, folder / "manifest.tsv")
    return table


def hash_texts(texts: Sequence[str]) -> str:
    """Return a hash of the texts in their order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()[:16]


def clip_path(number: int) -> str:
    """Return the path of a clip in its set."""
    return f"clips/{number:06}.flac"


def sample_jobs(texts: Sequence[str], seed: int, words: tuple[int, int], first: int) -> Iterator[SynthesisJob]:
    """Yield the clips from number `first` on. The random numbers that are left choose the voice."""
    for number in itertools.count(first):
        rng = np.random.default_rng([seed, number])
        text = texts[int(rng.integers(len(texts)))].split()
        count = int(rng.integers(words[0], min(words[1], len(text)) + 1))
        start = int(rng.integers(len(text) - count + 1))
        yield SynthesisJob(number, " ".join(text[start : start + count]).lower(), rng)


def run_jobs(
    synthesizer: Synthesizer, options: dict[str, Any], jobs: Iterator[SynthesisJob], workers: int
) -> Generator[tuple[dict[str, Any], bytes], None, None]:
    """Yield the results of the jobs in their order."""
    if workers < 2:
        voice = synthesizer.make(**options)
        yield from (synthesize_clip(voice, job) for job in jobs)
        return
    synthesizer.make(**options)  # its errors are clear here
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=init_worker, initargs=(synthesizer, options)
    )
    try:
        yield from ordered_map(pool, run_job, jobs, ahead=4 * workers)
    finally:
        pool.shutdown(cancel_futures=True)


def init_worker(synthesizer: Synthesizer, options: dict[str, Any]) -> None:
    """Load the synthesizer of this process, and end the process with its parent even if the parent is killed."""
    global _voice
    threading.Thread(target=exit_with_parent, daemon=True).start()
    _voice = synthesizer.make(**options)


def exit_with_parent() -> None:
    """Wait for the end of the parent process and end this one."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def run_job(job: SynthesisJob) -> tuple[dict[str, Any], bytes]:
    return synthesize_clip(_voice, job)


def synthesize_clip(voice: Voice, job: SynthesisJob) -> tuple[dict[str, Any], bytes]:
    """Return the row of the journal and the FLAC file of a clip, or a row with "error" if the sentence cannot be spoken."""
    try:
        clip = voice.speak(job.sentence, job.number, job.rng)
        wave = load_audio(clip.samples, sample_rate=clip.sample_rate)
    except (AudioError, DataError) as error:
        return {"number": job.number, "error": str(error)}, b""
    content = encode_audio(wave, SAMPLE_RATE, "FLAC")
    seconds = round(len(wave) / SAMPLE_RATE, 3)
    return {
        "number": job.number,
        "seconds": seconds,
        "speaker": clip.speaker,
        "transcript": job.sentence,
    }, content


def read_manifest_rows(table: Path) -> list[dict[str, Any]]:
    """Return the journal's rows of a set that has none yet."""
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        {
            "number": int(Path(row["path"]).stem), "seconds": float(row["seconds"]), "speaker": row["speaker"],
            "transcript": row["transcript"],
        }
        for row in rows
    ]  # fmt: skip


def write_manifest(rows: Sequence[dict[str, Any]], table: Path) -> Path:
    """Write the table of the clips in a journal."""
    lines = [
        f"{clip_path(row['number'])}\t{row['seconds']:.3f}\t{row['speaker']}\ttrain\t{row['transcript']}"
        for row in rows
        if "error" not in row
    ]
    return atomic_write(table, "\n".join(["\t".join(COLUMNS), *lines, ""]))
