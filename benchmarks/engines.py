"""Engines beside each other: files to text, and how soon a fresh process has its first transcript.

python benchmarks/engines.py exported/deepspeech2_small.onnx --data tests/fixtures/LibriSpeech [--clips 100]
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from child_process import run_child

from kerasrecipes.audio import list_audio_files

# name -> arguments of `load` for the file; Keras takes the recipe
WAYS = {
    "keras": None,
    "onnxruntime": {"engine": "onnxruntime"},
    "openvino": {"engine": "openvino"},
    "openvino bf16": {"engine": "openvino", "engine_precision": "bf16"},
}

CHILD = """
import json, sys, time
begin = time.perf_counter()
import kerasrecipes as kr
given = json.loads(sys.argv[1])
model = kr.load(given["source"], **given["options"])
texts = [model.transcribe(given["clips"][0], decoder="greedy").text]
first, times = time.perf_counter() - begin, []
for run in range(given["runs"]):
    begin = time.perf_counter()
    texts = [model.transcribe(clip, decoder="greedy").text for clip in given["clips"]]
    times.append(time.perf_counter() - begin)
print(json.dumps({"first": first, "times": times, "texts": texts}))
"""


def measured(source: str, options: dict, clips: list[str], runs: int) -> dict:
    """Seconds to the first transcript, seconds of each run over all clips, and the texts, from a fresh process."""
    given = json.dumps({"source": source, "options": options, "clips": clips, "runs": runs})
    return run_child(["-c", CHILD, given])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("file", type=Path, help="an exported ONNX file")
    options.add_argument(
        "--data", action="append", required=True, help="a folder or pattern of audio files; repeatable"
    )
    options.add_argument("--clips", type=int, default=100)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    o = options.parse_args()
    from kerasrecipes.engines import installed, read_description

    recipe = read_description(o.file)["recipe"]
    files = [str(path) for path in list_audio_files(o.data)]
    clips = [files[i % len(files)] for i in range(o.clips)]
    found = {}
    for name, arguments in WAYS.items():
        if arguments and arguments["engine"] not in installed():
            print(f"{name}: not installed", file=sys.stderr)
            continue
        begin = time.perf_counter()
        found[name] = measured(recipe if arguments is None else str(o.file), arguments or {}, clips, o.runs)
        print(f"{name}: measured in {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    base, figures = found["keras"], {}
    for name, values in found.items():
        share, start = (
            statistics.median(values["times"]) / statistics.median(base["times"]), values["first"] / base["first"],
        )  # fmt: skip
        same = sum(a == b for a, b in zip(values["texts"], base["texts"], strict=True))
        figures[f"{len(clips)} files to text, {name}"] = f"{share:.2f} of Keras's time, {same} texts the same"
        figures[f"start to first transcript, {name}"] = f"{start:.2f} of Keras's time ({values['first']:.1f} s)"
    for name, value in figures.items():
        print(f"{name:44} {value}")
    if o.write:
        from kerasrecipes.utils.environment import hardware_summary
        from kerasrecipes.utils.files import write_benchmark_json

        setting = f"{recipe}, {len(set(clips))} different clips, each process alone; {hardware_summary()}"
        write_benchmark_json(o.write, "Engines", setting, figures)


if __name__ == "__main__":
    main()
