"""Turn a folder of Project Gutenberg's texts into one sentence a line, as text for a language model.

    python tools/clean_books.py FOLDER --output books.txt.xz --exclude librispeech:PATH/test-clean

Numbers are not spelled out: sentences with digits are left out. Books that Project Gutenberg distributes under copyright, and
books in other languages, are left out too.
"""

import argparse
import lzma
import multiprocessing
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from kerasrecipes.data import load_datasets, load_text_datasets

RUN_LENGTH = 7  # words
MAX_SHARED_RUNS = 3  # a proverb or a quotation, not a chapter
MIN_WORK_WORDS, MIN_SENTENCE_WORDS, MIN_REPEATED_WORDS = 2000, 2, 5

COPYRIGHTED = re.compile(r"COPYRIGHTED Project Gutenberg", re.IGNORECASE)
LICENSE_START = re.compile(
    r"\*\*\*\s*START OF (?:THIS|THE) PROJECT GUTENBERG.*?\*\*\*|\*END[ *]*THE SMALL PRINT.*?\*END\*", re.I | re.S
)
LICENSE_END = re.compile(
    r"\*\*\*\s*END OF (?:THIS|THE) PROJECT GUTENBERG|^End of (?:the )?(?:this )?Project Gutenberg|\*\*\*END OF", re.I | re.M
)
ABBREVIATIONS = {
    "Mr": "mister", "Mrs": "missus", "Dr": "doctor", "St": "saint", "Messrs": "messieurs", "Capt": "captain", "Col": "colonel",
    "Gen": "general", "Rev": "reverend", "Hon": "honorable", "Prof": "professor", "Lieut": "lieutenant", "Sergt": "sergeant",
    "Mme": "madame", "Mlle": "mademoiselle", "Esq": "esquire", "No": "number", "Jr": "junior", "Sr": "senior",
    "etc": "et cetera", "Vol": "volume", "vol": "volume", "i.e": "that is", "e.g": "for example",
}  # fmt: skip
ABBREVIATION = re.compile(r"\b(" + "|".join(re.escape(short) for short in ABBREVIATIONS) + r")\.")
SYMBOLS = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u2014": "--", "\u2013": "--", "\xe6": "ae", "\xc6": "Ae", "\u0153": "oe", "\u0152": "Oe"}
)  # quotes, dashes, ligatures
CONTRACTIONS = ("'tis", "'twas", "'em", "'twill", "'twere", "'twould", "'til")
FREQUENT_WORDS = frozenset(("the", "of", "and", "to", "a", "in", "that", "he", "was", "it", "his", "with"))
MIN_FREQUENT_SHARE = 0.12  # of the words of an English text
UNREADABLE = re.compile(r"[0-9@=<>|\\/*]")


def decode_text(data: bytes) -> str:
    """Decode a text in UTF-8 or, as older files are, in Windows' Latin alphabet."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def strip_license(text: str) -> str:
    """Return a book without Project Gutenberg's header and trailer."""
    starts = list(LICENSE_START.finditer(text[:60000]))
    if starts:
        text = text[starts[-1].end() :]
    ends = (match.start() for match in LICENSE_END.finditer(text) if match.start() > 0.3 * len(text))
    return text[: next(ends, len(text))]


def replace_symbols(text: str) -> str:
    """Write a text in ASCII: letters without accents, dashes as "--", other symbols as spaces."""
    text = unicodedata.normalize("NFKD", text.translate(SYMBOLS))
    return re.sub(r"[^\x00-\x7f]", " ", re.sub(r"[\u0300-\u036f]", "", text))  # accents, other symbols


