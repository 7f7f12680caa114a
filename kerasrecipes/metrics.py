"""Metrics of a whole test set with bootstrap intervals: error rates over speakers, accuracies over images."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BOOTSTRAP_SAMPLES = 2000


@dataclass(frozen=True)
class ErrorRate:
    """(substitutions + deletions + insertions) / total, summed over the set, and its 95 % interval.

    `ci_low` and `ci_high` are percentiles of the same rate over resampled speakers; nan for one speaker.
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
    """Return the minimal edit counts (substitutions, deletions, insertions). Ties prefer substitutions.

    A cost is one integer, `edits * base + (deletions + insertions)`. The lengths determine `deletions - insertions`, so the
    last cost gives all three counts, only one row of the table is in memory, and an hour's characters fit. Along a row only
    insertions move, which a running minimum computes.
    """
    numbers: dict[Hashable, int] = {}
    a, b = (np.array([numbers.setdefault(s, len(numbers)) for s in t], "int64") for t in (reference, hypothesis))
    base = len(a) + len(b) + 1
    gap = base + 1  # cost of a deletion or an insertion
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
    """Compute the error rate of token sequences.

    Args:
        references: Reference tokens of each utterance.
        hypotheses: Recognized tokens of each utterance.
        speakers: Speaker of each utterance, the unit of the bootstrap. An utterance without one ("", or None for all) is a
            unit of its own.
        seed: Seed of the resampling.

    Raises:
        ValueError: The numbers of references, hypotheses and speakers differ, or the references hold no token.
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
    interval = bootstrap_interval(counts.sum(axis=1), totals, units, seed)
    s, d, i = (int(v) for v in counts.sum(axis=0))
    return ErrorRate((s + d + i) / int(totals.sum()), s, d, i, int(totals.sum()), *interval)


def bootstrap_interval(values: Any, totals: Any, units: Sequence[Hashable], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile interval of `sum(values) / sum(totals)` over resampled units, or nan for one unit."""
    # np.unique sorts, so the interval does not depend on the order of utterances
    _, unit = np.unique([str(u) for u in units], return_inverse=True)
    unit_values, unit_totals = np.bincount(unit, weights=values), np.bincount(unit, weights=totals)
    count = len(unit_totals)
    if count < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    samples = (rng.integers(0, count, count) for _ in range(BOOTSTRAP_SAMPLES))
    rates = [unit_values[s].sum() / max(unit_totals[s].sum(), 1) for s in samples]
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True)
class MetricWithInterval:
    """A sum over a set divided by its size, and its 95 % interval over resampled units."""

    rate: float
    total: float
    ci_low: float
    ci_high: float

    def __str__(self) -> str:
        return f"{self.rate:.3f}" + ("" if np.isnan(self.ci_low) else f" ({self.ci_low:.3f} to {self.ci_high:.3f})")


def ratio_with_interval(values: Any, totals: Any, units: Sequence[Hashable]) -> MetricWithInterval:
    """Compute `sum(values) / sum(totals)` and its interval over `units`."""
    total = float(np.sum(totals))
    return MetricWithInterval(float(np.sum(values)) / total, total, *bootstrap_interval(values, totals, units))


def classification_error(labels: Any, predictions: Any) -> MetricWithInterval:
    """Compute the share of images whose predicted class is not their label, with its interval over images."""
    wrong = np.asarray(labels) != np.asarray(predictions)
    return ratio_with_interval(wrong, np.ones(len(wrong)), range(len(wrong)))


def confusion_matrix(labels: Any, predictions: Any, classes: int) -> np.ndarray:
    """Count pixels by (label, prediction): (classes, classes). Labels outside the classes are ignored."""
    labels, predictions = np.asarray(labels, "int64").ravel(), np.asarray(predictions, "int64").ravel()
    valid = (labels >= 0) & (labels < classes)
    return np.bincount(labels[valid] * classes + predictions[valid], minlength=classes**2).reshape(classes, classes)


def mean_iou(confusions: Any, seed: int = 0) -> MetricWithInterval:
    """Compute the mean over classes of intersection / union, with its interval over images.

    Args:
        confusions: Confusion matrix of each image, (images, classes, classes). Pixels are summed over the set. Classes that
            are neither labeled nor predicted are ignored.
        seed: Seed of the resampling.
    """
    counts = np.asarray(confusions, "float64")

    def compute_iou(total: np.ndarray) -> float:
        both = np.diag(total)
        union = total.sum(0) + total.sum(1) - both
        return float((both[union > 0] / union[union > 0]).mean())

    low = high = float("nan")
    if len(counts) > 1:
        rng, flat = np.random.default_rng(seed), counts.reshape(len(counts), -1)
        weights = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=BOOTSTRAP_SAMPLES)
        values = [compute_iou(sums.reshape(counts.shape[1:])) for sums in weights @ flat]
        low, high = (float(v) for v in np.percentile(values, [2.5, 97.5]))
    return MetricWithInterval(compute_iou(counts.sum(0)), float(counts.sum()), low, high)


def word_error_rate(
    references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str] | None = None
) -> ErrorRate:
    """Compute the word error rate of texts. Words are separated by white space.

    Example:
        >>> word_error_rate(["the cat sat"], ["the bat sat"]).rate
        0.3333333333333333
    """
    return error_rate([r.split() for r in references], [h.split() for h in hypotheses], speakers)


def character_error_rate(
    references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str] | None = None
) -> ErrorRate:  # fmt: skip
    """Compute the character error rate of texts. Spaces count."""
    return error_rate(references, hypotheses, speakers)


phone_error_rate = word_error_rate  # phonemes are separated by spaces, as words are
