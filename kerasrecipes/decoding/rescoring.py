"""Ranking the hypotheses of a beam search again with a language model that is too slow to search with."""

from dataclasses import replace
from typing import Any

from kerasrecipes.results import Transcript


def rescore(transcript: Transcript, rescorer: Any, weight: float, nbest: int = 1) -> Transcript:
    """Sort the hypotheses by score + `weight` log p(text).

    Args:
        transcript: The best hypothesis of a beam search with its alternatives.
        rescorer: A language model with `log_probabilities(texts) -> (texts,)` in nats and the `alphabet` of these texts.
        weight: Weight of the log probability.
        nbest: Number of hypotheses to return.

    Returns:
        The new best hypothesis with `nbest - 1` alternatives. `score` is the new score.
    """
    hypotheses = [replace(transcript, alternatives=()), *transcript.alternatives]
    log_probs = rescorer.log_probabilities([rescorer.alphabet.normalize(h.text) for h in hypotheses])
    rescored = [
        replace(h, score=(h.score or 0.0) + weight * float(log_prob))
        for h, log_prob in zip(hypotheses, log_probs, strict=True)
    ]
    best, *others = sorted(rescored, key=lambda h: -(h.score or 0.0))[:nbest]
    return replace(best, alternatives=tuple(others))
