"""Time of loss and gradient, ASG beside CTC, on every backend: interleaved runs, as ratios.

python benchmarks/criteria.py [--runs 7] [--backends tensorflow jax torch]

The sizes are those of the Wav2Letter paper's table (arXiv 1609.03193): 150 frames with 40 labels, 700 with 200. Its own
times stand beside ours.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json

LETTERS = 30
SIZES = [(batch, frames, labels) for frames, labels in ((150, 40), (700, 200)) for batch in (1, 4, 8)]

# the paper's milliseconds at these sizes: its ASG on a CPU, Baidu's CTC on a CPU and on a graphics card
PAPER = dict(zip(SIZES, (
    (2.5, 1.9, 5.9), (2.8, 2.0, 6.0), (2.8, 2.0, 6.1), (16.0, 40.9, 97.9), (17.7, 41.6, 99.6), (19.2, 41.7, 100.3),
), strict=True))  # fmt: skip


def named(batch: int, frames: int, labels: int) -> str:
    """A size in words."""
    return f"batch {batch}, {frames} frames, {labels} labels"


def example(batch: int, frames: int, labels: int) -> tuple:
    """Labels without equal neighbors (ASG has none, and CTC then needs no blank between), scores, lengths, transitions."""
    rng = np.random.default_rng(0)
    steps = rng.integers(1, LETTERS - 1, (batch, labels))
    numbers = 1 + np.cumsum(steps, axis=1) % (LETTERS - 1)
    scores = rng.normal(size=(batch, frames, LETTERS)).astype("float32")
    transitions = rng.normal(size=(LETTERS, LETTERS)).astype("float32")
    return numbers.astype("int32"), scores, np.full(batch, frames, "int32"), transitions


def with_gradient(loss, scores, transitions):
    """A function of nothing that computes the summed loss and its gradients by the running backend's compiled means."""
    import keras

    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function
        def both(s, g):
            with tf.GradientTape() as tape:
                tape.watch([s, g])
                total = tf.reduce_sum(loss(s, g))
            return tape.gradient(total, [s, g])

        values = tf.constant(scores), tf.constant(transitions)
        return lambda: both(*values)[0].numpy()
    if keras.config.backend() == "jax":
        import jax

        both = jax.jit(jax.grad(lambda s, g: loss(s, g).sum(), argnums=(0, 1)))
        values = jax.device_put(scores), jax.device_put(transitions)
        return lambda: jax.block_until_ready(both(*values))
    import torch

    s, g = (torch.tensor(v, requires_grad=True) for v in (scores, transitions))
    return lambda: torch.autograd.grad(loss(s, g).sum(), [s, g], allow_unused=True)


def measure(runs: int) -> dict[str, list[float]]:
    """{size: [median seconds of ASG, of CTC]} on the running backend."""
    from kerasrecipes.losses.asg import asg_loss
    from kerasrecipes.losses.ctc import ctc_loss

    found = {}
    for size in SIZES:
        labels, scores, lengths, transitions = example(*size)
        ways = [
            with_gradient(lambda s, g, y=labels, n=lengths: asg_loss(y, s, n, g), scores, transitions),
            with_gradient(lambda s, g, y=labels, n=lengths: ctc_loss(y, s, n), scores, transitions),
        ]
        times: list[list[float]] = [[], []]
        for run in range(runs + 1):
            for way, kept in zip(ways, times, strict=True):
                begin = time.perf_counter()
                way()
                if run:  # the first one compiles
                    kept.append(time.perf_counter() - begin)
        found[named(*size)] = [float(np.median(kept)) for kept in times]
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=7)
    options.add_argument("--backends", nargs="*", default=["tensorflow", "jax", "torch"])
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    options.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    o = options.parse_args()
    if o.here:
        print(json.dumps(measure(o.runs)))
        return
    figures = {}
    for backend in o.backends:
        env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, __file__, "--here", "--runs", str(o.runs)]
        out = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
        for size, (asg, ctc) in json.loads(out.splitlines()[-1]).items():
            figures[f"{backend}, {size}"] = f"ASG {1000 * asg:.1f} ms, {asg / ctc:.3g} of CTC's {1000 * ctc:.1f} ms"
    for size, (asg, ctc, card) in PAPER.items():
        figures[f"the paper's C, {named(*size)}"] = (
            f"ASG {asg:.1f} ms, {asg / ctc:.3g} of CTC's {ctc:.1f} ms (on a graphics card {card:.1f} ms)"
        )
    for name, value in figures.items():
        print(f"{name:48} {value}")
    if o.write:
        setting = f"loss and gradient, {LETTERS} letters, medians of {o.runs} interleaved runs, {hardware_summary()}"
        write_benchmark_json(o.write, "ASG and CTC", setting, figures)


if __name__ == "__main__":
    main()
