"""Samples per second of the cached loop and of the naive way, at several depths, on every backend.

python benchmarks/generation.py [--backends tensorflow torch jax] [--counts] [--write benchmarks/results/speed/scripts/generation.json]

Naive is the network, compiled, on one receptive field per sample; widths are those of wavenet_small without conditioning.
Within a block the receptive field about doubles with each layer, so the ratio of the two should; each further block adds
the same to the field, and so to the ratio.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from child_process import run_child

from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json

DEPTHS = [(1, 6), (1, 7), (1, 8), (1, 9), (1, 10), (2, 10), (3, 10)]  # blocks, layers in a block
COUNTS = [1, 8]  # sounds generated at once
SMALL = {"residual_channels": 64, "dilation_channels": 64, "skip_channels": 128}
SECONDS, RATE = 0.25, 16000  # of a repeat


def load_wavenet(blocks: int, layers: int):
    """Return an untrained WaveNet with the widths of wavenet_small."""
    import kerasrecipes as kr

    return kr.load("wavenet", weights=None, compile=False, num_stacks=blocks, layers_per_stack=layers, **SMALL)


def make_naive_sampler(model) -> Callable[[float], None]:
    """Return a function that samples the next code at a quantile from the network's output on a whole receptive field."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
    import naive_wavenet

    field = model.receptive_field
    audio = np.random.default_rng(0).normal(size=(1, field)).astype("float32") * 0.1
    inputs = {"audio": audio, "length": np.array([field], "int32")}
    model.predict_logits(inputs)  # compiles
    return lambda quantile: naive_wavenet.sample_with_margin(model.predict_logits(inputs)[:, -1], np.array([quantile]), 1.0)


def make_generation(count: int, seconds: float = SECONDS) -> Callable[[], dict]:
    """Return a function that generates some sounds at once with 2 x 10 layers by the cached loop."""
    model = load_wavenet(2, 10)
    model.generate(seconds, seed=0, count=count)  # compiles

    def work() -> dict:
        model.generate(seconds, seed=1, count=count)
        return {"amount": count * seconds * RATE}

    return work


def make_naive_generation(samples: int) -> Callable[[], dict]:
    """Return a function that makes some samples the naive way with 2 x 10 layers."""
    sample = make_naive_sampler(load_wavenet(2, 10))

    def work() -> dict:
        for i in range(samples):
            sample((i + 0.5) / samples)
        return {"amount": samples}

    return work


def measure(pieces: int, naive_samples: int) -> dict[str, list[float]]:
    """{depth: [samples per second of the loop, of the naive way, receptive field]} on the running backend."""
    found = {}
    for blocks, layers in DEPTHS:
        model = load_wavenet(blocks, layers)
        model.generate(0.25, seed=0)  # compiles
        times, last = [], time.perf_counter()

        def lap(done: float, total: float, times: list = times) -> None:
            nonlocal last
            now = time.perf_counter()
            times.append(now - last)
            last = now

        model.generate(0.25 * pieces, seed=1, progress=lap)
        sample, slow = make_naive_sampler(model), []
        for i in range(naive_samples):
            begin = time.perf_counter()
            sample((i + 0.5) / naive_samples)
            slow.append(time.perf_counter() - begin)
        found[f"{blocks} x {layers} layers"] = [4000 / float(np.median(times)), 1 / float(np.median(slow)), model.receptive_field]
    return found


def measure_counts(pieces: int) -> dict[int, float]:
    """{sounds generated at once: samples per second of all} with 2 x 10 layers, in turns so that other programs disturb all alike."""
    model = load_wavenet(2, 10)
    times: dict[int, list[float]] = {count: [] for count in COUNTS}
    for piece in range(pieces + 1):
        for count in COUNTS:
            begin = time.process_time()
            model.generate(0.25, seed=piece, count=count)
            times[count].append(time.process_time() - begin)
    return {count: 4000 * count / min(times[count][1:]) for count in COUNTS}  # the first compiles


def growth(found: dict[str, list[float]]) -> dict[str, str]:
    """How the ratio grows within a block and over blocks, and how the receptive field does."""
    said = {}
    for kind, chosen in (
        ("layers of one block", [d for d in DEPTHS if d[0] == 1]),
        ("blocks of 10 layers", [d for d in DEPTHS if d[1] == 10]),
    ):
        rows = [found[f"{blocks} x {layers} layers"] for blocks, layers in chosen]
        numbers = [layers if kind.startswith("layers") else blocks for blocks, layers in chosen]
        said[f"{', '.join(map(str, numbers))} {kind}"] = (
            f"ratios {', '.join(f'{fast / slow:.0f}' for fast, slow, _ in rows)}; "
            f"receptive fields {', '.join(f'{field:,.0f}' for *_, field in rows)}"
        )
    return said


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pieces", type=int, default=8, help="of a quarter of a second")
    options.add_argument("--naive", type=int, default=30, help="samples made the naive way")
    options.add_argument("--backends", nargs="*", default=["tensorflow", "torch", "jax"])
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    options.add_argument("--counts", action="store_true", help="only compare one sound with several at once, by CPU time")
    options.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    o = options.parse_args()
    if o.here:
        print(json.dumps(measure_counts(o.pieces) if o.counts else measure(o.pieces, o.naive)))
        return
    figures = {}
    for backend in o.backends:
        arguments = [__file__, "--here", "--pieces", o.pieces, "--naive", o.naive, *["--counts"] * o.counts]
        found = run_child(arguments, KERAS_BACKEND=backend)
        if o.counts:
            for count, rate in found.items():
                figures[f"{backend}, {count} at once"] = f"{rate:.0f} samples a second, {rate / found['1']:.1f} times one"
            continue
        for depth, (fast, slow, _) in found.items():
            figures[f"{backend}, {depth}"] = (
                f"{fast:.0f} samples a second, {fast / slow:.0f} times the naive {slow:.1f}"
            )
        figures |= {f"{backend}, {name}": value for name, value in growth(found).items()}
    for name, value in figures.items():
        print(f"{name:32} {value}")
    if o.write:
        setting = f"one sound, 64 residual and 128 skip channels, medians, {hardware_summary()}"
        write_benchmark_json(o.write, "WaveNet: cached and naive generation", setting, figures)


if __name__ == "__main__":
    main()
