"""Ascent of one unit of SqueezeNet, 1,000 steps, and the strongest patches of 10,000 small pictures: seconds and memory.

python benchmarks/visualize.py [--steps 1000] [--pictures 10000] [--write benchmarks/results/visualize.json]

Each runs in a process of its own, whose largest resident memory is that of the whole process, the backend included. The pictures
are files of noise in blocks, 32 x 32; zfnet_small looks at them, all layers that end a stage at once.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json


def memory() -> float:
    """The largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ascent(steps: int) -> dict[str, str]:
    """One unit of SqueezeNet from one random start, on the whole picture and on what it sees: the default preset's regularisation
    with steps of 8 grey levels (rate="normalized", gain=8)."""
    import kerasrecipes as kr
    from kerasrecipes import visualize

    model = kr.load("squeezenet", compile=False)
    found = {}
    for unit, whole in (("scores:flamingo", True), ("fire5:17", False)):
        begin = time.perf_counter()
        visualize.synthesize(model, unit, starts=1, steps=steps, rate="normalized", gain=8, whole=whole)
        found[f"squeezenet, {unit}"] = f"{steps:,} steps in {time.perf_counter() - begin:.1f} s, compiling included"
    return found


def scan(count: int) -> dict[str, str]:
    """Nine strongest patches of every map of zfnet_small over a folder of pictures."""
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
        before, begin = memory(), time.perf_counter()
        found = find_top_activations(model, folder, layers)
        seconds = time.perf_counter() - begin
    maps = sum(len(m.values) for m in found.values())
    return {
        f"zfnet_small, top 9 of {maps} maps over {count:,} pictures": f"{seconds:.0f} s, {count / seconds:.0f} pictures a second; "
        f"{memory():.0f} MiB for the whole process, {before:.0f} before the scan"
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--steps", type=int, default=1000, help="of the ascent")
    options.add_argument("--pictures", type=int, default=10_000, help="of the scan")
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    options.add_argument("--here", choices=("ascent", "scan"), help=argparse.SUPPRESS)
    o = options.parse_args()
    if o.here:
        print(json.dumps(ascent(o.steps) if o.here == "ascent" else scan(o.pictures)))
        return
    figures: dict[str, str] = {}
    for part in ("ascent", "scan"):
        command = [sys.executable, __file__, "--here", part, "--steps", str(o.steps), "--pictures", str(o.pictures)]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        for name, value in json.loads(out.splitlines()[-1]).items():
            figures[name] = value
            print(f"{name}: {value}", flush=True)
    if o.write:
        import keras

        write_benchmark_json(
            o.write, "Looking into networks", f"{keras.config.backend()}; {hardware_summary()}", figures
        )


if __name__ == "__main__":
    main()
