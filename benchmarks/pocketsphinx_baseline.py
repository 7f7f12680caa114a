"""Our recognizers beside PocketSphinx with its own English model: word errors and time on the same clips, file to text.

python benchmarks/pocketsphinx_baseline.py --data librispeech:PATH [--speakers 251,652] [--every 4] [--write FILE]

PocketSphinx computes on one thread, and so do ours here.
"""

import argparse
import os
import time
from pathlib import Path

os.environ["KERASRECIPES_THREADS"] = "1"  # read by the engines when they are made

import kerasrecipes as kr
from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.experiments.copy_synthesis import REFERENCE_RECOGNIZER, PocketSphinxRecognizer
from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json

RECIPES = ("deepspeech2_small", "wav2letter_small_asg")
WAYS = {
    "greedy": {"decoder": "greedy"},
    "language model, beam 50": {"language_model": "librispeech_small", "beam_size": 50},
    "default (language model, beam 200)": {},
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", required=True)
    options.add_argument("--speakers", default="")
    options.add_argument("--every", type=int, default=4, help="take every so many-th clip")
    options.add_argument("--recipes", nargs="*", default=RECIPES)
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    o = options.parse_args()
    clips = list(kr.data.load_datasets([o.data], [s for s in o.speakers.split(",") if s]))[:: o.every]
    seconds = sum(len(load_audio(clip.path)) for clip in clips) / SAMPLE_RATE
    normalize = Alphabet().normalize
    references, figures, base = [normalize(clip.text) for clip in clips], {}, 0.0

    def measure(name, hear):
        nonlocal base
        hear(clips[0].path)  # what is made once
        begin = time.perf_counter()
        said = [normalize(hear(clip.path)) for clip in clips]
        took = time.perf_counter() - begin
        base = base or took
        errors = kr.metrics.word_error_rate(references, said, speakers=[clip.speaker for clip in clips])
        figures[name] = (
            f"{100 * errors.rate:.1f} % words ({100 * errors.ci_low:.1f} to {100 * errors.ci_high:.1f}), "
            f"{took / seconds:.4f} of real time, {took / base:.3f} of {REFERENCE_RECOGNIZER}'s time"
        )
        print(f"{name:50} {figures[name]}", flush=True)

    sphinx = PocketSphinxRecognizer()
    measure(REFERENCE_RECOGNIZER, lambda path: sphinx(load_audio(path)))
    for recipe in o.recipes:
        model = kr.load(recipe, engine="onnxruntime")
        for name, way in WAYS.items():
            measure(f"{recipe}, {name}", lambda path, way=way, model=model: model.transcribe(path, **way).text)
    if o.write:
        setting = f"{len(clips)} clips, {seconds / 60:.0f} minutes of speech, one thread of {hardware_summary()}"
        write_benchmark_json(o.write, f"Beside {REFERENCE_RECOGNIZER}", setting, figures)


if __name__ == "__main__":
    main()
