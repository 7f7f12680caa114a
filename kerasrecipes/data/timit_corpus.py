"""TIMIT (LDC93S1) in its official layout, with phonemes segmented by hand."""

import csv
import itertools
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from kerasrecipes.data.phone_alignments import AlignedUtterance, drop_misaligned, phones_to_text
from kerasrecipes.data.utterances import Utterances, check_utterances
from kerasrecipes.decoding.phoneme_set import read_phone_table
from kerasrecipes.errors import DataError, reader
from kerasrecipes.utils.text_files import read_lines

RATE = 16000  # of the sample numbers in .PHN files
SPLITS = {"train": "TRAIN", "test": "TEST", "core-test": "TEST", "validation": "TEST"}


@cache
def split_speakers(split: str) -> frozenset[str]:
    """Return the speakers, lower case, of the core test set (24) or the validation set (50) that is usual beside it."""
    with open(Path(__file__).parent / "timit_speakers.tsv", encoding="utf-8", newline="") as file:
        return frozenset(row["speaker"] for row in csv.DictReader(file, delimiter="\t") if row["split"] == split)


@reader(DataError)
def timit(root: str | Path, split: str = "train", *, phones: str = "61", quiet: bool = False) -> Utterances:
    """Read TIMIT without the two sentences that all speakers read (SA).

    Args:
        root: Folder that holds `TRAIN/DR1/FCJF0/SI1027.WAV` (NIST SPHERE or RIFF) with `.PHN` beside it, in any case, or the
            folder above `TIMIT/` or `data/`. Kaggle's copies `SI1027.WAV.wav` are read where the file itself is missing.
        split: "train" (462 speakers, 3,696 utterances), "test" (168, 1,344), "core-test" (24, 192) or "validation" (50, 400).
        phones: "61" as segmented, for `PhonemeSet("timit61")`, or "39" folded (Lee and Hon, 1989), which makes q part of the
            phoneme before it.
        quiet: True to print no names of clips whose labels do not fit.

    Raises:
        DataError: The layout is not TIMIT's, the split or phoneme set is unknown, or a clip or its .PHN is missing or malformed.
    """
    if split not in SPLITS or phones not in ("61", "39"):
        raise DataError(f"timit has split={', '.join(SPLITS)} and phones=61 or 39, not {split!r} and {phones!r}")
    base = find_split_folder(Path(root), SPLITS[split])
    selected = split_speakers(split)
    utterances = []
    for folder in sorted(p for p in base.glob("*/*") if p.is_dir()):
        speaker = folder.name.lower()
        if selected and speaker not in selected:
            continue
        files = {p.name.lower(): p for p in folder.iterdir()}
        names = sorted({n.removesuffix(".wav").removesuffix(".wav") for n in files if n.endswith(".wav")})
        for clip in (n for n in names if not n.startswith("sa")):
            path, labels = files.get(f"{clip}.wav") or files[f"{clip}.wav.wav"], files.get(f"{clip}.phn")
            if labels is None:
                raise DataError(f"{path} has no .PHN beside it: copy TIMIT again")
            pairs, end = read_phn(labels)
            pairs = fold_to_39(pairs) if phones == "39" else pairs
            name, text = f"{speaker}-{clip}", phones_to_text(pairs)
            utterances.append(AlignedUtterance(name, str(path), text, speaker, end, "TIMIT", tuple(pairs)))
    if not utterances:
        raise DataError(f"{base} holds no utterance of split {split!r}")
    return drop_misaligned(check_utterances(utterances), quiet)


def find_split_folder(root: Path, name: str) -> Path:
    """Return the folder of a split, whatever the case of its name."""
    inner = [p for pattern in ("*", "*/*") for p in root.glob(pattern) if p.name.lower() in ("timit", "data")]
    for folder in (root, *inner):
        for path in sorted(folder.glob("*")):
            if path.is_dir() and path.name.upper() == name and any(path.glob("[Dd][Rr][1-8]")):
                return path
    raise DataError(f"{root} does not have TIMIT's layout: there is no {name}/DR1 in it")


def read_phn(path: Path) -> tuple[list[tuple[str, float]], float]:
    """Read the pairs (phoneme, start in seconds) of a .PHN file, and its end in seconds."""
    table, pairs, end = read_phone_table("timit"), [], 0
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            first, last, phone = line.split()
            begin, stop = int(first), int(last)
        except ValueError:
            raise DataError(
                f"{path}, line {number}: 'begin end phoneme' in samples is expected, not {line!r}"
            ) from None
        if phone not in table or begin < end or stop <= begin:
            raise DataError(
                f"{path}, line {number}: {line!r} is not one of TIMIT's 61 phonemes, or does not follow the line above it"
            )
        pairs.append((phone, begin / RATE))
        end = stop
    if not pairs:
        raise DataError(f"{path} holds no phoneme")
    return pairs, end / RATE


def fold_to_39(pairs: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Fold to the 39 classes: closures and pauses become sil, q joins the phoneme before it, equal neighbors become one."""
    rows = read_phone_table("timit")
    folded = [(rows[p]["folded"], start) for p, start in pairs if rows[p]["folded"]]
    return [next(group) for _, group in itertools.groupby(folded, key=lambda pair: pair[0])]
