"""The log probability of each sample of a recording under a WaveNet, in chunks of constant length."""

from typing import Any

import numpy as np

from kerasrecipes.audio import load_audio

CHUNK_SECONDS = 1.0


def log_probabilities(
    model: Any, audio: Any, sample_rate: int | None = None, speaker: str | None = None, conditioned: bool = False
) -> np.ndarray:
    """Return the natural logarithm of the probability of each sample's code, given the earlier ones, (samples,) float64.

    Silence stands before the first sample. Chunks overlap by the receptive field, so that their seams change nothing.

    Args:
        model: A `WaveNetGenerator`.
        audio: As in `WaveNetGenerator.bits_per_sample`, as are the following arguments.
        sample_rate: Hz of an array.
        speaker: Name of the speaker.
        conditioned: Give the model the recording's own mel spectrogram.
    """
    wave = load_audio(audio, sample_rate=sample_rate, target=model.sample_rate)
    speaker_number = np.array([model.speaker_number(speaker)], "int32")
    spectrogram = model.spectrogram(wave, model.sample_rate) if conditioned else None
    hop, margin = (
        model.hop_length,
        model.hparams["conditioning_kernel_size"] // 2 + 1,
    )  # frames that the ends of a chunk lack
    before, after = (-(-(model.receptive_field - 1) // hop) + margin) * hop, margin * hop
    chunk = -(-round(CHUNK_SECONDS * model.sample_rate) // hop) * hop
    size = before + chunk + after  # constant, so that one compiled function serves all chunks
    previous = np.concatenate([[0.0], wave[:-1]]).astype("float32")
    codes, log_probs = model.encode(wave), np.zeros(len(wave))
    for start in range(0, len(wave), chunk):
        first, end = max(start - before, 0), min(start + chunk, len(wave))
        samples = previous[first : first + size]
        padded = np.zeros((1, size), "float32")
        padded[0, : len(samples)] = samples
        inputs = {"audio": padded, "length": np.array([len(samples)], "int32"), "speaker": speaker_number}
        if spectrogram is not None:
            frames = np.zeros((1, size // hop, model.n_mels), "float32")
            rows = spectrogram[first // hop : first // hop + size // hop]
            frames[0, : len(rows)] = rows
            inputs |= {"spectrogram": frames, "conditioned": np.ones(1, "int32")}
        logits = model.predict_logits(inputs)[0, start - first : end - first].astype("float64")
        code_log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        log_probs[start:end] = code_log_probs[np.arange(end - start), codes[start:end]]
    return log_probs
