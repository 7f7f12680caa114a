"""The phones a recogniser writes with: ARPAbet without stress, or TIMIT's; how they are scored, and how they look in IPA."""

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
    """Phones without a blank: phone i has number i + 1 and the scores' column i; number 0 only pads.

    Args:
        symbols: "arpabet" (default): CMUdict's 39 phones without stress, and SIL; "timit61": TIMIT's 61; "timit39": the 39
            classes that these are scored in (Lee and Hon, 1989); or phones of one's own.
        separator, num_repetition_symbols: " " and 0; only there so that `get_config` of every alphabet has the same keys.

    Raises:
        DataError: a phone twice, or none.

    Example:
        >>> PhoneSet().encode("HH AH L OW").tolist()
        [16, 3, 21, 25]
        >>> PhoneSet().ipa("HH AH L OW")
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

    def encode(self, text: str | Iterable[str], normalise: bool = True, surround: bool = True) -> np.ndarray:
        """The numbers of phones, int32 (phones,); repeats stay, for frames have them.

        Args:
            text: phones separated by white space, or one by one. normalise, surround: as in `Alphabet`, without effect.

        Raises:
            DataError: a phone outside the set; it is named, with a hint where it carries stress or another case.
        """
        phones = text.split() if isinstance(text, str) else list(text)
        outside = sorted({p for p in phones if p not in self._number})
        if outside:
            near = {p: q for p in outside for q in (p.rstrip("012"), p.upper(), p.lower()) if q in self._number}
            hint = f"; write {', '.join(f'{q} for {p}' for p, q in near.items())}" if near else ""
            raise DataError(
                f"{', '.join(map(repr, outside))} is outside the phones {' '.join(self.symbols)}{hint}. Or load the model "
                'with alphabet= that has it, for instance alphabet="timit61"'
            )
        return np.array([self._number[p] for p in phones], "int32")

    def scored(self, phones: str | Iterable[str]) -> list[str]:
        """What of a sequence is scored: folded (TIMIT's 61 into 39, without q), runs merged, silence left out."""
        found = phones.split() if isinstance(phones, str) else list(phones)
        folded = [p for p in (self.folding.get(p, p) for p in found) if p]
        return [p for p, _ in itertools.groupby(folded) if p not in SILENCES]

    def insert_silences(self, words: Iterable[Any]) -> list[str]:
        """Timed phones in order, with silence where time passes between two of them."""
        found: list[str] = []
        end: float | None = None
        for word in words:
            if end is not None and word.start > end + 1e-6 and self.silences:
                found.append(self.silences[0])
            found.append(word.text)
            end = word.end
        return found

    def ipa(self, phones: str | Iterable[str]) -> str:
        """Phones in the International Phonetic Alphabet, separated by spaces; silence is left out.

        Raises:
            DataError: a phone that is in none of the tables.
        """
        found = phones.split() if isinstance(phones, str) else list(phones)
        known = {p: row["ipa"] for name in ("timit", "phones") for p, row in read_phone_table(name).items()} | {
            "sil": ""
        }
        outside = sorted({p for p in found if p not in known})
        if outside:
            raise DataError(f"{', '.join(outside)}: no symbol of the International Phonetic Alphabet is known for it")
        return " ".join(known[p] for p in found if known[p])

    @classmethod
    def of(cls, value: Any) -> "PhonemeSet":
        """The set that a name, a list, a configuration or None (ARPAbet) means."""
        if isinstance(value, dict):
            return cls(**value)
        if isinstance(value, PhonemeSet):
            return value
        return cls() if value is None else cls(value.symbols if isinstance(value, Alphabet) else value)


@functools.cache
def read_phone_table(name: str) -> dict[str, dict[str, str]]:
    """The rows of `phones.tsv` (ARPAbet) or `timit.tsv` by phone."""
    with open(Path(__file__).parent / f"{name}.tsv", encoding="utf-8", newline="") as file:
        return {row["phone"]: row for row in csv.DictReader(file, delimiter="\t")}


def standard_phones(name: str) -> tuple[str, ...]:
    """The phones of a set that has a name, in order."""
    if name == "timit39":
        return tuple(sorted({row["folded"] for row in read_phone_table("timit").values()} - {""}))
    return tuple(read_phone_table("phones" if name == "arpabet" else "timit"))
