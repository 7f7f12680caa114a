"""Word, character and phone error rates of a whole set, with bootstrap intervals over speakers."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class ErrorRate:
    """(substitutions + deletions + insertions) / total, summed over the set, and its 95 % interval.

    `low` and `high` are percentiles of the same rate over sets of speakers drawn with replacement; nan for one speaker.
    """

    rate: float
    substitutions: int
    deletions: int
    insertions: int
    total: int
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.rate:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


def edits(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> tuple[int, int, int]:
    """Fewest (substitutions, deletions, insertions) from reference to hypothesis; substitutions are preferred in ties.

    Each table row is one numpy operation: along a row only insertions run, so a running minimum does it.
    """
    numbers: dict[Hashable, int] = {}
    a, b = (np.array([numbers.setdefault(s, len(numbers)) for s in t], "int64") for t in (reference, hypothesis))
    column = np.arange(len(b) + 1)
    table = np.empty((len(a) + 1, len(b) + 1), "int64")
    table[0] = column
    for i, symbol in enumerate(a, 1):
        row = table[i - 1] + 1
        row[1:] = np.minimum(row[1:], table[i - 1, :-1] + (b != symbol))
        table[i] = np.minimum.accumulate(row - column) + column
    substitutions = deletions = insertions = 0
    i, j = len(a), len(b)
    while i or j:
        if i and j and table[i, j] == table[i - 1, j - 1] + (a[i - 1] != b[j - 1]):
            substitutions += int(a[i - 1] != b[j - 1])
            i, j = i - 1, j - 1
        elif i and table[i, j] == table[i - 1, j] + 1:
            deletions, i = deletions + 1, i - 1
        else:
            insertions, j = insertions + 1, j - 1
    return substitutions, deletions, insertions


def error_rate(
    references: Sequence[Sequence[Hashable]], hypotheses: Sequence[Sequence[Hashable]],
    speakers: Sequence[str] | None = None, seed: int = 0,
) -> ErrorRate:  # fmt: skip
    """Error rate of sequences of tokens.

    Args:
        references, hypotheses: token sequences, one pair per utterance.
        speakers: of each utterance, the unit of the bootstrap; None: each utterance is its own unit.
        seed: of the resampling.

    Raises:
        ValueError: unequal numbers of references and hypotheses, or no reference token at all.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, but {len(hypotheses)} hypotheses")
    counts = np.array([edits(r, h) for r, h in zip(references, hypotheses, strict=True)]).reshape(-1, 3)
    totals = np.array([len(r) for r in references])
    if totals.sum() == 0:
        raise ValueError("the references hold no token: there is no error rate")
    units = list(range(len(totals))) if speakers is None else list(speakers)
    _, unit = np.unique(np.array(units), return_inverse=True)
    wrong = np.bincount(unit, weights=counts.sum(axis=1))
    total = np.bincount(unit, weights=totals)
    low = high = float("nan")
    if len(total) > 1:
        draws = np.random.default_rng(seed).integers(0, len(total), (RESAMPLES, len(total)))
        rates = wrong[draws].sum(axis=1) / np.maximum(total[draws].sum(axis=1), 1)
        low, high = (float(v) for v in np.percentile(rates, [2.5, 97.5]))
    s, d, i = (int(v) for v in counts.sum(axis=0))
    return ErrorRate((s + d + i) / int(totals.sum()), s, d, i, int(totals.sum()), low, high)


def word_errors(
    references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str] | None = None
) -> ErrorRate:
    """Word error rate of texts; words are separated by white space.

    Example:
        >>> word_errors(["the cat sat"], ["the bat sat"]).rate
        0.3333333333333333
    """
    return error_rate([r.split() for r in references], [h.split() for h in hypotheses], speakers)


def character_errors(
    references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str] | None = None
) -> ErrorRate:  # fmt: skip
    """Character error rate of texts; spaces count."""
    return error_rate(references, hypotheses, speakers)


phone_errors = word_errors  # phones stand in texts as words do: separated by spaces
