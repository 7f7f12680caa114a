"""Time of loss and gradient, ASG beside CTC, on every backend: interleaved runs, as ratios.

python benchmarks/criteria.py [--runs 7] [--backends tensorflow jax torch]

The sizes are those of the Wav2Letter paper's table (arXiv 1609.03193): 150 frames with 40 labels, 700 with 200. Its own
times stand beside ours.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from child_process import Unavailable, run_child

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


def make_torch_ctc(labels, scores, lengths, transitions) -> Callable:
    """Return torch's own CTC as a function of the logits."""
    import torch

    targets, counts = torch.tensor(labels), torch.full((len(labels),), labels.shape[1])
    return lambda s, g: torch.nn.functional.ctc_loss(
        s.permute(1, 0, 2).log_softmax(2), targets, torch.tensor(lengths), counts, reduction="none"
    )


def make_original_asg(labels, scores, lengths, transitions) -> Callable:
    """Return the ASG of Wav2Letter's authors on a CPU, as their package flashlight-sequence has it."""
    try:
        import torch
        from flashlight.lib.sequence.criterion import CriterionScaleMode, FACFunction, FCCFunction
    except ImportError:
        raise Unavailable("flashlight-sequence is not installed: compile it from github.com/flashlight/sequence") from None
    targets, counts = torch.tensor(labels) - 1, torch.full((len(labels),), labels.shape[1], dtype=torch.int32)
    scale = CriterionScaleMode.NONE

    def loss(s, g):
        to_from = g.T.contiguous()  # their rows are the letters that a step goes to
        return FCCFunction.apply(s, counts, to_from, scale) - FACFunction.apply(s, targets, counts, to_from, scale)

    return loss


def make_package_asg(labels, scores, lengths, transitions) -> Callable:
    """Return this package's ASG."""
    from kerasrecipes.losses.asg import asg_loss

    return lambda s, g: asg_loss(labels, s, lengths, g)


def make_package_ctc(labels, scores, lengths, transitions) -> Callable:
    """Return this package's CTC."""
    from kerasrecipes.losses.ctc import ctc_loss

    return lambda s, g: ctc_loss(labels, s, lengths)


LOSSES = {"torch ctc": make_torch_ctc, "original asg": make_original_asg, "asg": make_package_asg, "ctc": make_package_ctc}


def make_loss_runs(loss: str, size: tuple[int, int, int], runs: int) -> Callable[[], dict]:
    """Return a function that computes a loss of `LOSSES` and its gradients some times."""
    inputs = example(*size)
    compute = with_gradient(LOSSES[loss](*inputs), inputs[1], inputs[3])
    compute()  # compiles

    def work() -> dict:
        for _ in range(runs):
            compute()
        return {"amount": runs}

    return work


def measure(runs: int) -> dict[str, list[float]]:
    """{size: [median seconds of ASG, of CTC]} on the running backend."""
    found = {}
    for size in SIZES:
        inputs = example(*size)
        ways = [with_gradient(LOSSES[loss](*inputs), inputs[1], inputs[3]) for loss in ("asg", "ctc")]
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
        for size, (asg, ctc) in run_child([__file__, "--here", "--runs", o.runs], KERAS_BACKEND=backend).items():
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
