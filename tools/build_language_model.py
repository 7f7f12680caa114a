r"""Build the bundled n-gram language model and its manifest entry with KenLM's programs.

    python tools/clean_books.py FOLDER --output BOOKS --exclude librispeech:PATH/LibriSpeech/dev-mini \
        --exclude "manifest:PATH/common-voice/manifest.tsv?split=dev" \
        --exclude "manifest:PATH/arctic-kathleen/manifest.tsv?only=arctic_heldout"
    python tools/build_language_model.py --kenlm KENLM/build/bin --data PATH --books BOOKS

PyPI's kenlm has no programs: unpack its source distribution, then (with the system's Boost and zlib)
`cmake -B build -DCMAKE_BUILD_TYPE=Release && make -C build lmplz build_binary`. Users need only the file.

The text is the transcripts of train-clean-100 and public-domain books. Books that share text with the exclusions of
clean_books.py are not in it, nor are the sentences of the held-out Arctic prompts.
"""

import argparse
import collections
import datetime
import lzma
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from clean_books import skip_repeated
from prune_ngrams import prune_arpa

from kerasrecipes.data import load_datasets, load_text_datasets
from kerasrecipes.decoding import Alphabet, ngram_lm
from kerasrecipes.hub import manifest
from kerasrecipes.release.from_run import DATASET_LICENSES
from kerasrecipes.utils.environment import git_commit
from kerasrecipes.utils.files import sha256_file

NAME, ORDER = "librispeech_small", 4
MIN_COUNTS = "0 1 3 6"  # for lmplz: bigrams that occur once are dropped, trigrams up to 3 times, four-grams up to 6 times
MIN_WORD_COUNT = 40  # in all texts: rarer words cost the search more errors than they save
ENTROPY_THRESHOLD = 6.5e-8  # nats a word
PROBABILITY_BITS, BACKOFF_BITS = 6, 5  # 8 bits lower the perplexity by 0.2 %
SOURCES = ("librispeech_train_clean_100_transcripts.tsv", "books.txt.xz")
BOOKS = "gutenberg_98_authors.txt.xz"
SPEAKERS = {"dev-mini-tune": (84, 174, 422, 1272, 1462), "dev-mini-report": (251, 652, 777, 1673, 1919)}
COMMAND = "python tools/build_language_model.py --kenlm PROGRAMS --data PATH --books BOOKS"


def estimate(lines: Path, programs: Path, order: int, min_counts: str, options: Sequence[str | Path] = ()) -> Path:
    """Estimate a model from a file of sentences by modified Kneser-Ney, beside it. `options` are lmplz's."""
    arpa = lines.with_suffix(".arpa")
    command = [programs / "lmplz", "-o", str(order), "--prune", *min_counts.split(), "-S", "4G", "-T", lines.parent]
    subprocess.run([*command, *options, "--text", lines, "--arpa", arpa], check=True, stderr=subprocess.DEVNULL)
    return arpa


def write_row(name: str, target: Path, data: list[dict], config: dict, metrics: list[dict], model: dict) -> None:
    """Write the manifest entry of a language model, and print its metrics."""
    row = manifest.WeightsEntry(
        recipe=name, tag=datetime.date.today().isoformat(), file=target.name, size=target.stat().st_size,
        sha256=sha256_file(target), bundled=True, license="; ".join(dict.fromkeys(d["license"] for d in data)), data=tuple(data),
        training={
            "config": {"estimator": "modified Kneser-Ney (lmplz)", **config},
            "seed": 0, "steps": 1, "hardware": "any: the counts are exact", "commit": git_commit(),
        },
        metrics=tuple(metrics), keras=None, model=model,
    )  # fmt: skip
    print(manifest.write_entry(row), file=sys.stderr)
    for m in metrics:
        print(f"{m['dataset']:60} {m['metric']:28} {m['value']}")


def pack(arpa: Path, programs: Path, target: Path) -> Path:
    """Write a quantized KenLM binary."""
    bits = ["-q", str(PROBABILITY_BITS), "-b", str(BACKOFF_BITS), "-a", "22"]
    partial = target.with_suffix(".partial")
    subprocess.run([programs / "build_binary", *bits, "trie", arpa, partial], check=True, capture_output=True)
    partial.replace(target)
    return target


