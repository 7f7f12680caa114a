"""Many files: several workers against one, memory of each, and what the many-file path costs per file.

python benchmarks/many_files.py --data librispeech-folder
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import soundfile
from child_process import make_folder
from PIL import Image

from kerasrecipes import batch
from kerasrecipes.audio import audio_files, load_audio
from kerasrecipes.batch import local_runner
from kerasrecipes.batch.inputs import list_inputs
from kerasrecipes.registry import ASSETS

SPEECH, PICTURES = "deepspeech2_small", "convnetjs_mnist"
WAYS = {"1 worker, 1 thread": (1, 1), "1 worker, all threads": (1, None), "workers of 1 thread": ("auto", 1)}
KILLED_AT = 0.5  # of the files
PLAIN = """
import sys, time
import kerasrecipes as kr
from pathlib import Path
begin = time.perf_counter()
model = kr.load(sys.argv[1], engine="onnxruntime")
files = sorted(str(p) for p in Path(sys.argv[2]).rglob("*.*"))
{call}
print(time.perf_counter() - begin)
"""
PLAIN_CLASSIFY = PLAIN.format(call="model.classify(files)")
PLAIN_TRANSCRIBE = PLAIN.format(call='model.transcribe(files, decoder="greedy")')
CLIPS, RATE = 16, 16000  # different clips of a second


def write_clips(folder: Path, count: int) -> None:
    """Write files of one second, names of a few different parts of the demo recording."""
    speech = load_audio(ASSETS / "demo.mp3")
    for i in range(count):
        path = folder / f"{i // 1000:03}" / f"{i:06}.flac"
        path.parent.mkdir(exist_ok=True)
        if i < CLIPS:
            start = i * (len(speech) - RATE) // CLIPS
            soundfile.write(path, speech[start : start + RATE], RATE)
        else:
            os.link(folder / "000" / f"{i % CLIPS:06}.flac", path)


def make_clip_run(count: int, way: str) -> Callable[[], dict]:
    """Return a function that transcribes clips of a second in a new process.

    Args:
        count: Number of clips.
        way: "list" passes a list to `transcribe`, "command" runs `kerasrecipes transcribe FOLDER --output` with a worker.
    """
    folder = make_folder()
    write_clips(folder, count)
    options = ["--recipe", SPEECH, "--engine", "onnxruntime", "--workers", "1", "--decoder", "greedy"]

    def work() -> dict:
        with tempfile.TemporaryDirectory() as out:
            arguments = ["-c", PLAIN_TRANSCRIBE, SPEECH, str(folder)]
            if way == "command":
                arguments = ["-m", "kerasrecipes", "transcribe", str(folder), *options, "--output", out]
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        return {"amount": count}

    return work


class Memory:
    """The most that a worker of this process holds, in bytes, looked at every tenth of a second."""

    def __enter__(self):
        self.most, self.over = 0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()
        return self

    def look(self):
        while not self.over.wait(0.1):
            for child in psutil.Process().children():
                try:
                    self.most = max(self.most, child.memory_info().rss)
                except psutil.Error:
                    continue

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def rates(files: list[str], runs: int) -> dict[str, tuple[float, float]]:
    """Files per second (the best of some runs, which take turns) and GB per worker, each way."""
    found: dict[str, tuple[float, float]] = {}
    for _ in range(runs):
        for name, (workers, threads) in WAYS.items():
            with tempfile.TemporaryDirectory() as out, Memory() as memory:
                done = batch.run(SPEECH, files, out, workers=workers, threads=threads, engine="onnxruntime")
            rate = done.files / done.seconds
            found[name] = max(found.get(name, (0.0, 0.0)), (rate, memory.most / 1e9))
    return found


def overhead(count: int) -> dict[str, float]:
    """Seconds for tiny pictures in a plain loop; by one worker, killed in the middle and gone on with."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as out:
        rng = np.random.default_rng(0)
        for i in range(count):
            place = Path(folder) / f"{i // 1000:03}"
            place.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (28, 28), "uint8")).save(place / f"{i:06}.png", compress_level=0)
        plain = subprocess.run(
            [sys.executable, "-c", PLAIN_CLASSIFY, PICTURES, folder], check=True, capture_output=True, text=True
        )
        words = ["classify", folder, "--recipe", PICTURES, "--engine", "onnxruntime", "--workers", "1", "--output", out]
        command = [sys.executable, "-m", "kerasrecipes", *words]
        begin = time.perf_counter()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(Path(out).glob("part-*"))) * 256 < KILLED_AT * count:
            time.sleep(0.05)
        process.kill()
        process.wait()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        many = time.perf_counter() - begin
        assert sum(1 for _ in batch.read(out)) == count
        return {"plain": float(plain.stdout), "many": many}


def main() -> None:
    from kerasrecipes.utils.environment import hardware_summary
    from kerasrecipes.utils.files import write_benchmark_json

    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", required=True, help="a folder of speech")
    options.add_argument("--most", type=int, default=400, help="clips")
    options.add_argument("--runs", type=int, default=2)
    options.add_argument("--tiny", type=int, default=100_000, help="tiny files")
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    o = options.parse_args()
    clips = [path for path, _ in list_inputs([o.data], audio_files())]
    clips = clips[:: max(1, len(clips) // o.most)][: o.most]
    found = rates(clips, o.runs)
    one = found["1 worker, 1 thread"][0]
    figures = {
        name: f"{rate:.1f} clips/s, {rate / one:.2f} times the first, {memory:.2f} GB per worker"
        for name, (rate, memory) in found.items()
    }
    tiny = overhead(o.tiny)
    each = 1000 * (tiny["many"] - tiny["plain"]) / o.tiny
    figures[f"{o.tiny} tiny pictures, plain loop"] = f"{tiny['plain']:.1f} s"
    figures["the same by one worker, killed in the middle and gone on with"] = (
        f"{tiny['many']:.1f} s, {tiny['many'] / tiny['plain']:.2f} times the plain loop, {each:+.2f} ms per file"
    )
    for name, value in figures.items():
        print(f"{name:62} {value}")
    if o.write:
        setting = f"{len(clips)} clips, {SPEECH} in onnxruntime, best of {o.runs} runs; "
        setting += f"{local_runner.available_cpus()} CPUs; {hardware_summary()}"
        write_benchmark_json(o.write, "Many files", setting, figures)


if __name__ == "__main__":
    main()
