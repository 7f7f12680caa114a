"""Phoneme n-gram language models: ARPA files whose words are phonemes, and a compact form of them.

A model has no silences. They leave its history as it is, since a pause does not change which phoneme comes next.

An n-gram is a whole number with six bits for each phoneme, the last one lowest: column + 1, and after the last column the start
of a sentence. The n-grams of one order are sorted, so those that continue one history stand together.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.decoding.ngram_lm import COMPACT_PHONEMES, ngram_format
from kerasrecipes.decoding.phoneme_set import SILENCES, PhonemeSet
from kerasrecipes.errors import DataError, reader
from kerasrecipes.utils.files import atomic_write
from kerasrecipes.utils.text_files import read_lines

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
LOG_10 = math.log(10.0)
BITS = 6  # of a phoneme in an n-gram's number
MAX_ORDER, MAX_SYMBOLS = 10, (1 << BITS) - 2
LEVEL = 1 / 16  # nats between two values in a compact file
COMPACT_SUFFIX = ".ngrams.npz"

Order = tuple[np.ndarray, np.ndarray, np.ndarray]  # n-grams int64 (sorted), log probabilities and backoffs float32, (n-grams,) each


class PhonemeNgrams:
    """Log probabilities of the next phoneme after a history. A history is the number of an n-gram. 0 is the empty history.

    Args:
        symbols: Phonemes of the columns.
        orders: N-grams of each length from 1. Log probabilities are natural logarithms.
    """

    def __init__(self, symbols: Sequence[str], orders: Sequence[Order]):
        self.symbols, self.orders = tuple(symbols), tuple(orders)
        self.mask = (1 << BITS * (len(orders) - 1)) - 1  # of the longest history
        self.start = self.shorten(len(symbols) + 1)  # history at the start of a sentence

    def find_continuations(self, history: int) -> tuple[Order, slice]:
        """Return the order after a history, and the places of the n-grams that continue it."""
        order = self.orders[count_phonemes(history)]
        first = history << BITS
        low, high = order[0].searchsorted((first, first + (1 << BITS)))
        return order, slice(int(low), int(high))

    def shorten(self, history: int) -> int:
        """Return the longest end of a history that the model distinguishes."""
        history &= self.mask
        while history:
            places = self.find_continuations(history)[1]
            if places.stop > places.start or self.get_backoff(history):
                break
            history = drop_first(history)
        return history

    def extend(self, history: int, column: int) -> int:
        """Return the history after one more phoneme."""
        return self.shorten((history << BITS) + column + 1)

    def get_backoff(self, history: int) -> float:
        """Return the log of the weight that a history gives to the history without its first phoneme."""
        numbers, _, backoffs = self.orders[count_phonemes(history) - 1]
        place = int(numbers.searchsorted(history))
        return float(backoffs[place]) if place < len(numbers) and numbers[place] == history else 0.0

    def get_listed(self, history: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns that the model lists after a history, and their log probabilities."""
        (numbers, log_probs, _), places = self.find_continuations(history)
        columns = (numbers[places] & ((1 << BITS) - 1)) - 1
        is_phoneme = columns < len(self.symbols)
        return columns[is_phoneme], log_probs[places][is_phoneme]


