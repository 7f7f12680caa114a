"""Word n-gram language models in KenLM's formats: their files, their words and their perplexity."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasrecipes._lazy import silent_libraries
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.hub import manifest, weights
from kerasrecipes.utils.files import atomic_write, first_line
from kerasrecipes.utils.private_folder import is_trusted_file
from kerasrecipes.utils.text_files import read_lines
from kerasrecipes.utils.writable_cache import make_cache_folder

KENLM_MAGIC = b"mmap lm http://kheafield.com/code format version"  # first bytes of a KenLM binary
COMPACT_PHONEMES = b"PK"  # first bytes of a file of `phoneme_ngrams.save_phoneme_ngrams`
SPECIAL_TOKENS = ("<unk>", "<s>", "</s>")
INSTALL_HINT = 'this needs flashlight-text and kenlm: pip install "kerasrecipes[lm]"'


class Perplexity(NamedTuple):
    """Perplexity of texts under a language model.

    Args:
        all: Perplexity with unknown words, which have the probability of <unk>.
        known: Perplexity without them.
        unknown: Share of unknown words.
        words: Number of words, without the ends of sentences.
    """

    all: float
    known: float
    unknown: float
    words: int


def ngram_path(name: str | Path, alphabet: Alphabet | None = None) -> Path:
    """Return the file of a language model.

    Args:
        name: Name of a bundled model ("librispeech_small"), or path of an ARPA file (.gz too) or KenLM binary.
        alphabet: Alphabet that has to write the words. An ARPA file in upper case is copied in lower case into the cache if the
            alphabet has lower case only.

    Raises:
        DataError: There is no such file, or it has another format. The message names the bundled models.
    """
    bundled = manifest.language_models()
    if str(name) in bundled:
        return weights.weights_path(bundled[str(name)])
    path = Path(name)
    if not path.is_file():
        raise DataError(
            f"There is no language model {name}: give the path of an ARPA or KenLM file, or one of {', '.join(bundled)}"
        )
    is_arpa = ngram_format(path) != "binary"
    if (
        is_arpa
        and alphabet
        and all(s == s.lower() for s in alphabet.symbols)
        and is_upper(path, path.stat().st_mtime_ns)
    ):
        return lower_case_copy(path)
    return path


@lru_cache(16)
def is_upper(path: Path, modified: int) -> bool:
    """Return whether an ARPA file, last changed at `modified`, writes all of its words in upper case."""
    words = [word for word in arpa_words(path) if word.lower() not in SPECIAL_TOKENS]
    return all(word == word.upper() for word in words) and any(word != word.lower() for word in words)


def lower_case_copy(path: Path) -> Path:
    """Return a copy of an ARPA file in lower case, which is written into the cache at the first call."""
    facts = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {facts.st_mtime_ns} {facts.st_size}".encode("utf-8", "surrogateescape"))
    copy = make_cache_folder("language_models") / f"{key.hexdigest()[:16]}.arpa"
    if not is_trusted_file(copy):
        atomic_write(copy, lambda file: file.writelines(f"{line.lower()}\n".encode() for line in read_lines(path)))
    return copy


def ngram_format(path: Path) -> str:
    """Return "binary", "arpa" or "arpa.gz".

    Raises:
        DataError: The file has another format.
    """
    with open(path, "rb") as file:
        head = file.read(512)
    if head.startswith(KENLM_MAGIC):
        return "binary"
    if head.startswith(b"\x1f\x8b"):
        return "arpa.gz"
    if b"\\data\\" in head:
        return "arpa"
    if head.startswith(COMPACT_PHONEMES):
        raise DataError(f"{path} is a language model of phonemes: recognizers of words need an ARPA file or a KenLM binary")
    raise DataError(f"{path} is neither an ARPA file (\\data\\ ... \\1-grams:) nor a KenLM binary")


def read_vocabulary(path: Path) -> list[str]:
    """Return the words of a model, without <unk>, <s> and </s>.

    Raises:
        DataError: The file lists no words, as a KenLM binary that was written without its vocabulary.
    """
    file_format = ngram_format(path)
    words = binary_words(path) if file_format == "binary" else arpa_words(path)
    words = [w for w in words if w not in SPECIAL_TOKENS]
    if not words:
        raise DataError(f"{path} holds no list of its words: build it from the ARPA file without `build_binary -i`")
    return words


def binary_words(path: Path) -> list[str]:
    """Return the strings at the end of a KenLM binary, <unk> first, each with a zero byte after it."""
    data = path.read_bytes()
    start = data.rfind(b"<unk>\0")
    return [w.decode("utf-8", "replace") for w in data[start:].split(b"\0") if w] if start >= 0 else []


def arpa_words(path: Path) -> list[str]:
    """Return the second column of an ARPA file's unigrams."""
    words, in_unigrams = [], False
    for line in read_lines(path):
        if line.startswith("\\"):
            if in_unigrams:
                break
            in_unigrams = line.startswith("\\1-grams:")
        elif in_unigrams and len(columns := line.split()) >= 2:
            words.append(columns[1])
    return words


def perplexity(path: Path, texts: list[str]) -> Perplexity:
    """Return the perplexity of a language model on sentences.

    Raises:
        KerasRecipesError: kenlm is not installed.
        DataError: The file cannot be read.
    """
    model = load_kenlm(path)
    scores = [s for text in texts for s in model.full_scores(text)]  # (log10 p, n-gram length, is unknown)
    logs, is_unknown = np.array([s[0] for s in scores]), np.array([s[2] for s in scores])
    count = sum(len(t.split()) for t in texts)
    return Perplexity(
        float(10 ** -logs.mean()), float(10 ** -logs[~is_unknown].mean()), float(is_unknown.sum() / count), count
    )


def load_kenlm(path: Path) -> Any:
    """Return a `kenlm.Model`.

    Raises:
        KerasRecipesError: kenlm is not installed.
        DataError: The file cannot be read.
    """
    try:
        import kenlm
    except ImportError:
        raise KerasRecipesError(f"To read a language model: {INSTALL_HINT}") from None
    try:
        with silent_libraries():
            return kenlm.Model(str(path))
    except Exception as error:  # its messages may hold the file's bytes, which are no text
        raise DataError(f"KenLM cannot read {path}: {first_line(error)}") from None
