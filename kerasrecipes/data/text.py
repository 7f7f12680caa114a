"""Lines of text and batches of them for language models."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from kerasrecipes.data.keras_adapter import LAYOUT_EPOCHS, EpochDataset, batch_ends, fixed_batch_ends
from kerasrecipes.data.specs import load_datasets, parse_spec, read_name_list
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError
from kerasrecipes.utils.text_files import read_lines

PUNCTUATION = re.compile(r"[^a-z0-9' ]")


def read_text_file(path: str | Path) -> list[str]:
    """Read the texts of a .txt, .xz or .gz file, one a line. Of a .tsv the last column is the text."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no text file {path}")
    lines = list(read_lines(path))
    if ".tsv" in path.suffixes:
        lines = [line.rsplit("\t", 1)[-1] for line in lines]
    return [line for line in lines if line.strip()]


def load_text_datasets(specs: Iterable[str], speakers: Sequence[str] = ()) -> list[str]:
    """Load the texts of `text:FILE?exclude=LIST` and the transcripts of sets of speech.

    Args:
        specs: Specifications of readers that yield text or speech (`specs.READERS`). LIST is a file of texts, one a line, or the
            name of a list that comes with the package. A line that contains one of them is left out, whatever its case and
            punctuation.
        speakers: Speakers of the sets of speech. Default: all.

    Raises:
        DataError: An unknown reader or option, or a file cannot be read.
    """
    texts: list[str] = []
    for spec in specs:
        if not spec.startswith("text:"):
            texts += [u.text for u in load_datasets([spec], speakers)]
            continue
        reader, path, _, options = parse_spec(spec, "text")
        lines = reader.read(path)
        if "exclude" in options:
            alphabet = Alphabet()
            excluded = [f" {alphabet.normalize(text)} " for text in read_name_list(options["exclude"])]
            lines = [x for x in lines if not any(text in f" {normalize_ascii(x, alphabet)} " for text in excluded)]
        texts += lines
    return texts


def normalize_ascii(line: str, alphabet: Alphabet) -> str:
    """Return `alphabet.normalize` of English text, computed faster for lines of ASCII."""
    if line.isascii():
        return " ".join(PUNCTUATION.sub(" ", line.replace("`", "'").lower()).split())
    return alphabet.normalize(line)


class TextDataset(EpochDataset):
    """Batches `({"symbols": (batch, steps) int32, "length": (batch,) int32}, next symbols (batch, steps) int32)`.

    Each text begins and ends with the boundary symbol, 0. Targets of padding are -1. A batch depends only on the seed, the
    epoch and its index.

    Args:
        texts: Lines of text.
        alphabet: Alphabet that encodes them.
        batch_tokens: Symbols in a batch, padding included. Default 8192.
        max_length: Longer texts are split at spaces. Characters, default 256.
        batch_order: "random" (default), or "sorted" by length.
        seed: Seed of the order. Default 0.

    Raises:
        DataError: No text remains, or a text has characters outside the alphabet.
    """

    def __init__(
        self, texts: Sequence[str], alphabet: Alphabet, *, batch_tokens: int = 8192, max_length: int = 256,
        batch_order: str = "random", seed: int = 0,
    ):  # fmt: skip
        super().__init__()
        texts = [part for text in texts for part in split_long_text(alphabet.normalize(text), max_length) if part]
        if not texts:
            raise DataError("There is no text to train on")
        self.batch_order, self.seed, self.batch_tokens = batch_order, seed, batch_tokens
        self.lengths = np.array([len(t) + 1 for t in texts])
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.symbols = np.zeros(
            int(self.starts[-1]), "uint8" if alphabet.vocab_size < 256 else "int32"
        )  # boundary first
        for text, start in zip(texts, self.starts, strict=False):
            self.symbols[start + 1 : start + 1 + len(text)] = alphabet.encode(text, normalize=False)
        orders = [self.epoch_order(epoch)[0] for epoch in range(LAYOUT_EPOCHS)]
        self.batches_per_epoch = max(len(batch_ends(self.lengths[order], batch_tokens)) for order in orders)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Lay out the batches of an epoch, counted from 0."""
        self.epoch = epoch
        order, rng = self.epoch_order(epoch)
        ends = fixed_batch_ends(self.lengths[order], self.batch_tokens, self.batches_per_epoch)
        self.batches = np.split(order, ends[:-1])
        if self.batch_order == "random":
            rng.shuffle(self.batches)

    def epoch_order(self, epoch: int) -> tuple[np.ndarray, np.random.Generator]:
        """Return the texts of an epoch in the order in which they fill batches, and the generator."""
        rng = np.random.default_rng([self.seed, epoch])
        jitter = rng.uniform(0.9, 1.1, len(self.lengths)) if self.batch_order == "random" else 1.0
        return np.argsort(self.lengths * jitter, kind="stable"), rng

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        members = self.batches[index]
        lengths = self.lengths[members].astype("int32")
        symbols = np.zeros((len(members), int(lengths.max())), "int32")
        targets = np.full_like(symbols, -1)
        for row, target, member, n in zip(symbols, targets, members, lengths, strict=True):
            row[:n] = self.symbols[self.starts[member] : self.starts[member] + n]
            target[: n - 1], target[n - 1] = row[1:n], 0
        return {"symbols": symbols, "length": lengths}, targets


def split_long_text(text: str, max_length: int) -> list[str]:
    """Split a text into about equal parts of at most `max_length` characters, at spaces where possible."""
    if len(text) <= max_length:
        return [text]
    parts, rest, size = [], text, math.ceil(len(text) / math.ceil(len(text) / max_length))
    while len(rest) > max_length:
        end = rest.rfind(" ", 1, size + 1)
        end = end if end > 0 else max_length
        parts.append(rest[:end].strip())
        rest = rest[end:].strip()
    return [*parts, rest]
