"""The symbols of a recognizer's or a language model's output. Number 0 is the CTC blank or padding."""

import itertools
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kerasrecipes.errors import DataError

ENGLISH_SYMBOLS = " 'abcdefghijklmnopqrstuvwxyz"
APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"))


class Alphabet:
    """An ordered set of symbols. Symbol i of the string has number i + 1.

    With a blank (CTC), number 0 is the blank. Without one (ASG), number 0 only pads transcripts, and two things are
    encoded differently (arXiv 1609.03193, section 3.2). A repeated symbol is followed by a repetition symbol: these have the
    last numbers, and the k-th means "the previous symbol k times more". A space stands before and after the text as it does
    between words.

    Args:
        symbols: A string of characters (default: space, apostrophe and a-z, Deep Speech's 28), or a sequence of longer
            symbols such as phonemes.
        separator: What separates symbols in a text: "" for characters, " " for phonemes.
        num_repetition_symbols: None for an alphabet with a blank, else the number of repetition symbols (2 in the paper).

    Raises:
        DataError: There is no symbol, a symbol twice, a symbol that cannot be told apart in a text (longer than a character
            without a separator, or with the separator in it), or a negative number of repetition symbols.

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
    def from_value(cls, value: "Alphabet | str | Sequence[str] | dict | None") -> "Alphabet":
        """Return an alphabet from itself, its symbols, the result of `get_config`, or None for English."""
        if isinstance(value, Alphabet):
            return value
        if isinstance(value, dict):
            return cls(**value)
        return cls() if value is None else cls(value)

    @property
    def vocab_size(self) -> int:
        """Number of logit columns: symbols with the blank, or with the repetition symbols."""
        return len(self.symbols) + (1 if self.num_repetition_symbols is None else self.num_repetition_symbols)

    @property
    def first_index(self) -> int:
        """Symbol number of the first logit column: 0 with a blank, else 1."""
        return 0 if self.num_repetition_symbols is None else 1

    def normalize(self, text: str) -> str:
        """Return the text with this alphabet's case, plain apostrophes, no accents, and spaces for other punctuation.

        Letters and digits outside the alphabet stay, so that `encode` can name them. In texts with separators, only white
        space is collapsed.
        """
        if self.separator:
            return self.separator.join(text.split())
        change_case: Callable[[str], str] = str
        if all(s == s.lower() for s in self.symbols):
            change_case = str.lower
        elif all(s == s.upper() for s in self.symbols):
            change_case = str.upper
        symbols = set(self.symbols)
        text = text.translate({k: v for k, v in APOSTROPHES.items() if chr(k) not in symbols})
        letters: list[str] = []
        # composed first: an alphabet with an accented letter keeps it, however the text encodes it
        for character in change_case(unicodedata.normalize("NFC", text)):
            plain = character if character in symbols else change_case(unicodedata.normalize("NFKD", character))
            letters.extend(c for c in plain if c in symbols or not unicodedata.combining(c))
        return " ".join("".join(c if c in symbols or c.isalnum() else " " for c in letters).split())

    def encode(self, text: str, normalize: bool = True, surround: bool = True) -> np.ndarray:
        """Return the symbol numbers of a text, int32 (labels,).

        Args:
            text: Text to encode.
            normalize: Call `normalize` first.
            surround: Put a space before and after the text if the alphabet has a space and no blank. False for single
                words.

        Raises:
            DataError: The text has characters outside the alphabet, which the message names. Or it repeats a character, and
                the alphabet has neither a blank nor repetition symbols.
        """
        text = self.normalize(text) if normalize else text
        if surround and text and self.num_repetition_symbols is not None and " " in self._number:
            text = f" {text.strip(' ')} "
        symbols: Iterable[str] = text.split(self.separator) if self.separator and text else text
        try:
            numbers = [self._number[s] for s in symbols]
        except KeyError:
            outside = sorted({s for s in symbols if s not in self._number})
            raise DataError(
                f"{', '.join(map(repr, outside))} in {text!r} is outside the alphabet {self}: spell it out in the "
                "transcript, or load the model with an alphabet= that has it"
            ) from None
        return np.array(
            numbers if self.num_repetition_symbols is None else self._encode_repetitions(numbers, text), "int32"
        )

    def _encode_repetitions(self, numbers: list[int], text: str) -> list[int]:
        """Encode runs with repetition symbols. Longer runs start again: aaaa is a, "twice more", a."""
        longest = self.num_repetition_symbols or 0
        encoded: list[int] = []
        for number, group in itertools.groupby(numbers):
            run = len(list(group))
            if run > 1 and not longest:
                raise DataError(
                    f"{text!r} repeats {self.symbols[number - 1]!r}: {self} needs num_repetition_symbols=1 or more"
                )
            while run > 0:
                repeats = min(run - 1, longest)
                encoded += [number, len(self.symbols) + repeats] if repeats else [number]
                run -= 1 + repeats
        return encoded

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of symbol numbers. Blanks (0) and padding (negative) are omitted, repeats stay."""
        text = self.separator.join(itertools.chain(*self.decode_each(numbers)))
        return text if self.num_repetition_symbols is None else text.strip(" ")

    def decode_each(self, numbers: Iterable[int]) -> list[list[str]]:
        """Return the symbols of each number: none for blanks and padding, several for repetition symbols."""
        symbols: list[list[str]] = []
        previous: str | None = None
        for number in map(int, numbers):
            if number > len(self.symbols):
                symbols.append([previous] * (number - len(self.symbols)) if previous is not None else [])
            else:
                symbols.append([self.symbols[number - 1]] if number > 0 else [])
                previous = symbols[-1][0] if number > 0 else previous
        return symbols

    def get_config(self) -> dict[str, Any]:
        """Return plain values for JSON that `Alphabet.from_value` takes."""
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
