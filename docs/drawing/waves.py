"""Generators of waveforms: sounds to play, made freely and from a clip's spectrogram."""

from typing import Any

import soundfile
from drawing.keeping import Keeper, clips

from kerasrecipes.audio import read_audio
from kerasrecipes.visualize import drawing

CLIP = "1919-142785-0024"  # the shortest of the clips that ship
SECONDS = 2.0


def draw(model: Any, keeper: Keeper) -> None:
    """All of it."""
    path, text = clips()[CLIP]
    speaker = model.speakers[-1] if model.speakers else None
    sounds = [
        ("free.mp3", f"Made freely, {SECONDS:.0f} s", model.generate(SECONDS, seed=1, **({"speaker": speaker} if speaker else {})))
    ]  # fmt: skip
    if model.mels:
        sounds.append(("copy.mp3", "The clip, from its mel spectrogram alone", model.vocode(str(path), seed=1)))
    shown = [("the clip", read_audio(path))]
    listed = []
    for file, title, sound in sounds:
        soundfile.write(keeper.folder / file, sound.samples, model.sample_rate, format="MP3")
        listed.append({"file": file, "title": title})
        shown.append((title, sound.samples))
    drawn = drawing.figure(9, 2.1 * len(shown))
    for axes, (title, wave) in zip(drawn.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        axes.specgram(wave, NFFT=400, Fs=model.sample_rate, noverlap=240, cmap="magma", vmin=-130)
        axes.set(ylabel="Hz", title=title)
    keeper.figure(
        "sounds.png", drawn, "What it makes",
        "Spectrograms of what can be played below. The clip is of LibriSpeech (CC BY 4.0).",
    )  # fmt: skip
    keeper.wrong = {
        "set": "the clips that ship", "unit": "bits per sample", "sounds": listed, "clip": CLIP, "text": text,
        "clips": [
            {"clip": name, "text": said, "rate": round(float(model.bits_per_sample(str(place))), 3)}
            for name, (place, said) in clips().items()
        ],
    }  # fmt: skip
