"""The symbols a recogniser writes with; number 0 is the CTC blank."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kerasrecipes.errors import DataError

ENGLISH = " 'abcdefghijklmnopqrstuvwxyz"
APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"))


class Alphabet:
    """An ordered set of symbols: symbol i of the string has number i + 1, the blank has 0.

    Args:
        symbols: a string of characters (default: space, apostrophe and a-z, Deep Speech's 28), or a sequence of longer
            symbols such as phones.
        separator: what stands between symbols in a text: "" for characters, " " for phones.

    Raises:
        DataError: a symbol twice, or none; symbols that a text could not be cut into again: longer than a character
            without a separator, or holding the separator.

    Example:
        >>> Alphabet("abc").encode("cab").tolist()
        [3, 1, 2]
    """

    def __init__(self, symbols: str | Sequence[str] = ENGLISH, separator: str | None = None):
        self.symbols = tuple(symbols)
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
        """Symbols with the blank."""
        return len(self.symbols) + 1

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
        letters: list[str] = []
        # composed first: an alphabet that has an accented letter keeps it, however the text spells it
        for character in cased(unicodedata.normalize("NFC", text.translate(APOSTROPHES))):
            plain = character if character in known else cased(unicodedata.normalize("NFKD", character))
            letters.extend(c for c in plain if c in known or not unicodedata.combining(c))
        kept = "".join(c if c in known or c.isalnum() else " " for c in letters)
        return " ".join(kept.split())

    def encode(self, text: str, normalise: bool = True) -> np.ndarray:
        """The numbers of a text's symbols, int32 (labels,).

        Raises:
            DataError: the text has characters outside the alphabet; they are named.
        """
        text = self.normalise(text) if normalise else text
        symbols: Iterable[str] = text.split(self.separator) if self.separator and text else text
        try:
            return np.array([self._number[s] for s in symbols], "int32")
        except KeyError:
            outside = sorted({s for s in symbols if s not in self._number})
            raise DataError(
                f"{', '.join(map(repr, outside))} in {text!r} is outside the alphabet {self}: spell it out in the "
                "transcript, or load the model with alphabet= that has it"
            ) from None

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of symbol numbers; blanks (0) and padding (below 0) are left out, repeats are kept."""
        return self.separator.join(self.symbols[int(i) - 1] for i in numbers if int(i) > 0)

    def get_config(self) -> dict[str, Any]:
        """A JSON-able description that `Alphabet.of` takes."""
        symbols = "".join(self.symbols) if not self.separator else list(self.symbols)
        return {"symbols": symbols, "separator": self.separator}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alphabet) and (self.symbols, self.separator) == (other.symbols, other.separator)

    def __hash__(self) -> int:
        return hash((self.symbols, self.separator))

    def __repr__(self) -> str:
        return f"Alphabet({self.separator.join(self.symbols)!r})"
