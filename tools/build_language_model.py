"""Build the bundled n-gram language model and its manifest entry with KenLM's programs.

    python tools/build_language_model.py --kenlm KENLM/build/bin --data PATH

PyPI's kenlm has no programs: unpack its source distribution, then (with the system's Boost and zlib)
`cmake -B build -DCMAKE_BUILD_TYPE=Release && make -C build lmplz build_binary`. Users need only the file.

The text is the transcripts of train-clean-100 and public-domain books. It contains no test text: the sentences of the
held-out Arctic prompts are excluded here, and the list of books excludes works that LibriSpeech's development and test sets
read.
"""

import argparse
import datetime
import subprocess
import sys
import tempfile
from pathlib import Path

from kerasrecipes.data import load_datasets, load_text_datasets
from kerasrecipes.decoding import Alphabet, ngram_lm
from kerasrecipes.hub import manifest
from kerasrecipes.release.from_run import DATASET_LICENSES
from kerasrecipes.utils.environment import git_commit
from kerasrecipes.utils.files import sha256_file

NAME, ORDER, PRUNE, BITS = "librispeech_small", 4, "0 0 1 1", 8  # trigrams and four-grams that occur once are dropped
SOURCES = ("librispeech_train_clean_100_transcripts.tsv", "books.txt.xz")
SPEAKERS = {"dev-mini-tune": (84, 174, 422, 1272, 1462), "dev-mini-report": (251, 652, 777, 1673, 1919)}


def build(texts: list[str], programs: Path, target: Path, folder: Path, prune: str) -> Path:
    """Build a quantized KenLM binary from lines of text."""
    lines, arpa = folder / "lines.txt", folder / "model.arpa"
    lines.write_text("\n".join(texts) + "\n")
    estimate = [programs / "lmplz", "-o", str(ORDER), "--prune", *prune.split(), "-S", "2G", "-T", folder]
    subprocess.run([*estimate, "--text", lines, "--arpa", arpa], check=True, stderr=subprocess.DEVNULL)
    partial = target.with_suffix(".partial")
    pack = [programs / "build_binary", "-q", str(BITS), "-b", str(BITS), "-a", "22", "trie", arpa, partial]
    subprocess.run(pack, check=True, stderr=subprocess.DEVNULL)
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
                    "decoder": "none", "command": "python tools/build_language_model.py --kenlm PROGRAMS --data PATH",
                    "date": datetime.date.today().isoformat(),
                }
            )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kenlm", type=Path, required=True, help="folder with lmplz and build_binary")
    parser.add_argument("--data", type=Path, required=True, help="folder with text/ and LibriSpeech/dev-mini")
    args = parser.parse_args()
    alphabet, sets, data = Alphabet(), [], []
    for source in SOURCES:
        lines = load_text_datasets([f"text:{args.data}/text/{source}?exclude=arctic_heldout_texts"])
        sets.append([alphabet.normalize(line) for line in lines])
        size = {"characters": sum(map(len, sets[-1])), "words": sum(len(line.split()) for line in sets[-1])}
        data.append({"name": source, **size, "license": DATASET_LICENSES[source], "synthetic": False})
    target = manifest.weights_folder() / f"{NAME}.kenlm"
    with tempfile.TemporaryDirectory() as folder:
        alone = build(sets[0], args.kenlm, Path(folder) / "alone.kenlm", Path(folder), "0 0 1 1")
        metrics = measure_perplexity(alone, "transcripts alone", args.data, alphabet)
        build([line for lines in sets for line in lines], args.kenlm, target, Path(folder), PRUNE)
    metrics += measure_perplexity(target, "transcripts and books", args.data, alphabet)
    row = manifest.WeightsEntry(
        recipe=NAME, tag=datetime.date.today().isoformat(), file=target.name, size=target.stat().st_size,
        sha256=sha256_file(target), bundled=True, license="; ".join(d["license"] for d in data), data=tuple(data),
        training={
            "config": {"order": ORDER, "prune": PRUNE, "quantized_bits": BITS, "estimator": "modified Kneser-Ney (lmplz)"},
            "seed": 0, "steps": 1, "hardware": "any: the counts are exact", "commit": git_commit(),
        },
        metrics=tuple(metrics), keras=None, model={"words": len(ngram_lm.read_vocabulary(target)), "order": ORDER},
    )  # fmt: skip
    print(manifest.write_entry(row), file=sys.stderr)
    for m in metrics:
        print(f"{m['dataset']:60} {m['metric']:28} {m['value']}")


if __name__ == "__main__":
    main()
