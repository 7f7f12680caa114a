"""How much scoring in pieces changes, and what memory an hour takes.

python benchmarks/long_audio.py --data librispeech:PATH [--speakers 251] [--hour]
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

import kerasrecipes as kr
from kerasrecipes.decoding import greedy
from kerasrecipes.inference.chunked import predict_logits_chunked
from kerasrecipes.inference.transcribe import batch_logits
from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", required=True)
    options.add_argument("--speakers", default="")
    options.add_argument("--minutes", type=float, default=5.0, help="length of the recording that is compared")
    options.add_argument("--hour", action="store_true", help="also transcribe an hour and print its peak memory")
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    o = options.parse_args()
    figures = {}
    model = kr.load("deepspeech2_small")
    utterances = kr.data.load_datasets([o.data], [s for s in o.speakers.split(",") if s])
    wave = np.concatenate([kr.load_audio(u.path) for u in utterances])
    part = wave[: int(o.minutes * 60 * 16000)]
    text = lambda s: greedy(s, model.alphabet).text  # noqa: E731
    whole = text(batch_logits(model, [part])[0])
    for context in (1.0, 3.0, 6.0, 12.0):
        pieces = text(predict_logits_chunked(model, part, 30.0, context))
        changed = kr.metrics.character_error_rate([whole], [pieces])
        figures[f"{context:.0f} s of context on both sides"] = (
            f"{100 * changed.rate:.3f} % of {changed.total} characters differ from scoring the whole"
        )
    if o.hour:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        hour = np.resize(wave, 3600 * 16000)
        begin = time.time()
        model.transcribe(hour, sample_rate=16000)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures["one hour"] = (
            f"{time.time() - begin:.0f} s, {after - before:.0f} MiB above the model's peak of {before:.0f} MiB"
        )
    for name, value in figures.items():
        print(f"{name:36} {value}")
    if o.write:
        setting = f"{o.minutes:.0f} minutes of speech, pieces of 30 s, {hardware_summary()}"
        write_benchmark_json(o.write, "Long recordings", setting, figures)


if __name__ == "__main__":
    main()