def split_sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text in lower case, letters and apostrophes only."""
    for paragraph in re.split(r"\n\s*\n", replace_symbols(text).replace("\r", "")):
        paragraph = " ".join(paragraph.split())
        if len(paragraph) < 20 or paragraph.isupper():  # headings
            continue
        paragraph = re.sub(r"\[[^\]]*\]|\{[^}]*\}", " ", paragraph).replace("_", "").replace("&", "and")
        paragraph = ABBREVIATION.sub(lambda match: ABBREVIATIONS[match[1]] + " ", paragraph)
        for sentence in re.split(r"(?<=[.!?;:])[\"')]*\s+", paragraph):
            if not UNREADABLE.search(sentence):
                words = re.sub(r"[^a-z' ]+", " ", sentence.lower().replace("-", " ")).split()
                words = [word if word in CONTRACTIONS else word.strip("'") for word in words]
                words = [word for word in words if word]
                num_initials = sum(len(word) == 1 and word not in ("a", "i", "o") for word in words)
                if len(words) >= MIN_SENTENCE_WORDS and num_initials <= len(words) / 4:
                    yield " ".join(words)


def word_runs(words: list[str]) -> Iterator[str]:
    """Yield all runs of seven words."""
    return (" ".join(words[i : i + RUN_LENGTH]) for i in range(len(words) - RUN_LENGTH + 1))


def clean_book(path: Path, excluded_runs: frozenset[str]) -> tuple[Path, list[str], int]:
    """Return a book's sentences, none for a book to leave out, and its number of runs shared with the excluded text."""
    text = decode_text(path.read_bytes())
    if COPYRIGHTED.search(text[:20000]) or re.search(r"Language:\s*(?!English)\w", text[:20000]):
        return path, [], 0
    sentences = list(split_sentences(strip_license(text)))
    words = " ".join(sentences).split()
    if len(words) < MIN_WORK_WORDS or sum(word in FREQUENT_WORDS for word in words) < MIN_FREQUENT_SHARE * len(words):
        return path, [], 0
    shared = {run for run in word_runs(words) if run in excluded_runs}
    if len(shared) > MAX_SHARED_RUNS:
        return path, [], len(shared)
    if shared:
        sentences = [sentence for sentence in sentences if shared.isdisjoint(word_runs(sentence.split()))]
    return path, sentences, len(shared)


def skip_repeated(sentences: Iterable[str], seen: set[int]) -> Iterator[str]:
    """Yield the sentences that are short, which may occur often, or new. `seen` holds the hashes of the others."""
    for sentence in sentences:
        if sentence.count(" ") + 1 >= MIN_REPEATED_WORDS:
            key = hash(sentence)
            if key in seen:
                continue
            seen.add(key)
        yield sentence


def read_texts(spec: str) -> list[str]:
    """Return the sentences of a text or the transcripts of a data set of speech."""
    return load_text_datasets([spec]) if spec.startswith("text:") else [utterance.text for utterance in load_datasets([spec])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with text files, searched through with its subfolders")
    parser.add_argument("--output", type=Path, required=True, help="file of sentences (.txt.xz)")
    parser.add_argument("--exclude", action="append", default=[], metavar="DATA", help="text or speech whose books are left out")
    args = parser.parse_args()
    texts = [text for spec in args.exclude for text in read_texts(spec)]
    words = [re.sub(r"[^a-z' ]+", " ", text.lower()).split() for text in texts]
    runs = frozenset(run for sentence in words for run in word_runs(sentence))
    seen: set[int] = set()
    num_books, num_words, num_left_out = 0, 0, 0
    partial_path = args.output.with_suffix(".partial")
    with multiprocessing.Pool() as pool, lzma.open(partial_path, "wt", preset=1) as output:
        paths = sorted(args.folder.rglob("*.txt"))
        for i, (path, sentences, num_shared) in enumerate(pool.imap(partial(clean_book, excluded_runs=runs), paths, 8), 1):
            if num_shared > MAX_SHARED_RUNS:
                print(f"left out, {num_shared} runs in evaluation text: {path.name}", file=sys.stderr)
            num_left_out, num_books = num_left_out + (num_shared > MAX_SHARED_RUNS), num_books + bool(sentences)
            for sentence in skip_repeated(sentences, seen):  # collected works repeat the works
                num_words += sentence.count(" ") + 1
                output.write(sentence + "\n")
            if i % 200 == 0:
                print(f"{i} of {len(paths)} files, {num_words:,} words", file=sys.stderr)
    partial_path.replace(args.output)
    print(f"{num_books} books, {num_words:,} words -> {args.output} ({num_left_out} left out for shared text)")


if __name__ == "__main__":
    main()
