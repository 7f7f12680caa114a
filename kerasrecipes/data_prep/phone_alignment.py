"""Phoneme labels for clips with transcripts, by forced alignment with PocketSphinx's bundled US English model.

These labels are machine-made and have not been verified by listeners.
"""

import json
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.audio import load_audio
from kerasrecipes.data.phone_alignments import PhoneLabels, write_labels
from kerasrecipes.data.utterances import Utterance
from kerasrecipes.data_prep.pronunciation import pronunciations
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.utils.journal import read_journal

FRAME_SECONDS = 0.01  # of the aligner
BEAM_WIDTHS = (1e-48, 1e-80, 1e-20)  # tried in this order: a narrow beam can lose the path, a wide one can overflow
FILLERS = ("SIL", "+NSN+", "+SPN+")  # silence and noises of the acoustic model, labeled SIL

_worker: Any = None  # (words, decoder factory) of this process


def align_phones(
    utterances: Sequence[Utterance], root: str | Path, out: str | Path, *, processes: int = 1,
    progress: Callable[[int, int], Any] | None = None,
) -> tuple[int, dict[str, str]]:  # fmt: skip
    """Write the phonemes of every clip with their times. An interrupted run is continued.

    Args:
        utterances: Clips with transcripts.
        root: Folder that the paths in the label file are relative to.
        out: Label file for `kerasrecipes.data.load_phone_alignments`. `.xz` or `.gz` compresses it. Until it is complete, its lines
            are in `OUT.partial`.
        processes: Number of parallel processes. Default 1.
        progress: Called as `progress(clips done, clips in all)`.

    Returns:
        The number of labeled clips, and the reason for each clip that is left out.

    Raises:
        DataError: `out` exists, PocketSphinx, CMUdict or flite is missing, a clip lies outside `root`, or no clip can be
            aligned.
    """
    out, root = Path(out), Path(root)
    if out.exists():
        raise DataError(f"{out} exists: delete it, or write to another file")
    try:
        import pocketsphinx  # noqa: F401
    except ImportError:
        raise DataError('Forced alignment needs PocketSphinx: pip install "kerasrecipes[phones]"') from None
    names = [path_below_root(u.path, root) for u in utterances]
    alphabet = Alphabet()
    texts = [alphabet.normalize(u.text) for u in utterances]
    pronunciations_by_word, by_rule = pronunciations({w for text in texts for w in text.split()})
    out.parent.mkdir(parents=True, exist_ok=True)
    journal = out.with_name(f"{out.name}.partial")
    results = {row["path"]: row for row in read_journal(journal)}
    pending = [i for i, name in enumerate(names) if name not in results]
    with tempfile.TemporaryDirectory() as folder:
        dictionary = Path(folder) / "words.dict"
        dictionary.write_text(sphinx_dictionary(pronunciations_by_word), "utf-8")
        with open(journal, "a", encoding="utf-8") as file:
            jobs = [(names[i], utterances[i].path, texts[i], utterances[i].speaker) for i in pending]
            for count, result in enumerate(run_jobs(jobs, str(dictionary), processes), len(results) + 1):
                file.write(json.dumps(result) + "\n")
                file.flush()
                results[result["path"]] = result
                if progress:
                    progress(count, len(names))
    ordered = [results[name] for name in sorted(set(names))]
    skipped = {r["path"]: r["error"] for r in ordered if "error" in r}
    rows = [
        PhoneLabels(r["path"], r["speaker"], r["seconds"], tuple(map(tuple, r["phones"])))
        for r in ordered
        if "error" not in r
    ]
    if not rows:
        raise DataError(f"No clip can be aligned, for instance {next(iter(skipped.items()), None)}")
    write_labels(out, rows, label_file_header(rows, skipped, by_rule))
    journal.unlink()
    return len(rows), skipped


def path_below_root(path: str, root: Path) -> str:
    """Return a clip's path inside the root, with slashes."""
    try:
        return Path(path).resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise DataError(f"{path} is not in {root}: pass the folder that holds all clips") from None


