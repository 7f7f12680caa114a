"""Waveform generators: audio without a text, and copies from the spectrograms of clips."""

import shutil
from pathlib import Path
from typing import Any

import soundfile

from drawing.figure_cache import FigureCache, list_clips
from kerasrecipes.audio import load_audio
from kerasrecipes.utils import plotting

PROMPT = Path(__file__).parents[2] / "live" / "samples" / "kathleen.mp3"  # CC0, not in the training data
CLIP = "1919-142785-0024"  # the shortest clip that comes with the tests; its voice is not in the training data
SECONDS = 2.0


def collect_figures(model: Any, cache: FigureCache) -> None:
    """Collect the audio and figures of a generator."""
    path, text = list_clips()[CLIP]
    speaker = model.speakers[-1] if model.speakers else None
    options = {"speaker": speaker} if speaker else {}
    sounds = [("free.mp3", f"Generated without a text, {SECONDS:.0f} s", model.generate(SECONDS, seed=1, **options))]
    spectra = []
    if model.n_mels and "kathleen" in model.speakers:
        shutil.copy(PROMPT, cache.folder / "own.mp3")
        sounds = [
            ("own.mp3", "Kathleen, not in the training data", None),
            (
                "own_copy.mp3",
                "Copy from its mel spectrogram",
                model.vocode(str(PROMPT), speaker="kathleen", seed=1),
            ),
            *sounds,
        ]
        spectra.append(("Kathleen, not in the training data", load_audio(PROMPT)))
    if model.n_mels:
        sounds.append(
            (
                "copy.mp3",
                "Copy of the clip below, an unseen voice, from its mel spectrogram",
                model.vocode(str(path), seed=1),
            )
        )
    rows = []
    for file, title, sound in sounds:
        rows.append({"file": file, "title": title})
        if sound is None:
            continue
        soundfile.write(cache.folder / file, sound.samples, model.sample_rate, format="MP3")
        spectra.append((title, sound.samples))
    figure = plotting.new_figure(9, 2.4 * len(spectra))
    for axes, (title, wave) in zip(figure.subplots(len(spectra), 1, squeeze=False)[:, 0], spectra, strict=True):
        axes.specgram(wave, NFFT=400, Fs=model.sample_rate, noverlap=240, cmap="magma", vmin=-130)
        axes.set(xlabel="seconds", ylabel="Hz", title=title)
    cache.save_figure(
        "sounds.png", figure, "Generated audio",
        "Spectrograms of the audio below: a recording, its copy, audio without a text, and the copy of an unseen voice.",
    )  # fmt: skip
    cache.wrong = {
        "set": "clips of the tests", "unit": "bits per sample", "sounds": rows, "clip": CLIP, "text": text,
        "clips": [
            {"clip": name, "text": clip_text, "rate": round(float(model.bits_per_sample(str(clip))), 3)}
            for name, (clip, clip_text) in list_clips().items()
        ],
    }  # fmt: skip
