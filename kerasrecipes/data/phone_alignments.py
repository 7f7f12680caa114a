"""Clips with time-aligned phonemes, and the label files that hold them."""

import gzip
import json
import lzma
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from kerasrecipes.audio import audio_duration
from kerasrecipes.data.utterances import Utterance, Utterances, check_utterances
from kerasrecipes.decoding.phoneme_set import SILENCES
from kerasrecipes.errors import AudioError, DataError, reader
from kerasrecipes.utils.escaping import escape_controls
from kerasrecipes.utils.files import atomic_write
from kerasrecipes.utils.text_files import read_lines

TOLERANCE = 0.05  # seconds between the ends of labels and audio: lossy codecs pad by some 30 ms
HEADER_PREFIX, COLUMNS = "# phones ", "path\tspeaker\tseconds\tphones"


@dataclass(frozen=True)
class PhoneLabels:
    """One line of a label file: `phones` holds pairs (phoneme, start in seconds), and the last one ends at `seconds`."""

    path: str
    speaker: str
    seconds: float
    phones: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class AlignedUtterance(Utterance):
    """A clip with its phonemes: `phones` holds pairs (phoneme, start in seconds), and the last one ends at `seconds`.

    `text` is the phonemes without silences, separated by spaces.
    """

    phones: tuple[tuple[str, float], ...] = ()

    @property
    def boundaries(self) -> list[float]:
        """Seconds at which a phoneme other than silence begins or ends."""
        ends = [*(start for _, start in self.phones[1:]), self.seconds]
        spoken = [(a, b) for (p, a), b in zip(self.phones, ends, strict=True) if p not in SILENCES]
        return sorted({time for pair in spoken for time in pair})


def phones_to_text(phones: Iterable[tuple[str, float]]) -> str:
    """Return phonemes without silences, separated by spaces."""
    return " ".join(phone for phone, _ in phones if phone not in SILENCES)


@reader(DataError)
def load_phone_alignments(
    labels: str | Path, audio: str | Path, *, speakers: Iterable[str] = (), quiet: bool = False
) -> Utterances:
    """Load clips with aligned phonemes. Clips whose labels end more than 50 ms before or after their audio are left out.

    Args:
        labels: Label file that `kerasrecipes data align-phones` wrote.
        audio: Folder that the label file's paths are relative to.
        speakers: Read only these speakers. Default: all.
        quiet: True to print no names of clips that are left out.

    Returns:
        Clips of type `AlignedUtterance`.

    Raises:
        DataError: The file cannot be read, a clip is missing, or no clip remains.

    Example:
        >>> train = load_phone_alignments("train-clean-100.tsv.xz", "LibriSpeech/train-clean-100")
    """
    _, rows = read_labels(labels)
    root, selected = Path(audio), {str(s) for s in speakers}
    utterances = check_utterances(
        AlignedUtterance(
            Path(r.path).stem, str(root / r.path), phones_to_text(r.phones), r.speaker, r.seconds, root.name, r.phones
        )
        for r in rows
        if not selected or r.speaker in selected
    )
    return drop_misaligned(utterances, quiet)


def alignments_from_lists(paths: Sequence[Any], labels: Sequence[Sequence[tuple[str, float]]]) -> Utterances:
    """Make clips from a list of files and a list of their phonemes, pairs (phoneme, start in seconds) each.

    Raises:
        DataError: The lists have unequal lengths, or a clip has no phonemes or starts that do not rise.
    """
    if len(paths) != len(labels):
        raise DataError(f"{len(paths)} files, but phonemes of {len(labels)}")
    for path, pairs in zip(paths, labels, strict=True):
        starts = [p[1] for p in pairs if isinstance(p, tuple | list) and len(p) == 2 and not isinstance(p[1], str)]
        if not starts or len(starts) != len(pairs) or starts != sorted(starts) or starts[0] < 0:
            raise DataError(f"{path}: pass pairs (phoneme, start in seconds) whose starts rise, not {pairs!r:.60}")
    return drop_misaligned(check_utterances(
        AlignedUtterance(
            Path(p).name, str(p), phones_to_text(pairs), "", audio_duration(p), "list", tuple((phone, start) for phone, start in pairs)
        )
        for p, pairs in zip(paths, labels, strict=True)
    ))  # fmt: skip


