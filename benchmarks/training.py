"""Speed of training wav2letter_small: this trainer and `fit` on each backend, against a plain torch loop of the same network.

    python benchmarks/training.py [--backends torch tensorflow jax] [--steps 40]

All see the same batches of random clips of 2 to 12 s (180 s a batch), whose content does not matter for speed. Times are of steps
after the first pass over all shapes, in rounds that take turns, and are printed as multiples of real time and of the plain loop.
The plain loop has torch's own layers, CTC and AdamW. It has no masks, no running check and no average of the weights.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from child_process import run_child

from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json

RATE, BATCH_SECONDS, NUM_BATCHES, ROUNDS = 16000, 180.0, 4, 3
RECIPE = "wav2letter_small"
Batch = tuple[dict[str, np.ndarray], np.ndarray]


def make_batches() -> list[Batch]:
    """Return padded batches of noise with random labels, 14 letters a second."""
    rng, batches = np.random.default_rng(0), []
    for _ in range(NUM_BATCHES):
        longest = rng.uniform(4, 12)
        seconds = rng.uniform(0.6, 1.0, int(BATCH_SECONDS / longest)) * longest
        lengths = (seconds * RATE).astype("int32")
        audio = rng.normal(scale=0.1, size=(len(lengths), lengths.max())).astype("float32")
        audio *= np.arange(lengths.max()) < lengths[:, None]
        counts = (seconds * 14).astype(int)
        labels = rng.integers(1, 29, (len(lengths), counts.max())).astype("int32")
        labels *= np.arange(counts.max()) < counts[:, None]
        batches.append(({"audio": audio, "length": lengths}, labels))
    return batches


def seconds_of(batch: Batch) -> float:
    """Return the seconds of audio in a batch, without padding."""
    return float(batch[0]["length"].sum()) / RATE


def make_plain_step() -> Callable[[Batch], float]:
    """Return a training step of the same convolutions in plain torch."""
    import torch
    from torch import nn

    from kerasrecipes.layers.mfcc import mel_filterbank
    from kerasrecipes.registry import get_recipe

    config = get_recipe(RECIPE).config
    n_fft = 512
    mel = torch.tensor(mel_filterbank(config["n_mels"], n_fft // 2 + 1, RATE), dtype=torch.float32)
    window, modules, channels = torch.hann_window(config["win_length"]), [], config["n_mels"]
    for filters, kernel, stride in config["conv"]:
        modules += [nn.Conv1d(channels, filters, kernel, stride, -(-(kernel - stride) // 2)), nn.BatchNorm1d(filters), nn.ReLU()]
        channels = filters
    network = nn.Sequential(*modules, nn.Conv1d(channels, config["vocab_size"], 1))
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    strides = int(np.prod([stride for _, _, stride in config["conv"]]))

    def step(batch: Batch) -> float:
        inputs, labels = batch
        audio, lengths, targets = torch.tensor(inputs["audio"]), torch.tensor(inputs["length"]), torch.tensor(labels)
        spectrum = torch.stft(audio, n_fft, config["hop_length"], config["win_length"], window, return_complex=True).abs()
        features = torch.log((mel.T @ spectrum) + config["log_epsilon"])
        features = features - features.mean(2, keepdim=True)
        logits = network(features)
        frames = torch.clamp(lengths // config["hop_length"] // strides, max=logits.shape[2])
        log_probs = logits.permute(2, 0, 1).log_softmax(2)
        loss = nn.functional.ctc_loss(log_probs, targets, frames, (targets > 0).sum(1), reduction="sum", zero_infinity=True)
        loss = loss / (targets > 0).sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        return float(loss.detach())

    return step


def make_trainer_step() -> Callable[[Batch], float]:
    """Return a step as the trainer makes it: its optimizer, average of the weights and compiled function."""
    import keras

    import kerasrecipes as kr
    from kerasrecipes.training.config import config_for
    from kerasrecipes.training.optimizer import make_optimizer

    model = kr.load(RECIPE, weights=None, compile=False)
    model.compile(optimizer=make_optimizer(config_for(RECIPE, dtype_policy="float32")), auto_scale_loss=False)
    to_float = keras.ops.convert_to_numpy

    def step(batch: Batch) -> float:
        return float(to_float(model.train_on_batch(*batch)[0]))

    return step


def make_fit_step() -> Callable[[Batch], float]:
    """Return a step of `fit` with the task's own optimizer."""
    import kerasrecipes as kr

    model = kr.load(RECIPE, weights=None)
    return lambda batch: float(model.train_on_batch(*batch)[0])


STEPS = {"plain torch": make_plain_step, "trainer": make_trainer_step, "fit": make_fit_step}


def make_steps(name: str, steps: int) -> Callable[[], dict]:
    """Return a function that makes some steps in a way of `STEPS`, always on the same batches."""
    batches, step = make_batches()[:steps], STEPS[name]()
    for batch in batches:
        step(batch)  # compiles

    def work() -> dict:
        for batch in batches:
            step(batch)
        return {"amount": sum(map(seconds_of, batches))}

    return work


def measure(names: list[str], steps: int) -> dict[str, list[float]]:
    """Return {name: multiples of real time in each round}, the ways taking turns."""
    batches, ways = make_batches(), {name: STEPS[name]() for name in names}
    for way in ways.values():
        for batch in batches:
            way(batch)
    speeds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(ROUNDS):
        for name, way in ways.items():
            some = [batches[i % NUM_BATCHES] for i in range(number * steps, (number + 1) * steps)]
            begin = time.perf_counter()
            for batch in some:
                way(batch)
            speeds[name].append(sum(map(seconds_of, some)) / (time.perf_counter() - begin))
    return speeds


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--backends", nargs="*", default=["torch", "tensorflow", "jax"])
    options.add_argument("--steps", type=int, default=8, help="steps of each round")
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    options.add_argument("--here", nargs="*", help=argparse.SUPPRESS)
    o = options.parse_args()
    if o.here:
        print(json.dumps(measure(o.here, o.steps)))
        return
    figures, plain = {}, 0.0
    for backend in o.backends:
        names = ["plain torch", "trainer", "fit"] if backend == "torch" else ["trainer", "fit"]
        measured = run_child([__file__, "--steps", o.steps, "--here", *names], KERAS_BACKEND=backend)
        for name, speeds in measured.items():
            plain = plain or float(np.median(speeds))
            label = name if name == "plain torch" else f"{name} on {backend}"
            spread = f"{min(speeds):.0f} to {max(speeds):.0f}"
            figures[label] = f"{np.median(speeds):.0f} times real time ({spread}), {np.median(speeds) / plain:.2f} of the plain loop"
            print(f"{label:24} {figures[label]}", flush=True)
    if o.write:
        setting = f"{RECIPE} in float32, batches of {BATCH_SECONDS:.0f} s, medians of {ROUNDS} rounds, {hardware_summary()}"
        write_benchmark_json(o.write, "Training", setting, figures)


if __name__ == "__main__":
    main()
