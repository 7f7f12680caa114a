r"""Build the bundled phoneme n-gram language model and its manifest entry with KenLM's programs.

    python tools/build_phoneme_model.py --kenlm KENLM/build/bin --data PATH

build_language_model.py says how to get KenLM's programs. Users need only the file.

The text is the transcripts of train-clean-100 and public-domain books, each word in its first pronunciation of CMUdict. Sentences
with a word that CMUdict lacks are left out, as are the sentences of the held-out Arctic prompts. A sentence has no silences:
the search for phonemes leaves them out of the history.
"""

import argparse
import datetime
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from build_language_model import SPEAKERS, estimate, read_shared_sources, write_row
from clean_books import skip_repeated

from kerasrecipes.data import load_datasets
from kerasrecipes.data_prep.pronunciation import list_cmudict_pronunciations
from kerasrecipes.decoding import Alphabet
from kerasrecipes.decoding.phoneme_beam_search import HistoryTable
from kerasrecipes.decoding.phoneme_ngrams import COMPACT_SUFFIX, PhonemeNgrams, read_phoneme_ngrams, save_phoneme_ngrams
from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.hub import manifest
from kerasrecipes.release.from_run import DATASET_LICENSES

NAME, ORDER = "phonemes_small", 8
MIN_COUNTS = "0 0 0 2 5 10 15 20"  # for lmplz: 4-grams up to two times are dropped, 5-grams up to five times, and so on
COMMAND = "python tools/build_phoneme_model.py --kenlm PROGRAMS --data PATH"


def pronounce_sentence(sentence: str) -> str | None:
    """Return the phonemes of a sentence, or None if CMUdict lacks a word."""
    phonemes: list[str] = []
    for word in sentence.split():
        known = list_cmudict_pronunciations(word)
        if not known:
            return None
        phonemes += known[0]
    return " ".join(phonemes) or None


def write_phonemes(path: Path, data: Path) -> list[dict]:
    """Write the phonemes of all sentences to a file, and return the sources' entries in the manifest."""
    alphabet, seen, entries = Alphabet(), set[int](), []
    with path.open("w") as output:
        for name, sentences in read_shared_sources(data, alphabet):
            num_words = num_phonemes = 0
            for sentence in skip_repeated(sentences, seen):
                if phonemes := pronounce_sentence(sentence):
                    output.write(phonemes + "\n")
                    num_words += len(sentence.split())
                    num_phonemes += phonemes.count(" ") + 1
            sizes = {"words": num_words, "phonemes": num_phonemes}
            entries.append({"name": name, **sizes, "license": DATASET_LICENSES[name], "synthetic": False})
            print(f"{name}: {num_phonemes:,} phonemes", file=sys.stderr)
    return entries


def score_sentences(ngrams: PhonemeNgrams, phonemes: PhonemeSet, sentences: Iterator[str]) -> np.ndarray:
    """Return the log probability of every phoneme of sentences."""
    table, scores = HistoryTable(ngrams), []
    for sentence in sentences:
        row = table.get_row(ngrams.start)
        for column in phonemes.encode(sentence) - 1:
            scores.append(table.log_probs[row, column])
            row = int(table.follow(np.array([row]), np.array([column]))[0])
    return np.array(scores)


def measure_perplexity(ngrams: PhonemeNgrams, phonemes: PhonemeSet, data: Path) -> list[dict]:
    """Return the perplexity on the transcripts of both halves of dev-mini, as manifest metrics."""
    alphabet, rows = Alphabet(), []
    for split, speakers in SPEAKERS.items():
        utterances = load_datasets([f"librispeech:{data}/LibriSpeech/dev-mini"], [str(s) for s in speakers])
        sentences = (pronounce_sentence(alphabet.normalize(u.text)) for u in utterances)
        scores = score_sentences(ngrams, phonemes, (sentence for sentence in sentences if sentence))
        rows.append(
            {
                "dataset": f"{split}, {len(scores)} phonemes", "split": split, "metric": "perplexity",
                "value": round(float(np.exp(-scores.mean())), 4), "decoder": "none", "command": COMMAND,
                "date": datetime.date.today().isoformat(),
            }
        )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kenlm", type=Path, required=True, help="folder with lmplz")
    parser.add_argument("--data", type=Path, required=True, help="folder with text/ and LibriSpeech/dev-mini")
    args = parser.parse_args()
    target, phonemes = manifest.weights_folder() / f"{NAME}{COMPACT_SUFFIX}", PhonemeSet()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "phonemes.txt"
        data = write_phonemes(text, args.data)
        arpa = estimate(text, args.kenlm, ORDER, MIN_COUNTS, ["--discount_fallback"])
        save_phoneme_ngrams(target, read_phoneme_ngrams(arpa, phonemes))
    ngrams = read_phoneme_ngrams(target, phonemes)
    metrics = measure_perplexity(ngrams, phonemes, args.data)
    config = {"order": ORDER, "prune": MIN_COUNTS, "ngrams": sum(len(numbers) for numbers, _, _ in ngrams.orders)}
    write_row(NAME, target, data, config, metrics, {"phonemes": len(phonemes.symbols) - 1, "order": ORDER})


if __name__ == "__main__":
    main()
