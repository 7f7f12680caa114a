"""What decoders take, as shares of real time and of greedy decoding's, and what they gain; and alignment of an hour.

python benchmarks/decoding.py --data librispeech:PATH [--speakers 84,174] [--recipe wav2letter_small]
"""

import argparse
import time
from pathlib import Path

import numpy as np

import kerasrecipes as kr
from kerasrecipes.decoding.decoders import choose_decoder, make_decoder
from kerasrecipes.decoding.forced_alignment import ctc_alignment_graph, viterbi_align
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.inference.transcribe import score_batches
from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json

LM, RESCORER = "librispeech_small", "char_rnn_small"
SETTINGS = (
    {"decoder": "greedy"}, {"decoder": "beam"}, {"decoder": "beam", "beam_size": 10}, {"language_model": LM, "beam_size": 10},
    {"language_model": LM, "beam_size": 50}, {"language_model": LM, "beam_size": 200}, {"language_model": LM, "beam_size": 500},
    {"language_model": LM},
    {"language_model": LM, "prior_weight": 0.0}, {"language_model": LM, "hotwords": ["kerosene"]},
    {"decoder": "lexicon", "language_model": LM, "beam_size": 50}, {"decoder": "lexicon", "language_model": LM},
    {"decoder": "beam", "rescorer": RESCORER}, {"language_model": LM, "rescorer": RESCORER},
)  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", required=True)
    options.add_argument("--speakers", default="")
    options.add_argument("--recipe", default="wav2letter_small")
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    o = options.parse_args()
    model, rescorer_model = kr.load(o.recipe, compile=False), kr.load(RESCORER, compile=False)
    utterances = kr.data.load_datasets([o.data], [s for s in o.speakers.split(",") if s])
    logits, seconds = {}, 0.0
    for i, clip_logits, wave in score_batches(model, [u.path for u in utterances], [None] * len(utterances)):
        logits[i] = clip_logits
        seconds += len(wave) / model.sample_rate
    references = [model.alphabet.normalize(u.text) for u in utterances]
    figures: dict[str, str] = {}
    greedy_seconds = 0.0
    for settings in SETTINGS:
        rescorer = {"rescorer": rescorer_model} if "rescorer" in settings else {}
        chosen = choose_decoder(model, DecodingOptions(**{**settings, **rescorer}))
        decode = make_decoder(model, chosen)
        begin = time.perf_counter()
        texts = [decode(logits[i], frame_seconds=model.stride / model.sample_rate).text for i in range(len(utterances))]
        decoding_seconds = time.perf_counter() - begin
        greedy_seconds = greedy_seconds or decoding_seconds
        errors = kr.metrics.word_error_rate(references, texts).rate
        name = chosen.name + (", one hotword" if chosen.hotwords else "") + (", no priors" if chosen.prior_weight == 0 else "")
        ratios = f"{decoding_seconds / seconds:.4f} of real time, {decoding_seconds / greedy_seconds:.1f} times greedy"
        figures[name] = f"{ratios}; {100 * errors:.1f} % words"
        print(f"{name:44} {figures[name]}", flush=True)
    hour = np.resize(np.concatenate([logits[i] for i in range(len(utterances))]), (90000, model.alphabet.vocab_size))
    letters = np.random.default_rng(0).integers(1, model.alphabet.vocab_size, 45000)  # about what is said in an hour
    begin = time.perf_counter()
    viterbi_align(hour, ctc_alignment_graph(letters))
    name = "aligning 90,000 frames with 45,000 letters"
    figures[name] = f"{time.perf_counter() - begin:.0f} s"
    print(f"{name:44} {figures[name]}")
    if o.write:
        setting = f"{o.recipe}, {seconds / 60:.0f} minutes of speech, one core of {hardware_summary()}"
        write_benchmark_json(o.write, "Decoders", setting, figures)


if __name__ == "__main__":
    main()
