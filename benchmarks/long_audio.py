"""How much scoring in pieces changes, and what memory an hour takes.

python benchmarks/long_audio.py --data librispeech:PATH [--speakers 251] [--hour]
"""

import argparse
import resource
import time

import numpy as np

import kerasrecipes as kr
from kerasrecipes.decoding import greedy
from kerasrecipes.tasks.long_audio import long_scores
from kerasrecipes.tasks.transcribing import scores


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", required=True)
    options.add_argument("--speakers", default="")
    options.add_argument("--minutes", type=float, default=5.0, help="length of the recording that is compared")
    options.add_argument("--hour", action="store_true", help="also transcribe an hour and print its peak memory")
    o = options.parse_args()
    model = kr.load("deepspeech2_small")
    utterances = kr.data.load_specs([o.data], [s for s in o.speakers.split(",") if s])
    wave = np.concatenate([kr.read_audio(u.path) for u in utterances])
    part = wave[: int(o.minutes * 60 * 16000)]
    text = lambda s: greedy(s, model.alphabet).text  # noqa: E731
    whole = text(scores(model, [part])[0])
    for context in (1.0, 3.0, 6.0, 12.0):
        pieces = text(long_scores(model, part, 30.0, context))
        changed = kr.metrics.character_errors([whole], [pieces])
        print(
            f"context {context:4.0f} s: {100 * changed.rate:.3f} % of {changed.total} characters differ from the whole's"
        )
    if o.hour:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        hour = np.resize(wave, 3600 * 16000)
        begin = time.time()
        model.transcribe(hour, sample_rate=16000)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"one hour: {time.time() - begin:.0f} s, peak {after:.0f} MiB ({before:.0f} MiB before)")


if __name__ == "__main__":
    main()