def count_phonemes(history: int) -> int:
    """Return the number of phonemes in a history."""
    return -(-history.bit_length() // BITS)


def drop_first(history: int) -> int:
    """Return a history without its first phoneme."""
    return history & ((1 << BITS * (count_phonemes(history) - 1)) - 1)


def read_phoneme_ngrams(path: str | Path, phonemes: PhonemeSet) -> PhonemeNgrams:
    """Read a phoneme language model: an ARPA file, which gzip or xz may have compressed, or a file of `save_phoneme_ngrams`.

    Args:
        path: Path of the file. Its words are phonemes of the set.
        phonemes: Phonemes of the recognizer's columns.

    Raises:
        DataError: The file has another format, is damaged, or has words that are no phonemes of the set.
    """
    with open(path, "rb") as file:
        is_compact = file.read(len(COMPACT_PHONEMES)) == COMPACT_PHONEMES
    ngrams = read_compact(Path(path)) if is_compact else read_arpa(Path(path), phonemes)
    if ngrams.symbols != tuple(phonemes.symbols):
        raise DataError(
            f"{path} is a language model of the phonemes {' '.join(ngrams.symbols)}; the recognizer has {' '.join(phonemes.symbols)}"
        )
    return ngrams


@reader(DataError)
def read_compact(path: Path) -> PhonemeNgrams:
    """Read a file of `save_phoneme_ngrams`."""
    orders: list[Order] = []
    with np.load(path, allow_pickle=False) as arrays:
        symbols = str(arrays["symbols"]).split(" ")
        while f"steps {len(orders) + 1}" in arrays:
            steps, log_probs, backoffs = (arrays[f"{name} {len(orders) + 1}"] for name in ("steps", "log_probs", "backoffs"))
            if not len(steps) == len(log_probs) == len(backoffs) or (steps <= 0).any():
                raise DataError(f"{path} is damaged: its n-grams are not sorted, or lack a probability")
            values = (levels.astype("float32") * LEVEL for levels in (log_probs, backoffs))
            orders.append((np.cumsum(steps.astype("int64")), *values))
    if not orders:
        raise DataError(f"{path} holds no n-grams of phonemes")
    return PhonemeNgrams(symbols, orders)


def save_phoneme_ngrams(path: str | Path, ngrams: PhonemeNgrams) -> None:
    """Write a model in a form that is a tenth of an ARPA file and is read in a tenth of a second.

    Log probabilities and backoffs are rounded to sixteenths of a nat.

    Args:
        path: File to write.
        ngrams: Model.
    """
    arrays: dict[str, Any] = {"symbols": np.array(" ".join(ngrams.symbols))}
    for length, (numbers, log_probs, backoffs) in enumerate(ngrams.orders, 1):
        arrays[f"steps {length}"] = np.diff(numbers, prepend=0)
        arrays[f"log_probs {length}"] = np.round(log_probs / LEVEL).astype("int16")
        arrays[f"backoffs {length}"] = np.round(backoffs / LEVEL).astype("int16")
    atomic_write(path, lambda file: np.savez_compressed(file, **arrays))


def read_arpa(path: Path, phonemes: PhonemeSet) -> PhonemeNgrams:
    """Read an ARPA file."""
    if ngram_format(path) == "binary":
        raise DataError(
            f"{path} is a KenLM binary: phoneme recognizers take phonemes_small, or an ARPA file whose words are phonemes"
        )
    if len(phonemes.symbols) > MAX_SYMBOLS:
        raise DataError(f"Phoneme language models are for at most {MAX_SYMBOLS} phonemes, not {len(phonemes.symbols)}")
    numbers = {symbol: number for number, symbol in enumerate(phonemes.symbols, 1) if symbol not in SILENCES}
    numbers[START] = len(phonemes.symbols) + 1
    orders: list[list[tuple[int, float, float]]] = []
    for line_number, order, fields in read_arpa_lines(path):
        orders += [[] for _ in range(order - len(orders))]
        words = fields[1].split(" ")
        if END in words or UNKNOWN in words:
            continue
        try:
            ngram = 0
            for word in words:
                ngram = (ngram << BITS) + numbers[word]
            backoff = float(fields[2]) * LOG_10 if len(fields) > 2 else 0.0
            orders[order - 1].append((ngram, float(fields[0]) * LOG_10, backoff))
        except KeyError as error:
            raise DataError(
                f"{path}, line {line_number}: {error.args[0]!r} is outside the phonemes {' '.join(numbers)}. A phoneme recognizer "
                "needs an ARPA file whose words are phonemes, for instance phonemes_small"
            ) from None
        except ValueError:
            raise DataError(f"{path}, line {line_number} is no line of an ARPA file: {' '.join(fields)!r:.60}") from None
    if not orders or not orders[0] or len(orders) > MAX_ORDER:
        raise DataError(f"{path} needs n-grams of 1 to at most {MAX_ORDER} phonemes")
    return PhonemeNgrams(phonemes.symbols, [sort_order(rows) for rows in orders])


def sort_order(rows: list[tuple[int, float, float]]) -> Order:
    """Return the arrays of the n-grams of one length."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    numbers = np.array(columns[0], "int64")
    places = np.argsort(numbers, kind="stable")
    return numbers[places], np.array(columns[1], "float32")[places], np.array(columns[2], "float32")[places]


def read_arpa_lines(path: Path) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the line number, the length and the fields of each n-gram.

    Raises:
        DataError: The file ends before its `\\end\\`, or a line has too few fields.
    """
    order = 0
    for line_number, line in enumerate(read_lines(path), 1):
        if line.startswith("\\end\\"):
            return
        if line.startswith("\\"):
            order += line.endswith("-grams:")
        elif order and line:
            fields = line.split("\t")
            if len(fields) < 2 or fields[1].count(" ") != order - 1:
                raise DataError(f"{path}, line {line_number} is no {order}-gram of an ARPA file: {line!r:.60}")
            yield line_number, order, fields
    raise DataError(f"{path} ends before \\end\\: it is cut off")