def measure_perplexity(path: Path, label: str, data: Path, alphabet: Alphabet) -> list[dict]:
    """Return the perplexity and the share of unknown words on both halves of dev-mini, as manifest metrics."""
    rows = []
    for split, speakers in SPEAKERS.items():
        utterances = load_datasets([f"librispeech:{data}/LibriSpeech/dev-mini"], [str(s) for s in speakers])
        result = ngram_lm.perplexity(path, [alphabet.normalize(u.text) for u in utterances])
        for metric in ("all", "known", "unknown"):
            name = {"all": "perplexity", "known": "perplexity of known words", "unknown": "out of vocabulary"}[metric]
            rows.append(
                {
                    "dataset": f"{split}, {result.words} words, {label}", "split": split, "metric": name,
                    "value": round(getattr(result, metric), 4),
                    "decoder": "none", "command": COMMAND, "date": datetime.date.today().isoformat(),
                }
            )  # fmt: skip
    return rows


def read_shared_sources(data: Path, alphabet: Alphabet) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield the names and the sentences of the texts that the models of words and of phonemes share."""
    for name in SOURCES:
        lines = load_text_datasets([f"text:{data}/text/{name}?exclude=arctic_heldout_texts"])
        yield name, (alphabet.normalize(line) for line in lines)


def read_sources(data: Path, books: Path, alphabet: Alphabet) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield the names of the texts and their sentences."""
    yield from read_shared_sources(data, alphabet)
    with lzma.open(books, "rt") as file:
        yield BOOKS, (line.rstrip("\n") for line in file)


def write_sentences(folder: Path, sources: Iterator[tuple[str, Iterator[str]]]) -> tuple[list[dict], collections.Counter]:
    """Write all sentences to all.txt, long ones once, and the first source to alone.txt.

    Returns:
        The sources' entries in the manifest, and the occurrences of each word. "<s>" counts the sentences.
    """
    entries: list[dict] = []
    counts: collections.Counter = collections.Counter()
    seen: set[int] = set()
    with (folder / "all.txt").open("w") as output:
        for name, sentences in sources:
            num_characters = num_words = 0
            for sentence in skip_repeated(sentences, seen):
                words = sentence.split()
                output.write(sentence + "\n")
                counts.update(words)
                counts["<s>"] += 1
                num_characters, num_words = num_characters + len(sentence), num_words + len(words)
            size = {"characters": num_characters, "words": num_words}
            entries.append({"name": name, **size, "license": DATASET_LICENSES[name], "synthetic": False})
            if len(entries) == 1:
                output.flush()
                (folder / "alone.txt").write_bytes((folder / "all.txt").read_bytes())
            print(f"{name}: {num_words:,} words", file=sys.stderr)
    return entries, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kenlm", type=Path, required=True, help="folder with lmplz and build_binary")
    parser.add_argument("--data", type=Path, required=True, help="folder with text/ and LibriSpeech/dev-mini")
    parser.add_argument("--books", type=Path, required=True, help="sentences of books, from clean_books.py")
    args = parser.parse_args()
    alphabet = Alphabet()
    target = manifest.weights_folder() / f"{NAME}.kenlm"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, counts = write_sentences(folder, read_sources(args.data, args.books, alphabet))
        alone = estimate(folder / "alone.txt", args.kenlm, ORDER, "0 0 1 1")
        metrics = measure_perplexity(
            pack(alone, args.kenlm, folder / "alone.kenlm"), "transcripts alone", args.data, alphabet
        )
        words = folder / "all.words"
        words.write_text("\n".join(word for word, count in counts.items() if count >= MIN_WORD_COUNT and word != "<s>"))
        estimated = estimate(folder / "all.txt", args.kenlm, ORDER, MIN_COUNTS, ["--limit_vocab_file", words])
        pruned = folder / "pruned.arpa"
        num_ngrams = prune_arpa(estimated, pruned, ENTROPY_THRESHOLD, counts)
        pack(pruned, args.kenlm, target)
    metrics += measure_perplexity(target, "transcripts and books", args.data, alphabet)
    config = {
        "order": ORDER, "prune": MIN_COUNTS, "min_word_count": MIN_WORD_COUNT, "entropy_threshold": ENTROPY_THRESHOLD,
        "quantized_bits": [PROBABILITY_BITS, BACKOFF_BITS], "ngrams": num_ngrams,
    }  # fmt: skip
    write_row(NAME, target, data, config, metrics, {"words": len(ngram_lm.read_vocabulary(target)), "order": ORDER})


if __name__ == "__main__":
    main()
