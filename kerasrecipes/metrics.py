"""Error rates of a whole set with bootstrap intervals: words, characters and phones over speakers, classes over pictures."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BOOTSTRAP_SAMPLES = 2000


@dataclass(frozen=True)
class ErrorRate:
    """(substitutions + deletions + insertions) / total, summed over the set, and its 95 % interval.

    `ci_low` and `ci_high` are percentiles of the same rate over sets of speakers drawn with replacement; nan for one speaker.
    """

    rate: float
    substitutions: int
    deletions: int
    insertions: int
    total: int
    ci_low: float
    ci_high: float

    def __str__(self) -> str:
        if np.isnan(self.ci_low):
            return f"{100 * self.rate:.1f} % (one speaker: no interval)"
        return f"{100 * self.rate:.1f} % ({100 * self.ci_low:.1f} to {100 * self.ci_high:.1f})"


def edit_counts(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> tuple[int, int, int]:
    """Fewest (substitutions, deletions, insertions) from reference to hypothesis; in ties, the most substitutions.

    Costs are written in one integer, `edits * base + (deletions + insertions)`; with `deletions - insertions`, which
    the lengths fix, the last cost alone tells all three. So one row of the table is kept, and an hour's characters fit
    into memory. Along a row only insertions run, so that a running minimum does it.
    """
    numbers: dict[Hashable, int] = {}
    a, b = (np.array([numbers.setdefault(s, len(numbers)) for s in t], "int64") for t in (reference, hypothesis))
    base = len(a) + len(b) + 1
    gap = base + 1  # what a deletion or an insertion costs
    column = gap * np.arange(len(b) + 1)
    row = column
    for symbol in a:
        new = row + gap
        np.minimum(new[1:], row[:-1] + base * (b != symbol), out=new[1:])
        row = np.minimum.accumulate(new - column) + column
    total, gaps = divmod(int(row[-1]), base)
    deletions = (gaps + len(a) - len(b)) // 2
    return total - gaps, deletions, gaps - deletions


def error_rate(
    references: Sequence[Sequence[Hashable]], hypotheses: Sequence[Sequence[Hashable]],
    speakers: Sequence[str] | None = None, seed: int = 0,
) -> ErrorRate:  # fmt: skip
    """Error rate of sequences of tokens.

    Args:
        references, hypotheses: token sequences, one pair per utterance.
        speakers: of each utterance, the unit of the bootstrap; an utterance without one ("", or None for all) is a
            unit of its own.
        seed: of the resampling.

    Raises:
        ValueError: unequal numbers of references, hypotheses and speakers, or no reference token at all.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, but {len(hypotheses)} hypotheses")
    if speakers is not None and len(speakers) != len(references):
        raise ValueError(f"{len(references)} references, but {len(speakers)} speakers")
    counts = np.array([edit_counts(r, h) for r, h in zip(references, hypotheses, strict=True)]).reshape(-1, 3)
    totals = np.array([len(r) for r in references])
    if totals.sum() == 0:
        raise ValueError("the references hold no token: there is no error rate")
    units = [str(s) or f"\0{i:09}" for i, s in enumerate(speakers or [""] * len(totals))]
    low, high = bootstrap_interval(counts.sum(axis=1), totals, units, seed)
    s, d, i = (int(v) for v in counts.sum(axis=0))
    return ErrorRate((s + d + i) / int(totals.sum()), s, d, i, int(totals.sum()), low, high)


def bootstrap_interval(
    values: Any, totals: Any, units: Sequence[Hashable], seed: int = 0
) -> tuple[float, float]:  # fmt: skip
    """95 % percentile interval of `sum(values) / sum(totals)` over units drawn with replacement; nan for one unit."""
    _, unit = np.unique(
        [str(u) for u in units], return_inverse=True
    )  # sorted: the interval does not depend on the order of utterances
    summed, total = np.bincount(unit, weights=values), np.bincount(unit, weights=totals)
    if len(total) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    draws = (rng.integers(0, len(total), len(total)) for _ in range(BOOTSTRAP_SAMPLES))
    low, high = np.percentile([summed[d].sum() / max(total[d].sum(), 1) for d in draws], [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True)
class MetricWithInterval:
    """A sum over a set divided by its size, and its 95 % interval over units drawn with replacement."""

    rate: float
    total: float
    ci_low: float
    ci_high: float

    def __str__(self) -> str:
        return f"{self.rate:.3f}" + ("" if np.isnan(self.ci_low) else f" ({self.ci_low:.3f} to {self.ci_high:.3f})")


def ratio_with_interval(values: Any, totals: Any, units: Sequence[Hashable]) -> MetricWithInterval:
    """`sum(values) / sum(totals)` with its interval over `units`."""
    return MetricWithInterval(
        float(np.sum(values) / np.sum(totals)), float(np.sum(totals)), *bootstrap_interval(values, totals, units)
    )


def classification_error(labels: Any, chosen: Any) -> MetricWithInterval:
    """Share of pictures whose chosen class is not their label, with its interval over pictures."""
    wrong = np.asarray(labels) != np.asarray(chosen)
    return ratio_with_interval(wrong, np.ones(len(wrong)), range(len(wrong)))


def confusion_matrix(labels: Any, chosen: Any, classes: int) -> np.ndarray:
    """(classes, classes) counts of pixels, label by choice; labels outside the classes do not count."""
    labels, chosen = np.asarray(labels, "int64").ravel(), np.asarray(chosen, "int64").ravel()
    valid = (labels >= 0) & (labels < classes)
    return np.bincount(labels[valid] * classes + chosen[valid], minlength=classes**2).reshape(classes, classes)


def mean_iou(confusions: Any, seed: int = 0) -> MetricWithInterval:
    """Mean over classes of intersection / union, pixels summed over the set, and its interval over pictures.

    Args:
        confusions: (pictures, classes, classes), of each picture. Classes that are neither labelled nor chosen are left out.
    """
    counts = np.asarray(confusions, "float64")

    def of(total: np.ndarray) -> float:
        both = np.diag(total)
        union = total.sum(0) + total.sum(1) - both
        return float((both[union > 0] / union[union > 0]).mean())

    low = high = float("nan")
    if len(counts) > 1:
        rng, flat = np.random.default_rng(seed), counts.reshape(len(counts), -1)
        drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=BOOTSTRAP_SAMPLES) @ flat
        low, high = (float(v) for v in np.percentile([of(d.reshape(counts.shape[1:])) for d in drawn], [2.5, 97.5]))
    return MetricWithInterval(of(counts.sum(0)), float(counts.sum()), low, high)


def word_error_rate(
    references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str] | None = None
) -> ErrorRate:
    """Word error rate of texts; words are separated by white space.

    Example:
        >>> word_errors(["the cat sat"], ["the bat sat"]).rate
        0.3333333333333333
    """
    return error_rate([r.split() for r in references], [h.split() for h in hypotheses], speakers)


def character_error_rate(
    references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str] | None = None
) -> ErrorRate:  # fmt: skip
    """Character error rate of texts; spaces count."""
    return error_rate(references, hypotheses, speakers)


phone_error_rate = word_error_rate  # phones stand in texts as words do: separated by spaces
