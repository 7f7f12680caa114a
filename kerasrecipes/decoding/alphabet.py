"""The symbols a recogniser writes with; number 0 is the CTC blank, or nothing."""

import itertools
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kerasrecipes.errors import DataError

ENGLISH_SYMBOLS = " 'abcdefghijklmnopqrstuvwxyz"
APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"))


class Alphabet:
    """An ordered set of symbols: symbol i of the string has number i + 1.

    With a blank (CTC), it has number 0. Without one (ASG), number 0 only pads transcripts, and two things are written
    otherwise (arXiv 1609.03193, section 3.2): a repeated symbol by repetition symbols, whose numbers come last, the
    k-th saying "the one before, k times more"; and silence before and behind the words by a space, as between them.

    Args:
        symbols: a string of characters (default: space, apostrophe and a-z, Deep Speech's 28), or a sequence of longer
            symbols such as phones.
        separator: what stands between symbols in a text: "" for characters, " " for phones.
        num_repetition_symbols: None for an alphabet with a blank; else there is none, but so many repetition symbols (the paper: 2).

    Raises:
        DataError: a symbol twice, or none; symbols that a text could not be cut into again: longer than a character
            without a separator, or holding the separator; a negative number of repetition symbols.

    Example:
        >>> Alphabet("abc").encode("cab").tolist()
        [3, 1, 2]
        >>> Alphabet("abc", num_repetition_symbols=2).encode("abbccc").tolist()
        [1, 2, 4, 3, 5]
    """

    def __init__(
        self,
        symbols: str | Sequence[str] = ENGLISH_SYMBOLS,
        separator: str | None = None,
        num_repetition_symbols: int | None = None,
    ):
        self.symbols, self.num_repetition_symbols = tuple(symbols), num_repetition_symbols
        if num_repetition_symbols is not None and num_repetition_symbols < 0:
            raise DataError(
                f"An alphabet has 0 or more repetition symbols, or None for a blank, not {num_repetition_symbols}"
            )
        self.separator = ("" if isinstance(symbols, str) else " ") if separator is None else separator
        if not self.symbols or len(set(self.symbols)) != len(self.symbols):
            raise DataError(f"An alphabet needs distinct symbols, got {''.join(self.symbols)!r}")
        if any((self.separator in s or s.split() != [s]) if self.separator else len(s) != 1 for s in self.symbols):
            raise DataError(
                f"{self.symbols} with the separator {self.separator!r} cannot be told apart in a text: give single "
                "characters as one string, longer symbols as a list with a separator that is in none of them"
            )
        self._number = {symbol: i + 1 for i, symbol in enumerate(self.symbols)}

    @classmethod
    def of(cls, value: "Alphabet | str | Sequence[str] | dict | None") -> "Alphabet":
        """An alphabet from itself, its symbols, what `get_config` gave, or None for English."""
        if isinstance(value, Alphabet):
            return value
        if isinstance(value, dict):
            return cls(**value)
        return cls() if value is None else cls(value)

    @property
    def size(self) -> int:
        """Columns of scores: symbols with the blank, or with the repetition symbols."""
        return len(self.symbols) + (1 if self.num_repetition_symbols is None else self.num_repetition_symbols)

    @property
    def first(self) -> int:
        """The number of the scores' first column: 0 where that is the blank, else 1."""
        return 0 if self.num_repetition_symbols is None else 1

    def normalise(self, text: str) -> str:
        """`text` in this alphabet's writing: its case, plain apostrophes, no accents, other punctuation as spaces.

        Letters and digits that the alphabet lacks stay, so that `encode` can name them. Texts of separated symbols
        only have their white space collapsed.
        """
        if self.separator:
            return self.separator.join(text.split())
        cased: Callable[[str], str] = str
        if all(s == s.lower() for s in self.symbols):
            cased = str.lower
        elif all(s == s.upper() for s in self.symbols):
            cased = str.upper
        known = set(self.symbols)
        text = text.translate({k: v for k, v in APOSTROPHES.items() if chr(k) not in known})
        letters: list[str] = []
        # composed first: an alphabet that has an accented letter keeps it, however the text spells it
        for character in cased(unicodedata.normalize("NFC", text)):
            plain = character if character in known else cased(unicodedata.normalize("NFKD", character))
            letters.extend(c for c in plain if c in known or not unicodedata.combining(c))
        kept = "".join(c if c in known or c.isalnum() else " " for c in letters)
        return " ".join(kept.split())

    def encode(self, text: str, normalise: bool = True, surround: bool = True) -> np.ndarray:
        """The numbers of a text's symbols, int32 (labels,).

        Args:
            text: to write. normalise: first bring it into this alphabet's writing.
            surround: without a blank, put a space before and behind a text of an alphabet that has one; False for single
                words.

        Raises:
            DataError: the text has characters outside the alphabet; they are named. Or it repeats one, and there is
                neither a blank nor a repetition symbol.
        """
        text = self.normalise(text) if normalise else text
        if surround and text and self.num_repetition_symbols is not None and " " in self._number:
            text = f" {text.strip(' ')} "
        symbols: Iterable[str] = text.split(self.separator) if self.separator and text else text
        try:
            numbers = [self._number[s] for s in symbols]
        except KeyError:
            outside = sorted({s for s in symbols if s not in self._number})
            raise DataError(
                f"{', '.join(map(repr, outside))} in {text!r} is outside the alphabet {self}: spell it out in the "
                "transcript, or load the model with alphabet= that has it"
            ) from None
        return np.array(
            numbers if self.num_repetition_symbols is None else self._encode_repetitions(numbers, text), "int32"
        )

    def _encode_repetitions(self, numbers: list[int], text: str) -> list[int]:
        """Runs of one number as that number and repetition symbols; longer runs begin anew: aaaa is a, twice more, a."""
        most = self.num_repetition_symbols or 0
        written: list[int] = []
        for number, group in itertools.groupby(numbers):
            run = len(list(group))
            if run > 1 and not most:
                raise DataError(
                    f"{text!r} repeats {self.symbols[number - 1]!r}: {self} needs num_repetition_symbols=1 or more"
                )
            while run > 0:
                more = min(run - 1, most)
                written += [number, len(self.symbols) + more] if more else [number]
                run -= 1 + more
        return written

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of symbol numbers; blanks (0) and padding (below 0) are left out, repeats are kept."""
        text = self.separator.join(itertools.chain(*self.decode_each(numbers)))
        return text if self.num_repetition_symbols is None else text.strip(" ")

    def decode_each(self, numbers: Iterable[int]) -> list[list[str]]:
        """The symbols that each number writes: one; none for blanks and padding; as many as a repetition symbol says."""
        written: list[list[str]] = []
        before: str | None = None
        for i in map(int, numbers):
            if i > len(self.symbols):
                written.append([before] * (i - len(self.symbols)) if before is not None else [])
            else:
                written.append([self.symbols[i - 1]] if i > 0 else [])
                before = written[-1][0] if i > 0 else before
        return written

    def get_config(self) -> dict[str, Any]:
        """A JSON-able description that `Alphabet.of` takes."""
        symbols = "".join(self.symbols) if not self.separator else list(self.symbols)
        return {"symbols": symbols, "separator": self.separator, "num_repetition_symbols": self.num_repetition_symbols}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alphabet) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple:
        return self.symbols, self.separator, self.num_repetition_symbols

    def __repr__(self) -> str:
        more = "" if self.num_repetition_symbols is None else f", num_repetition_symbols={self.num_repetition_symbols}"
        return f"Alphabet({self.separator.join(self.symbols)!r}{more})"
