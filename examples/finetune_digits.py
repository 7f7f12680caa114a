"""Fine-tune deepspeech2_small on spoken digits, beside the same training from random numbers.

    python examples/finetune_digits.py --data PATH/fsdd                # all training digits, from the released weights
    python examples/finetune_digits.py --data PATH/fsdd --share 0.1    # a tenth of them
    python examples/finetune_digits.py --data PATH/fsdd --table        # 10, 50 and 100 %, also from random numbers

The Free Spoken Digit Dataset: 3,000 files `{digit}_{speaker}_{index}.flac`, 8 kHz; by its convention index 0-4 is the
test set. The texts are the digits' English names, so that the pretrained alphabet stays.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np

import kerasrecipes as kr
from kerasrecipes.hub import manifest
from kerasrecipes.utils.environment import hardware_summary

TAG = manifest.get_entry("deepspeech2_small").tag
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def digits(folder: Path) -> tuple[kr.data.Utterances, kr.data.Utterances]:
    """(training, test) utterances."""
    parts: tuple[list, list] = ([], [])
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".flac", ".wav")):
        digit, speaker, index = path.stem.split("_")
        parts[int(index) < 5].append(kr.data.Utterance(path.stem, str(path), NAMES[int(digit)], speaker, source="fsdd"))
    return kr.data.Utterances(parts[0]), kr.data.Utterances(parts[1])


def accuracy(model: keras.Model, test: kr.data.Utterances) -> float:
    """Share of test clips whose digit is named: the most probable of the ten names under CTC."""
    from kerasrecipes.audio import load_audio
    from kerasrecipes.inference.transcribe import batch_logits
    from kerasrecipes.losses.ctc import ctc_loss

    labels = [model.alphabet.encode(name) for name in NAMES]
    padded = np.zeros((10, max(map(len, labels))), "int32")
    for row, label in zip(padded, labels, strict=True):
        row[: len(label)] = label
    right = 0
    for i in range(0, len(test), 50):
        part = test[i : i + 50]
        for u, logits in zip(part, batch_logits(model, [load_audio(x.path) for x in part]), strict=True):
            losses = ctc_loss(padded, np.repeat(logits[None], 10, axis=0), np.full(10, len(logits)))
            fits = len(logits) >= np.array([len(x) + np.sum(x[1:] == x[:-1]) for x in labels])
            losses = np.where(fits, keras.ops.convert_to_numpy(losses), np.inf)
            right += NAMES[int(np.argmin(losses))] == u.text
    return right / len(test)


def tune(train: kr.data.Utterances, test: kr.data.Utterances, scratch: bool, epochs: int, rate: float) -> str:
    """Train on digits and say how many of the test's are right."""
    keras.utils.set_random_seed(0)
    # digits last 0.4 s: half the hop of the spectrogram gives their names frames enough for CTC
    model = kr.load("deepspeech2_small", **({"weights": None} if scratch else {}), hop_length=80)
    model.compile(keras.optimizers.AdamW(rate, global_clipnorm=5.0))
    before = accuracy(model, test)
    begin = time.time()
    model.fit(train, epochs=epochs, batch_seconds=24, verbose=2)
    minutes = (time.time() - begin) / 60
    right = accuracy(model, test)
    return f"{100 * right:.1f} % of {len(test)} test digits right ({100 * before:.1f} % before) after {minutes:.1f} minutes"


def record(path: Path, setting: str, name: str, value: str) -> None:
    """Add a figure to a JSON file; those of earlier weights go."""
    known = json.loads(path.read_text())["figures"] if path.exists() else {}
    kept = {n: v for n, v in known.items() if n.startswith((f"weights of {TAG},", "random"))}
    content = {"title": "Fine-tuning on spoken digits", "setting": setting, "figures": {**kept, name: value}}
    path.write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--share", type=float, default=1.0, help="of the training digits")
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--rate", type=float, default=5e-4)
    options.add_argument("--scratch", action="store_true", help="begin from random numbers")
    options.add_argument(
        "--table", action="store_true", help="10, 50 and 100 %% of the digits, from weights and from random numbers"
    )
    options.add_argument("--write", type=Path, help="add the figures to this JSON file")
    o = options.parse_args()
    all_of, test = digits(o.data)
    order = np.random.default_rng(0).permutation(len(all_of))
    runs = [(s, b) for s in (0.1, 0.5, 1.0) for b in (False, True)] if o.table else [(o.share, o.scratch)]
    for share, scratch in runs:
        keras.utils.clear_session()
        train = kr.data.Utterances(all_of[int(i)] for i in order[: int(share * len(all_of))])
        value = tune(train, test, scratch, o.epochs, o.rate)
        name = f"{'random numbers' if scratch else f'weights of {TAG}'}, {len(train)} digits ({100 * share:.0f} %)"
        print(f"{name}: {value}")
        if o.write:
            record(o.write, f"{o.epochs} passes over FSDD, {hardware_summary()}", name, value)


if __name__ == "__main__":
    main()
