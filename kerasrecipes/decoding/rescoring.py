"""Ranking the readings of a beam search again with a language model that is too slow to search with."""

from dataclasses import replace
from typing import Any

from kerasrecipes.results import Transcript


def rescore(found: Transcript, judge: Any, weight: float, n_best: int = 1) -> Transcript:
    """The readings in the order of score + `weight` log p(text).

    Args:
        found: a beam search's best with its alternatives.
        judge: has `log_probabilities(texts) -> (texts,)` nats and an `alphabet` that writes the texts.
        weight: nats per nat. n_best: readings to keep.

    Returns:
        The new best with `n_best - 1` alternatives; `score` is the new one.
    """
    readings = [replace(found, alternatives=()), *found.alternatives]
    texts = [judge.alphabet.normalise(r.text) for r in readings]
    logs = judge.log_probabilities(texts)
    ranked = [
        replace(r, score=(r.score or 0.0) + weight * float(log)) for r, log in zip(readings, logs, strict=True)
    ]  # fmt: skip
    first, *others = sorted(ranked, key=lambda r: -(r.score or 0.0))[:n_best]
    return replace(first, alternatives=tuple(others))
