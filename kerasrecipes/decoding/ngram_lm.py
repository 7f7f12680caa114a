"""Word n-gram language models in KenLM's formats: found by name or path, checked, and their words read."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.hub import manifest, weights

KENLM_MAGIC = b"mmap lm http://kheafield.com/code format version"  # how a KenLM binary begins
SPECIAL_TOKENS = ("<unk>", "<s>", "</s>")
INSTALL_HINT = 'this needs flashlight-text and kenlm: pip install "kerasrecipes[lm]"'


class Perplexity(NamedTuple):
    """Of a set of texts under a language model.

    Args:
        all: with words that the model does not know, at its <unk>'s probability. known: without them.
        unknown: their share. words: in the texts, ends of sentences not counted.
    """

    all: float
    known: float
    unknown: float
    words: int


def ngram_path(name: str | Path) -> Path:
    """The file of a language model.

    Args:
        name: of a bundled model ("librispeech_small"), or the path of an ARPA file (.gz too) or KenLM binary.

    Raises:
        DataError: there is no such file, or it is neither; the bundled models are named.
    """
    known = manifest.language_models()
    if str(name) in known:
        return weights.weights_path(known[str(name)])
    path = Path(name)
    if not path.is_file():
        raise DataError(
            f"There is no language model {name}: give the path of an ARPA or KenLM file, or one of {', '.join(known)}"
        )
    ngram_format(path)
    return path


def ngram_format(path: Path) -> str:
    """ "binary", "arpa" or "arpa.gz".

    Raises:
        DataError: neither.
    """
    with open(path, "rb") as file:
        head = file.read(512)
    if head.startswith(KENLM_MAGIC):
        return "binary"
    if head.startswith(b"\x1f\x8b"):
        return "arpa.gz"
    if b"\\data\\" in head:
        return "arpa"
    raise DataError(f"{path} is neither an ARPA file (\\data\\ ... \\1-grams:) nor a KenLM binary")


def read_vocabulary(path: Path) -> list[str]:
    """The words that a model knows, without <unk>, <s> and </s>.

    Raises:
        DataError: the file lists none: a KenLM binary written without its vocabulary.
    """
    form = ngram_format(path)
    found = binary_words(path) if form == "binary" else arpa_words(path, form == "arpa.gz")
    found = [w for w in found if w not in SPECIAL_TOKENS]
    if not found:
        raise DataError(f"{path} holds no list of its words: build it from the ARPA file without `build_binary -i`")
    return found


def binary_words(path: Path) -> list[str]:
    """The strings at the end of a KenLM binary: one word behind the other, each ended by a zero byte, <unk> first."""
    data = path.read_bytes()
    start = data.rfind(b"<unk>\0")
    return [w.decode("utf-8", "replace") for w in data[start:].split(b"\0") if w] if start >= 0 else []


def arpa_words(path: Path, packed: bool) -> list[str]:
    """The second column of an ARPA file's unigrams."""
    import gzip

    found, inside = [], False
    with gzip.open(path, "rt", encoding="utf-8") if packed else open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("\\"):
                if inside:
                    break
                inside = line.startswith("\\1-grams:")
            elif inside and len(parts := line.split()) >= 2:
                found.append(parts[1])
    return found


def perplexity(path: Path, texts: list[str]) -> Perplexity:
    """How well a model foresees texts, a sentence each.

    Raises:
        KerasRecipesError: kenlm is not installed. DataError: the file cannot be read.
    """
    model = load_kenlm(path)
    scores = [s for text in texts for s in model.full_scores(text)]  # (log10 p, n-gram length, unknown)
    logs, unknown = np.array([s[0] for s in scores]), np.array([s[2] for s in scores])
    count = sum(len(t.split()) for t in texts)
    return Perplexity(
        float(10 ** -logs.mean()), float(10 ** -logs[~unknown].mean()), float(unknown.sum() / count), count
    )


def load_kenlm(path: Path) -> Any:
    """KenLM's own object.

    Raises:
        KerasRecipesError: it is not installed. DataError: the file cannot be read.
    """
    try:
        import kenlm
    except ImportError:
        raise KerasRecipesError(f"To read a language model: {INSTALL_HINT}") from None
    try:
        return kenlm.Model(str(path))
    except OSError as error:
        raise DataError(f"KenLM cannot read {path}: {str(error).splitlines()[0]}") from None
