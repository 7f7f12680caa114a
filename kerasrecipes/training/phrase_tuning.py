"""The rejection cost of a closed list of phrases, from held-out clips and from other speech."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerasrecipes.decoding.options import REJECTION_COST
from kerasrecipes.training.scored_clips import ScoredClips

REJECTION_COSTS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
MIN_COST = 1.0  # without other speech: below, a few held-out clips do not show the misses of other voices
FALSE_PHRASE_WEIGHT = 0.01  # one false phrase an hour weighs as much as a miss in a hundred clips
Progress = Callable[[float, float], Any]


@dataclass(frozen=True)
class PhraseRates:
    """Errors of a closed list of phrases at one rejection cost.

    Args:
        rejection_cost: Nats that each frame of other speech pays.
        misses: Share of the held-out clips whose text is not exactly their phrase, 0 to 1.
        false_per_hour: Phrases that are written in an hour of other speech. None without other speech.
    """

    rejection_cost: float
    misses: float
    false_per_hour: float | None = None

    @property
    def total(self) -> float:
        """Misses, and false phrases by their weight."""
        return self.misses + FALSE_PHRASE_WEIGHT * (self.false_per_hour or 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the rates as plain values."""
        return asdict(self)


def count_phrases(text: str, phrases: Sequence[str]) -> int:
    """Return the number of phrases in a text that consists of phrases, longest first.

    Example:
        >>> count_phrases("lights on lights", ["lights", "lights on"])
        2
    """
    words, count = text.split(), 0
    lists = sorted((phrase.split() for phrase in phrases), key=len, reverse=True)
    while words:
        size = next((len(phrase) for phrase in lists if phrase and words[: len(phrase)] == phrase), 0)
        words, count = words[size or 1 :], count + bool(size)
    return count


def tune_rejection_cost(
    model: Any, phrases: Sequence[str], held_out: ScoredClips, references: Sequence[str],
    other_speech: ScoredClips | None = None, progress: Progress | None = None,
) -> tuple[PhraseRates, list[PhraseRates]]:  # fmt: skip
    """Find the rejection cost with the fewest misses and false phrases.

    One false phrase an hour weighs as much as a miss in a hundred clips. Of equal costs the lowest wins, which writes the
    fewest false phrases. Without other speech, costs from 1 to the default of 2 are tried.

    Args:
        model: Recognizer with CTC.
        phrases: Phrases of the list.
        held_out: Logits of clips that hold one phrase each.
        references: Transcripts of these clips.
        other_speech: Logits of speech in which every written phrase is false. Default: none.
        progress: Called with (costs done, costs in all). Default: not called.

    Returns:
        The rates at the best cost, and those at all costs.
    """
    costs = [cost for cost in REJECTION_COSTS if other_speech is not None or MIN_COST <= cost <= REJECTION_COST]
    rates = []
    for number, cost in enumerate(costs, 1):
        options = {"phrases": tuple(phrases), "rejection_cost": cost}
        texts = held_out.texts(model, **options)
        misses = float(np.mean([text != reference for text, reference in zip(texts, references, strict=True)]))
        false_per_hour = None
        if other_speech is not None:
            written = sum(count_phrases(text, phrases) for text in other_speech.texts(model, **options))
            false_per_hour = 3600 * written / max(sum(other_speech.seconds), 1e-9)
        rates.append(PhraseRates(cost, misses, false_per_hour))
        if progress:
            progress(number, len(costs))
    return min(rates, key=lambda r: (r.total, r.rejection_cost)), rates
