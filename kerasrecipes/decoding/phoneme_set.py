"""Sets of phonemes: ARPAbet without stress, or TIMIT's phones, with their folding for scores and their IPA symbols."""

import csv
import functools
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError

SILENCES = ("SIL", "sil", "h#", "pau", "epi")  # in CMUdict's set and in TIMIT's
NAMES = ("arpabet", "timit61", "timit39")


class PhonemeSet(Alphabet):
    """Phonemes without a blank. Phoneme i has number i + 1 and logit column i, number 0 is padding.

    Args:
        symbols: "arpabet" (default): CMUdict's 39 phonemes without stress, and SIL. "timit61": TIMIT's 61 phones. "timit39":
            the 39 classes in which these are scored (Lee and Hon, 1989). Or a list of phonemes.
        separator: " ", present so that every alphabet's `get_config` has the same keys.
        num_repetition_symbols: 0, for the same reason.

    Raises:
        DataError: There is no phoneme, or one twice.

    Example:
        >>> PhonemeSet().encode("HH AH L OW").tolist()
        [16, 3, 21, 25]
        >>> PhonemeSet().ipa("HH AH L OW")
        'h ʌ l oʊ'
    """

    def __init__(self, symbols: str | Sequence[str] = "arpabet", separator: str = " ", num_repetition_symbols: int = 0):
        if isinstance(symbols, str):
            if symbols not in NAMES:
                raise DataError(f"There is no phone set {symbols!r}; there are {', '.join(NAMES)}, or a list of phones")
            symbols = standard_phones(symbols)
        super().__init__(symbols, separator, num_repetition_symbols)
        self.silences = tuple(s for s in self.symbols if s in SILENCES)
        self.folding = (
            {p: row["folded"] for p, row in read_phone_table("timit").items()} if "h#" in self.symbols else {}
        )

    def encode(self, text: str | Iterable[str], normalize: bool = True, surround: bool = True) -> np.ndarray:
        """Return the numbers of phonemes, int32 (phonemes,). Repeats stay, because frames have them.

        Args:
            text: Phonemes separated by white space, or a list.
            normalize: No effect.
            surround: No effect.

        Raises:
            DataError: A phoneme is outside the set. The message names it and suggests another case or no stress.
        """
        phones = text.split() if isinstance(text, str) else list(text)
        outside = sorted({p for p in phones if p not in self._number})
        if outside:
            similar = {p: q for p in outside for q in (p.rstrip("012"), p.upper(), p.lower()) if q in self._number}
            hint = f"; write {', '.join(f'{q} for {p}' for p, q in similar.items())}" if similar else ""
            raise DataError(
                f"{', '.join(map(repr, outside))} is outside the phones {' '.join(self.symbols)}{hint}. Or load the model "
                'with an alphabet= that has it, for instance alphabet="timit61"'
            )
        return np.array([self._number[p] for p in phones], "int32")

    def fold_for_scoring(self, phones: str | Iterable[str]) -> list[str]:
        """Return phonemes as they are scored: TIMIT's 61 folded to 39 (without q), runs merged, silence omitted."""
        phones = phones.split() if isinstance(phones, str) else list(phones)
        folded = [p for p in (self.folding.get(p, p) for p in phones) if p]
        return [p for p, _ in itertools.groupby(folded) if p not in SILENCES]

    def insert_silences(self, words: Iterable[Any]) -> list[str]:
        """Return the texts of timed phonemes in order, with silence wherever time passes between two of them."""
        phones: list[str] = []
        end: float | None = None
        for word in words:
            if end is not None and word.start > end + 1e-6 and self.silences:
                phones.append(self.silences[0])
            phones.append(word.text)
            end = word.end
        return phones

    def ipa(self, phones: str | Iterable[str]) -> str:
        """Return phonemes in the International Phonetic Alphabet, separated by spaces, without silence.

        Raises:
            DataError: A phoneme has no known symbol.
        """
        phones = phones.split() if isinstance(phones, str) else list(phones)
        symbols = {p: row["ipa"] for name in ("timit", "phones") for p, row in read_phone_table(name).items()}
        symbols["sil"] = ""
        if outside := sorted({p for p in phones if p not in symbols}):
            raise DataError(f"{', '.join(outside)}: no symbol of the International Phonetic Alphabet is known for it")
        return " ".join(symbols[p] for p in phones if symbols[p])

    @classmethod
    def from_value(cls, value: Any) -> "PhonemeSet":
        """Return the set of a name, a list, the result of `get_config`, or None (ARPAbet)."""
        if isinstance(value, dict):
            return cls(**value)
        if isinstance(value, PhonemeSet):
            return value
        return cls() if value is None else cls(value.symbols if isinstance(value, Alphabet) else value)


@functools.cache
def read_phone_table(name: str) -> dict[str, dict[str, str]]:
    """Return the rows of `phones.tsv` (ARPAbet) or `timit.tsv` by phoneme."""
    with open(Path(__file__).parent / f"{name}.tsv", encoding="utf-8", newline="") as file:
        return {row["phone"]: row for row in csv.DictReader(file, delimiter="\t")}


def standard_phones(name: str) -> tuple[str, ...]:
    """Return the phonemes of a named set in order."""
    if name == "timit39":
        return tuple(sorted({row["folded"] for row in read_phone_table("timit").values()} - {""}))
    return tuple(read_phone_table("phones" if name == "arpabet" else "timit"))
