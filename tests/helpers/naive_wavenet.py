"""Generation as the equations say it: the whole receptive field through the network for every sample.

For tests and benchmarks; it says the same as `tasks.generating`, and takes as long as there are samples in the field.
"""

from typing import Any

import numpy as np

from kerasrecipes.layers import mu_law


def generate_codes(
    model: Any, samples: int, uniform: np.ndarray, temperature: float = 1.0, speakers: Any = None, spectrograms: Any = None
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Codes (samples, batch) and the margin by which each was chosen, (samples, batch).

    Args:
        model: a `WaveGenerator`. uniform: (samples, batch) numbers below 1. temperature: 0 takes the likeliest.
        speakers: (batch,) numbers. spectrograms: (batch, frames, mels).
    """
    batch, field, hop = uniform.shape[1], model.receptive_field, model.hop_length
    inputs = {} if speakers is None else {"speaker": np.asarray(speakers, "int32")}
    context = 0 if spectrograms is None else hop * (-(-field // hop) + model.hparams["conditioning_kernel_size"])
    keep = field + context  # samples in a window: a whole field, and whole frames before it
    frames = -(-(keep + hop) // hop) + model.hparams["conditioning_kernel_size"]
    given, codes, margins = np.zeros((samples, batch), "float32"), [], []
    for t in range(samples):
        start = 0 if t < keep else (t - keep + 1) // hop * hop
        audio = np.zeros((batch, frames * hop), "float32")  # what comes later changes nothing: the network is causal
        audio[:, : t + 1 - start] = given[start : t + 1].T
        full = min(frames * hop, samples - start)
        inputs |= {"audio": audio, "length": np.full(batch, full, "int32")}
        if spectrograms is not None:
            window = np.zeros((batch, frames, model.n_mels), "float32")
            some = spectrograms[:, start // hop : start // hop + frames]
            window[:, : some.shape[1]] = some
            inputs |= {"spectrogram": window, "conditioned": np.ones(batch, "int32")}
        scores = model.predict_logits(inputs)[:, t - start]
        code, margin = sample_with_margin(scores, uniform[t], temperature)
        codes.append(code)
        margins.append(margin)
        if t + 1 < samples:
            given[t + 1] = mu_law.mu_law_decode(code, model.quantization_levels)
    return np.array(codes, "int32"), np.array(margins)


def sample_with_margin(scores: np.ndarray, uniform: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """The code of each row, and how far its score (or height) is from another code's."""
    scores = scores.astype("float64")
    if not temperature:
        best = np.sort(scores, axis=-1)
        return scores.argmax(-1), best[:, -1] - best[:, -2]
    weights = np.exp((scores - scores.max(-1, keepdims=True)) / temperature)
    heights = np.cumsum(weights, axis=-1) / weights.sum(-1, keepdims=True)
    code = np.minimum((heights <= uniform[:, None]).sum(-1), scores.shape[-1] - 1)
    return code, np.abs(heights - uniform[:, None]).min(-1)
