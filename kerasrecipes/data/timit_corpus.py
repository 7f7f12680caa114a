"""TIMIT (LDC93S1) in its official layout: every phone's samples, segmented by hand."""

import csv
import itertools
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from kerasrecipes.data.phone_alignments import AlignedUtterance, drop_misaligned, phones_to_text
from kerasrecipes.data.utterances import Utterances, check_utterances
from kerasrecipes.decoding.phoneme_set import read_phone_table
from kerasrecipes.errors import DataError

RATE = 16000  # of the samples that .PHN files count
SPLITS = {"train": "TRAIN", "test": "TEST", "core-test": "TEST", "validation": "TEST"}


@cache
def split_speakers(split: str) -> frozenset[str]:
    """The speakers of the core test set (24) or of the validation set that is usual beside it (50), lower case."""
    with open(Path(__file__).parent / "timit_speakers.tsv", newline="") as file:
        return frozenset(row["speaker"] for row in csv.DictReader(file, delimiter="\t") if row["split"] == split)


def timit(root: str | Path, split: str = "train", *, phones: str = "61", quiet: bool = False) -> Utterances:
    """Utterances of TIMIT without the two sentences that everybody reads (SA).

    Args:
        root: holds `TRAIN/DR1/FCJF0/SI1027.WAV` (NIST SPHERE or RIFF) and `.PHN` beside it, in any case, or `TIMIT/` above.
        split: "train" (462 speakers, 3,696 utterances), "test" (168, 1,344), "core-test" (24, 192), "validation" (50, 400).
        phones: "61", as segmented, for `PhoneSet("timit61")`; or "39", folded (Lee and Hon, 1989), where q becomes
            part of the phone before it.
        quiet: do not name on the screen clips that their labels do not fit.

    Raises:
        DataError: not TIMIT's layout, an unknown split or phone set, a clip or its .PHN missing or malformed.
    """
    if split not in SPLITS or phones not in ("61", "39"):
        raise DataError(f"timit knows split={', '.join(SPLITS)} and phones=61 or 39, not {split!r} and {phones!r}")
    base = find_split_folder(Path(root), SPLITS[split])
    wanted = split_speakers(split)
    found = []
    for speaker in sorted(p for p in base.glob("*/*") if p.is_dir()):
        name = speaker.name.lower()
        if wanted and name not in wanted:
            continue
        files = {p.name.lower(): p for p in speaker.iterdir()}
        for clip in sorted(n for n in files if n.endswith(".wav") and not n.startswith("sa")):
            labels = files.get(f"{clip[:-4]}.phn")
            if labels is None:
                raise DataError(f"{files[clip]} has no .PHN beside it: copy TIMIT again")
            pairs, end = read_phn(labels)
            pairs = fold_to_39(pairs) if phones == "39" else pairs
            found.append(
                AlignedUtterance(
                    f"{name}-{clip[:-4]}", str(files[clip]), phones_to_text(pairs), name, end, "TIMIT", tuple(pairs)
                )
            )
    if not found:
        raise DataError(f"{base} holds no utterance of split {split!r}")
    return drop_misaligned(check_utterances(found), quiet)


def find_split_folder(root: Path, name: str) -> Path:
    """The folder of a split, whatever its case."""
    for folder in (root, *(p for p in root.glob("*") if p.name.lower() == "timit")):
        for path in sorted(folder.glob("*")):
            if path.is_dir() and path.name.upper() == name and any(path.glob("[Dd][Rr][1-8]")):
                return path
    raise DataError(f"{root} is not laid out as TIMIT: there is no {name}/DR1 in it")


def read_phn(path: Path) -> tuple[list[tuple[str, float]], float]:
    """(phone, start in seconds) of a .PHN file, and its end in seconds.

    Raises:
        DataError: a line is not "begin end phone" in samples, or does not begin where the one before ended.
    """
    known, pairs, end = read_phone_table("timit"), [], 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            first, last, phone = line.split()
            begin, stop = int(first), int(last)
        except ValueError:
            raise DataError(f"{path}, line {number}: 'begin end phone' in samples is expected, not {line!r}") from None
        if phone not in known or begin < end or stop <= begin:
            raise DataError(
                f"{path}, line {number}: {line!r} is no phone of TIMIT's 61, or does not follow the one before"
            )
        pairs.append((phone, begin / RATE))
        end = stop
    if not pairs:
        raise DataError(f"{path} holds no phone")
    return pairs, end / RATE


def fold_to_39(pairs: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The 39 classes: closures and pauses become sil, q part of what is before it, runs of one class one phone."""
    rows = read_phone_table("timit")
    kept = [(rows[p]["folded"], start) for p, start in pairs if rows[p]["folded"]]
    return [next(group) for _, group in itertools.groupby(kept, key=lambda pair: pair[0])]
