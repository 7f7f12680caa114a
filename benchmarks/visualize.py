"""Gradient ascent for units of SqueezeNet, and top activations over 10,000 small images: seconds and memory.

python benchmarks/visualize.py [--steps 1000] [--images 10000] [--write benchmarks/results/speed/scripts/visualize.json]

Each part runs in its own process, whose peak resident memory includes the backend. The images are files of block noise, 32 x 32,
which zfnet_small scans for all layers that end a stage at once.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from child_process import run_child

from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json


def peak_memory() -> float:
    """Return the peak resident memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_ascent(steps: int) -> dict[str, str]:
    """Measure one unit and one random start, on the whole image and on the receptive field, with steps of 8 gray levels."""
    import kerasrecipes as kr
    from kerasrecipes import visualize

    model = kr.load("squeezenet", compile=False)
    figures = {}
    for unit, whole_input in (("scores:flamingo", True), ("fire5:17", False)):
        start = time.perf_counter()
        visualize.synthesize(
            model, unit, num_restarts=1, steps=steps, step_policy="normalized", target_gain=8, whole_input=whole_input
        )
        figures[f"squeezenet, {unit}"] = f"{steps:,} steps in {time.perf_counter() - start:.1f} s with compilation"
    return figures


def measure_scan(count: int) -> dict[str, str]:
    """Measure the nine top activations of every channel of zfnet_small over a folder of images."""
    from PIL import Image

    import kerasrecipes as kr
    from kerasrecipes.experiments.linear_probes import stage_outputs
    from kerasrecipes.visualize.top_patches import find_top_activations

    model = kr.load("zfnet_small", compile=False)
    layers = stage_outputs(model)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            blocks = rng.integers(0, 256, (8, 8, 3), "uint8").repeat(4, 0).repeat(4, 1)
            Image.fromarray(blocks).save(Path(folder) / f"{i:05}.png")
        memory, start = peak_memory(), time.perf_counter()
        tops = find_top_activations(model, folder, layers)
        seconds = time.perf_counter() - start
    channels = sum(len(top.values) for top in tops.values())
    return {
        f"zfnet_small, top 9 of {channels} channels over {count:,} images": f"{seconds:.0f} s, {count / seconds:.0f} images a second; "
        f"{peak_memory():.0f} MiB for the whole process, {memory:.0f} before the scan"
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000, help="steps of the ascent")
    parser.add_argument("--images", type=int, default=10_000, help="number of scanned images")
    parser.add_argument("--write", type=Path, help="also write the figures as JSON")
    parser.add_argument("--part", choices=("ascent", "scan"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(measure_ascent(args.steps) if args.part == "ascent" else measure_scan(args.images)))
        return
    figures: dict[str, str] = {}
    for part in ("ascent", "scan"):
        measured = run_child([__file__, "--part", part, "--steps", args.steps, "--images", args.images])
        for name, value in measured.items():
            figures[name] = value
            print(f"{name}: {value}", flush=True)
    if args.write:
        import keras

        setting = f"{keras.config.backend()}; {hardware_summary()}"
        write_benchmark_json(args.write, "Visualization", setting, figures)


if __name__ == "__main__":
    main()
