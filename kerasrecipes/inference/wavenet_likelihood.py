"""What a recording costs a WaveNet: the logarithm of each sample's probability, in windows of any recording's length."""

from typing import Any

import numpy as np

from kerasrecipes.audio import load_audio

CHUNK_SECONDS = 1.0  # samples scored at once


def log_probabilities(
    model: Any, audio: Any, sample_rate: int | None = None, speaker: str | None = None, conditioned: bool = False
) -> np.ndarray:
    """Natural logarithm of the probability of each sample's code, given those before it and silence before the first.

    Windows overlap by the receptive field, so that their seams change nothing.

    Args:
        model: a `WaveGenerator`. Others: as in `WaveGenerator.bits_per_sample`.

    Returns:
        (samples,) float64.
    """
    wave = load_audio(audio, sample_rate=sample_rate, target=model.sample_rate)
    number = np.array([model.speaker_number(speaker)], "int32")
    spectrogram = model.spectrogram(wave, model.sample_rate) if conditioned else None
    hop, edge = model.hop, model.settings["conditioning_kernel"] // 2 + 1  # frames that a window's ends lack
    before = (-(-(model.receptive_field - 1) // hop) + edge) * hop
    scored, behind = -(-round(CHUNK_SECONDS * model.sample_rate) // hop) * hop, edge * hop
    given = np.concatenate([[0.0], wave[:-1]]).astype("float32")
    codes, found = model.encode(wave), np.zeros(len(wave))
    for begin in range(0, len(wave), scored):
        start = max(begin - before, 0)
        end = min(begin + scored, len(wave))
        size = before + scored + behind  # always the same: one compiled function
        audio = np.zeros((1, size), "float32")
        part = given[start : start + size]
        audio[0, : len(part)] = part
        inputs = {"audio": audio, "length": np.array([len(part)], "int32"), "speaker": number}
        if spectrogram is not None:
            frames = np.zeros((1, size // hop, model.mels), "float32")
            some = spectrogram[start // hop : start // hop + size // hop]
            frames[0, : len(some)] = some
            inputs |= {"spectrogram": frames, "conditioned": np.ones(1, "int32")}
        scores = model.scores(inputs)[0, begin - start : end - start].astype("float64")
        logs = scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)
        found[begin:end] = logs[np.arange(end - begin), codes[begin:end]]
    return found
