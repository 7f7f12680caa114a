"""Generators of waveforms: sounds to play, made freely and from clips' spectrograms."""

import shutil
from pathlib import Path
from typing import Any

import soundfile

from drawing.figure_cache import Keeper, clips
from kerasrecipes.audio import load_audio
from kerasrecipes.utils import plotting

OWN = Path(__file__).parents[2] / "live" / "samples" / "kathleen.mp3"  # a prompt that is in no training set, CC0
CLIP = "1919-142785-0024"  # the shortest of the clips that ship: a voice that no training set has
SECONDS = 2.0


def draw(model: Any, keeper: Keeper) -> None:
    """All of it."""
    path, text = clips()[CLIP]
    speaker = model.speakers[-1] if model.speakers else None
    sounds = [
        ("free.mp3", f"Made freely, {SECONDS:.0f} s", model.generate(SECONDS, seed=1, **({"speaker": speaker} if speaker else {})))
    ]  # fmt: skip
    shown = []
    if model.n_mels and "kathleen" in model.speakers:
        shutil.copy(OWN, keeper.folder / "own.mp3")
        sounds = [
            ("own.mp3", "Kathleen, not trained on", None),
            (
                "own_copy.mp3",
                "The same from its mel spectrogram alone",
                model.vocode(str(OWN), speaker="kathleen", seed=1),
            ),
            *sounds,
        ]
        shown.append(("Kathleen, not trained on", load_audio(OWN)))
    if model.n_mels:
        sounds.append(
            (
                "copy.mp3",
                "The clip below, of a voice it never heard, from its mel spectrogram",
                model.vocode(str(path), seed=1),
            )
        )
    listed = []
    for file, title, sound in sounds:
        listed.append({"file": file, "title": title})
        if sound is None:
            continue
        soundfile.write(keeper.folder / file, sound.samples, model.sample_rate, format="MP3")
        shown.append((title, sound.samples))
    drawn = plotting.new_figure(9, 2.1 * len(shown))
    for axes, (title, wave) in zip(drawn.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        axes.specgram(wave, NFFT=400, Fs=model.sample_rate, noverlap=240, cmap="magma", vmin=-130)
        axes.set(ylabel="Hz", title=title)
    keeper.figure(
        "sounds.png", drawn, "What it makes",
        "Spectrograms of what can be played below: a recording, its copy, sound made freely, and the copy of a strange voice.",
    )  # fmt: skip
    keeper.wrong = {
        "set": "the clips that ship", "unit": "bits per sample", "sounds": listed, "clip": CLIP, "text": text,
        "clips": [
            {"clip": name, "text": said, "rate": round(float(model.bits_per_sample(str(place))), 3)}
            for name, (place, said) in clips().items()
        ],
    }  # fmt: skip
