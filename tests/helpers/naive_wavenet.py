"""Naive generation: the whole receptive field goes through the network for every sample.

It gives the same codes as `inference.wavenet_sampler`; its cost per sample grows with the receptive field.
"""

from typing import Any

import numpy as np

from kerasrecipes.layers import mu_law


def generate_codes(
    model: Any,
    samples: int,
    uniform: np.ndarray,
    temperature: float = 1.0,
    speakers: Any = None,
    spectrograms: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return codes (samples, batch) and the margin by which each was chosen (samples, batch).

    Args:
        model: A `WaveNetGenerator`.
        samples: Number of samples.
        uniform: (samples, batch) numbers below 1.
        temperature: 0 takes the most likely code.
        speakers: (batch,) indices.
        spectrograms: (batch, frames, n_mels).
    """
    batch, field, hop = uniform.shape[1], model.receptive_field, model.hop_length
    inputs = {} if speakers is None else {"speaker": np.asarray(speakers, "int32")}
    context = 0 if spectrograms is None else hop * (-(-field // hop) + model.hparams["conditioning_kernel_size"])
    window = field + context  # samples: the receptive field, and whole frames before it
    frames = -(-(window + hop) // hop) + model.hparams["conditioning_kernel_size"]
    inputs_so_far, codes, margins = np.zeros((samples, batch), "float32"), [], []
    for t in range(samples):
        start = 0 if t < window else (t - window + 1) // hop * hop
        audio = np.zeros((batch, frames * hop), "float32")  # later samples change nothing: the network is causal
        audio[:, : t + 1 - start] = inputs_so_far[start : t + 1].T
        full = min(frames * hop, samples - start)
        inputs |= {"audio": audio, "length": np.full(batch, full, "int32")}
        if spectrograms is not None:
            crop = np.zeros((batch, frames, model.n_mels), "float32")
            valid = spectrograms[:, start // hop : start // hop + frames]
            crop[:, : valid.shape[1]] = valid
            inputs |= {"spectrogram": crop, "conditioned": np.ones(batch, "int32")}
        logits = model.predict_logits(inputs)[:, t - start]
        code, margin = sample_with_margin(logits, uniform[t], temperature)
        codes.append(code)
        margins.append(margin)
        if t + 1 < samples:
            inputs_so_far[t + 1] = mu_law.mu_law_decode(code, model.quantization_levels)
    return np.array(codes, "int32"), np.array(margins)


def sample_with_margin(logits: np.ndarray, uniform: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the code of each row, and the distance of its logit (or cumulative probability) to another code's."""
    logits = logits.astype("float64")
    if not temperature:
        best = np.sort(logits, axis=-1)
        return logits.argmax(-1), best[:, -1] - best[:, -2]
    weights = np.exp((logits - logits.max(-1, keepdims=True)) / temperature)
    heights = np.cumsum(weights, axis=-1) / weights.sum(-1, keepdims=True)
    code = np.minimum((heights <= uniform[:, None]).sum(-1), logits.shape[-1] - 1)
    return code, np.abs(heights - uniform[:, None]).min(-1)