def drop_misaligned(utterances: Utterances, quiet: bool = False) -> Utterances:
    """Return the clips whose labels fit their audio, and print the names of the others."""
    aligned: list[Utterance] = []
    bad: list[str] = []
    for u in utterances:
        try:
            seconds = audio_duration(u.path)
        except AudioError as error:
            bad.append(f"{u.id} ({error})")
            continue
        if alignment_matches_audio(u, seconds):
            aligned.append(u)
        else:
            bad.append(u.id)
    if not aligned:
        raise DataError(f"No clip's labels fit its audio, for instance {bad[0]}" if bad else "There are no labels")
    if bad and not quiet:
        Console(stderr=True, soft_wrap=True).print(
            f"{len(bad)} of {len(utterances)} alignments do not fit their audio and are left out: {escape_controls(', '.join(bad))}",
            markup=False, highlight=False,
        )  # fmt: skip
    return Utterances(aligned)


def alignment_matches_audio(utterance: Any, seconds: float) -> bool:
    """Return whether labels end where audio of this length does, and every phoneme begins within it."""
    return abs(utterance.seconds - seconds) <= TOLERANCE and utterance.phones[-1][1] < seconds


def write_labels(path: str | Path, rows: Iterable[PhoneLabels], header: dict[str, Any]) -> None:
    """Write a label file: a line `# phones {JSON}`, the names of the columns, one clip a line. `.xz` or `.gz` compresses it.

    Phonemes and starts share one column, for instance `SIL 0 HH 0.53 AH 0.59`.
    """
    lines = [f"{HEADER_PREFIX}{json.dumps(header)}", COLUMNS]
    for r in rows:
        phones = " ".join(f"{phone} {start:g}" for phone, start in r.phones)
        lines.append(f"{r.path}\t{r.speaker}\t{r.seconds:g}\t{phones}")
    content = "".join(f"{line}\n" for line in lines).encode()
    compressors: dict[str, Callable[[bytes], bytes]] = {".xz": lzma.compress, ".gz": gzip.compress}
    atomic_write(path, compressors.get(Path(path).suffix, bytes)(content))


def read_labels(path: str | Path) -> tuple[dict[str, Any], list[PhoneLabels]]:
    """Read the header and the clips of a label file."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no label file {path}: kerasrecipes data align-phones makes one")
    lines = list(read_lines(path))
    if len(lines) < 2 or not lines[0].startswith(HEADER_PREFIX) or lines[1] != COLUMNS:
        raise DataError(
            f"{path} is not a file of phoneme labels: it must begin with '{HEADER_PREFIX}{{...}}' and the columns' names"
        )
    try:
        header = json.loads(lines[0][len(HEADER_PREFIX) :])
    except ValueError as error:
        raise DataError(f"{path}, line 1: no JSON follows '{HEADER_PREFIX}': {error}") from None
    return header, list(_parse_rows(path, lines))


def _parse_rows(path: Path, lines: list[str]) -> Iterator[PhoneLabels]:
    for number, line in enumerate(lines[2:], 3):
        try:
            name, speaker, seconds, phones = line.split("\t")
            words = phones.split()
            pairs = tuple(zip(words[::2], map(float, words[1::2]), strict=True))
            starts = [start for _, start in pairs]
            if not pairs or not all(map(math.isfinite, starts)) or starts != sorted(starts) or starts[0] < 0:
                raise ValueError("starts of phonemes must rise from 0 or later")
            yield PhoneLabels(name, speaker, float(seconds), pairs)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}") from None
