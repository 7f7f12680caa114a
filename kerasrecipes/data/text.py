"""Lines of text as batches for language models."""

import gzip
import lzma
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrecipes.data.specs import expand_data_root, load_datasets, parse_spec, read_name_list
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError

PUNCTUATION = re.compile(r"[^a-z0-9' ]")
OPENERS: dict[str, Any] = {".xz": lzma.open, ".gz": gzip.open}


def read_text_file(path: str | Path) -> list[str]:
    """The texts of a file (.txt, .xz or .gz, one a line; of a .tsv the last column).

    Raises:
        DataError: there is no such file, or it is not UTF-8 text.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no text file {path}")
    try:
        with OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8") as file:
            lines = [line.rstrip("\n") for line in file]
    except (UnicodeDecodeError, OSError, lzma.LZMAError, EOFError) as error:
        raise DataError(f"{path} is not readable text: {error}") from None
    if ".tsv" in path.suffixes:
        lines = [line.rsplit("\t", 1)[-1] for line in lines]
    return [line for line in lines if line.strip()]


def load_text_datasets(specs: Iterable[str], speakers: Sequence[str] = ()) -> list[str]:
    """Texts of `text:FILE?exclude=LIST` and of everything `load_specs` takes.

    LIST is a file of texts, one a line, or the name of a list that comes with the package: a line that contains one of
    them, in any case and punctuation, is left out.
    """
    found: list[str] = []
    for spec in specs:
        if not spec.startswith("text:"):
            found += [u.text for u in load_datasets([spec], speakers)]
            continue
        _, path, options = parse_spec(spec)
        exclude = options.pop("exclude", None)
        if not path or options:
            raise DataError(f"{spec!r} names no text: write text:FILE?exclude=LIST")
        lines = read_text_file(expand_data_root(path, spec))
        if exclude:
            alphabet = Alphabet()
            known = [f" {alphabet.normalise(text)} " for text in read_name_list(exclude)]
            lines = [line for line in lines if not any(k in f" {normalize_ascii(line, alphabet)} " for k in known)]
        found += lines
    return found


def normalize_ascii(line: str, alphabet: Alphabet) -> str:
    """`alphabet.normalise` of English, fast for lines of ASCII."""
    return (
        " ".join(PUNCTUATION.sub(" ", line.replace("`", "'").lower()).split())
        if line.isascii()
        else alphabet.normalise(line)
    )


class TextDataset(keras.utils.PyDataset):
    """Batches `({"symbols": (batch, steps) int32, "length": (batch,) int32}, next symbols (batch, steps) int32)`.

    Each text begins and ends with the boundary, number 0; targets behind the end are -1. A batch depends only on seed,
    pass and its number.

    Args:
        texts: the lines. alphabet: that spells them.
        batch_symbols: padded symbols in a batch. longest: longer texts are cut at a space.
        order: "random", or "sorted" by length. seed: of the order.

    Raises:
        DataError: no text is left, or one has characters outside the alphabet.
    """

    def __init__(
        self, texts: Sequence[str], alphabet: Alphabet, *, batch_symbols: int = 8192, longest: int = 256,
        order: str = "random", seed: int = 0,
    ):  # fmt: skip
        super().__init__()
        texts = [part for text in texts for part in split_long_text(alphabet.normalise(text), longest) if part]
        if not texts:
            raise DataError("There is no text to train on")
        self.order, self.seed, self.batch_symbols = order, seed, batch_symbols
        self.lengths = np.array([len(t) + 1 for t in texts])
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.numbers = np.zeros(int(self.starts[-1]), "uint8" if alphabet.size < 256 else "int32")  # boundary first
        for text, start in zip(texts, self.starts, strict=False):
            self.numbers[start + 1 : start + 1 + len(text)] = alphabet.encode(text, normalise=False)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Lay out the batches of a pass, counted from 0."""
        self.epoch = epoch
        rng = np.random.default_rng([self.seed, epoch])
        jitter = rng.uniform(0.9, 1.1, len(self.lengths)) if self.order == "random" else 1.0
        order = np.argsort(self.lengths * jitter, kind="stable")
        self.batches, begin = [], 0
        while begin < len(order):
            # texts stand by length: as many as fit with the length of the last
            widest = np.maximum.accumulate(self.lengths[order[begin : begin + self.batch_symbols]])
            count = max(int(np.searchsorted(widest * np.arange(1, len(widest) + 1), self.batch_symbols, "right")), 1)
            self.batches.append(order[begin : begin + count])
            begin += count
        if self.order == "random":
            rng.shuffle(self.batches)

    def on_epoch_end(self) -> None:
        """Keras calls this after a pass."""
        self.set_epoch(self.epoch + 1)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        members = self.batches[index]
        lengths = self.lengths[members].astype("int32")
        symbols = np.zeros((len(members), int(lengths.max())), "int32")
        targets = np.full_like(symbols, -1)
        for row, target, member, n in zip(symbols, targets, members, lengths, strict=True):
            row[:n] = self.numbers[self.starts[member] : self.starts[member] + n]
            target[: n - 1], target[n - 1] = row[1:n], 0
        return {"symbols": symbols, "length": lengths}, targets


def split_long_text(text: str, longest: int) -> list[str]:
    """A text in about equal parts of at most `longest` characters, cut at spaces where there are any."""
    if len(text) <= longest:
        return [text]
    parts, rest, size = [], text, math.ceil(len(text) / math.ceil(len(text) / longest))
    while len(rest) > longest:
        at = rest.rfind(" ", 1, size + 1)
        at = at if at > 0 else longest
        parts.append(rest[:at].strip())
        rest = rest[at:].strip()
    return [*parts, rest]