def sphinx_dictionary(pronunciations_by_word: dict[str, list[tuple[str, ...]]]) -> str:
    """Return Sphinx's dictionary: a line per pronunciation, of which the second is named "word(2)"."""
    return "".join(
        f"{word}{f'({i})' if i > 1 else ''} {' '.join(phones)}\n"
        for word, variants in sorted(pronunciations_by_word.items())
        for i, phones in enumerate(variants, 1)
    )


def run_jobs(jobs: list[tuple], dictionary: str, processes: int) -> Iterator[dict[str, Any]]:
    """Yield the results of the jobs in their order."""
    if processes < 2:
        init_worker(dictionary)
        yield from map(align_clip, jobs)
        return
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=init_worker, initargs=(dictionary,)
    ) as pool:
        yield from pool.map(align_clip, jobs, chunksize=4)


def init_worker(dictionary: str) -> None:
    """Set the dictionary of this process."""
    global _worker
    words = {line.split()[0] for line in Path(dictionary).read_text("utf-8").splitlines()}

    def make_decoder(beam: float) -> Any:
        """Return a new decoder, which takes 20 ms, because a used one's labels depend a little on the clips before."""
        import pocketsphinx

        # bestpath=False: a best path through the word lattice can give words fewer frames than they have states
        return pocketsphinx.Decoder(
            dict=dictionary, lm=None, loglevel="FATAL", bestpath=False, cmn="batch", beam=beam, pbeam=beam, wbeam=beam
        )  # fmt: skip

    _worker = words, make_decoder


def align_clip(job: tuple[str, str, str, str]) -> dict[str, Any]:
    """Return {"path", "speaker", "seconds", "phones": [(phoneme, start)]}, or {"path", "error"}."""
    path, file, text, speaker = job
    words, make_decoder = _worker
    unknown = sorted(set(text.split()) - words)
    if unknown or not text:
        return {"path": path, "error": f"no pronunciation of {', '.join(unknown)}" if unknown else "no words"}
    try:
        wave = load_audio(file)
    except AudioError as error:
        return {"path": path, "error": str(error)}
    samples = (np.clip(wave, -1, 1) * 32767).astype("int16").tobytes()
    for beam in BEAM_WIDTHS:
        segments = sphinx_align(make_decoder(beam), samples, text)
        if segments:
            return {"path": path, "speaker": speaker, "seconds": round(len(wave) / 16000, 3), "phones": segments}
    return {"path": path, "error": "no path through its text: does the text match the audio?"}


def sphinx_align(decoder: Any, samples: bytes, text: str) -> list[tuple[str, float]]:
    """Return phonemes with their starts, or [] if the words or their phonemes have no path."""
    try:
        for phones in (False, True):  # first words with their pauses and pronunciations, then the phonemes in them
            decoder.set_alignment() if phones else decoder.set_align_text(text)
            decoder.start_utt()
            decoder.process_raw(samples, full_utt=True)
            decoder.end_utt()
        entries = [(p.name, p.start) for word in decoder.get_alignment() for p in word]
    except (RuntimeError, TypeError):  # TypeError: there is no alignment
        return []
    phonemes: list[tuple[str, float]] = []
    for name, start in entries:
        name = "SIL" if name in FILLERS else name
        if not (phonemes and name == phonemes[-1][0] == "SIL"):
            phonemes.append((name, round(start * FRAME_SECONDS, 2)))
    spoken = sum(name != "SIL" for name, _ in phonemes)
    times = [t for _, t in phonemes]
    return phonemes if spoken >= len(text.split()) and times == sorted(times) else []


def label_file_header(rows: Sequence[PhoneLabels], skipped: dict[str, str], by_rule: Sequence[str]) -> dict[str, Any]:
    """Return the header of a label file."""
    return {
        "labels": "machine: forced alignment, not verified by listeners",
        "aligner": f"PocketSphinx {version('pocketsphinx')}, its bundled model en-us, frames of {FRAME_SECONDS} s",
        "dictionary": f"cmudict {version('cmudict')} without stress; {len(by_rule)} other words by flite's t2p",
        "clips": len(rows), "hours": round(sum(r.seconds for r in rows) / 3600, 2),
        "left_out": skipped,
    }  # fmt: skip
