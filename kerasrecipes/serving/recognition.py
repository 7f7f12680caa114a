"""Posteriors and transcript of a short recording, for recognizers in Keras and in engines."""

from typing import Any

import numpy as np

from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.errors import AudioError
from kerasrecipes.inference.transcribe import logits_of

MIN_SECONDS, MAX_SECONDS = 0.2, 60.0


def check_length(wave: np.ndarray, sample_rate: int) -> None:
    """Check that samples (n,) are neither too short nor too long to be shown.

    Raises:
        AudioError: They are.
    """
    seconds = len(wave) / sample_rate
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise AudioError(f"The recording lasts {seconds:.1f} s: the page shows {MIN_SECONDS:g} to {MAX_SECONDS:g} s")


def recognize(model: Any, wave: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the posteriors (frames, symbols) of samples (n,) at the model's rate, and its text and words for the page."""
    if hasattr(model, "posteriors"):  # phoneme recognizers: over all paths
        probabilities = model.posteriors(wave, model.sample_rate)
    else:
        probabilities = np.exp(log_softmax(logits_of(model, wave)))
    transcript = model.transcribe(wave, model.sample_rate, decoder=model.criterion.default_decoder)
    words = [{"text": w.text, "start": w.start, "end": w.end} for w in transcript.words]
    return probabilities.astype("float32"), {"text": transcript.text, "words": words, "seconds": len(wave) / model.sample_rate}
