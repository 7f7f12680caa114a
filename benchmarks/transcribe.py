"""Speed and memory of transcribing, as ratios measured in one run.

python benchmarks/transcribe.py [--seconds 4] [--calls 1000]
"""

import argparse
import gc
import time
from pathlib import Path

import keras
import numpy as np
import psutil

import kerasrecipes as kr
from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json

CLIP = Path(kr.__file__).parent / "assets" / "demo.mp3"


def median_seconds(function, runs: int) -> float:
    function()
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=10)
    options.add_argument("--calls", type=int, default=1000)
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    o = options.parse_args()
    model = kr.load("deepspeech2_small")
    wave = kr.load_audio(CLIP)
    seconds = len(wave) / 16000
    inputs = {"audio": wave[None], "length": np.array([len(wave)], "int32")}
    whole = median_seconds(lambda: model.transcribe(CLIP), o.runs)
    greedy = median_seconds(lambda: model.transcribe(CLIP, decoder="greedy"), o.runs)
    ways = {
        "compiled (transcribe's own)": median_seconds(lambda: model.predict_logits(inputs), o.runs),
        "predict": median_seconds(lambda: model.predict(inputs, verbose=0), max(o.runs // 3, 2)),
        "eager call": median_seconds(lambda: model(inputs, training=False), max(o.runs // 3, 2)),
    }
    many = [CLIP] * 40
    batch = median_seconds(lambda: model.transcribe(many), 2)
    fastest = ways["compiled (transcribe's own)"]
    figures = {
        f"file to text, one clip of {seconds:.1f} s": f"{whole / seconds:.4f} of real time",
        "the same, decoder greedy": f"{greedy / seconds:.4f} of real time",
        "file to text, 40 clips in one call": f"{batch / seconds / 40:.4f} of real time",
        **{f"scores, {name}": f"{value / fastest:.1f} times the compiled call" for name, value in ways.items()},
    }
    process = psutil.Process()
    lengths = np.random.default_rng(0).integers(16000, len(wave), o.calls)
    for i, n in enumerate(lengths):
        model.transcribe(wave[:n], sample_rate=16000)
        if i == o.calls // 10:
            gc.collect()
            start = process.memory_info().rss
    gc.collect()
    grown = (process.memory_info().rss - start) / 1e6
    figures[f"memory over the last {o.calls - o.calls // 10} of {o.calls} calls"] = f"{grown:+.1f} MB"
    for name, value in figures.items():
        print(f"{name:44} {value}")
    if o.write:
        write_benchmark_json(o.write, "Transcribing", f"{keras.config.backend()}, {hardware_summary()}", figures)


if __name__ == "__main__":
    main()
