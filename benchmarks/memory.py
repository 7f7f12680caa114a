"""Peak memory of a process that transcribes one file, for files of several lengths, and its ratio to the shortest.

python benchmarks/memory.py [--minutes 1 30 180] [--engines onnxruntime keras] [--recipe deepspeech2_small] [--decoder greedy]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from child_process import make_folder, run_child

import kerasrecipes as kr
from kerasrecipes.registry import ASSETS
from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json

RATE, RECIPE = 16000, "deepspeech2_small"


def write_speech(path: Path, minutes: float) -> None:
    """Write the demo recording again and again, with noise and pauses of other lengths."""
    speech, rng, missing = kr.load_audio(ASSETS / "demo.mp3"), np.random.default_rng(0), round(minutes * 60 * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        while missing > 0:
            part = np.concatenate([speech * rng.uniform(0.3, 1), np.zeros(rng.integers(4000, 16000))])[:missing]
            file.write((part + 0.003 * rng.normal(size=len(part))).astype("float32"))
            missing -= len(part)


def peak_mib() -> float:
    """Return the largest resident memory of this process so far."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def transcribe(path: str, recipe: str, engine: str, decoder: str | None) -> dict[str, float]:
    """Transcribe in this process, and return its peak before and after, the words and the seconds."""
    model = kr.load(recipe, compile=False, engine=engine)
    loaded, begin = peak_mib(), time.perf_counter()
    words = model.transcribe(path, **({"decoder": decoder} if decoder else {})).words
    return {"loaded": loaded, "peak": peak_mib(), "words": len(words), "seconds": time.perf_counter() - begin}


def run_transcription(path: Path, recipe: str, engine: str, decoder: str | None) -> dict[str, float]:
    """Return what `transcribe` returns in a process of its own."""
    return run_child([__file__, "--recipe", recipe, "--here", path, engine, *(["--decoder", decoder] if decoder else [])])


def make_peak(engine: str, minutes: float, recipe: str = RECIPE, decoder: str | None = "greedy") -> Callable[[], dict]:
    """Return a function that measures the peak in MiB of a process that transcribes a file of some minutes."""
    path = make_folder() / "speech.flac"
    write_speech(path, minutes)
    return lambda: {"value": run_transcription(path, recipe, engine, decoder)["peak"]}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, nargs="*", default=[1.0, 30.0, 180.0])
    options.add_argument("--engines", nargs="*", default=["onnxruntime", "keras"])
    options.add_argument("--recipe", default=RECIPE)
    options.add_argument("--decoder", help="default: the recipe's, with its language model")
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    options.add_argument("--here", nargs=2, metavar=("FILE", "ENGINE"), help=argparse.SUPPRESS)
    o = options.parse_args()
    if o.here:
        print(json.dumps(transcribe(o.here[0], o.recipe, o.here[1], o.decoder)))
        return
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for minutes in o.minutes:
            path = Path(folder) / f"{minutes:g}.flac"
            write_speech(path, minutes)
            for engine in o.engines:
                found = run_transcription(path, o.recipe, engine, o.decoder)
                first = figures.setdefault((engine, o.minutes[0]), found)
                figures[engine, minutes] = found
                ratio = found["peak"] / first["peak"]
                print(f"{engine}, {minutes:g} minutes: {found['peak']:.0f} MiB, {ratio:.2f} times that of {o.minutes[0]:g}", flush=True)
    if o.write:
        rows = {
            f"{engine}, {minutes:g} minutes": f"{row['peak']:.0f} MiB, {row['loaded']:.0f} MiB of them before the file was read; "
            f"{row['words']:.0f} words in {row['seconds']:.0f} s"
            for (engine, minutes), row in figures.items()
        }
        setting = f"{o.recipe}, {o.decoder or 'the default decoder'}, peak of one process, {hardware_summary()}"
        write_benchmark_json(o.write, "Memory of long recordings", setting, rows)


if __name__ == "__main__":
    main()
