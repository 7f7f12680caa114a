"""Prefix beam search without a language model, in numpy: the likeliest texts, each summed over its alignments.

CTC: Hannun et al., arXiv 1408.2873, algorithm 1, without its word model. A best path is one alignment; a text is the sum
of many, so that the best text may have another best path than greedy decoding finds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kerasrecipes.decoding.greedy import log_softmax

LOG_ZERO = -np.inf


class Hypothesis(NamedTuple):
    """Symbol numbers (without blanks) and the log probability of all alignments that the search kept."""

    numbers: tuple[int, ...]
    score: float


class PruningThresholds(NamedTuple):
    """What the search may skip; the defaults keep all texts that matter and make it several times faster.

    Args:
        blank: frames whose blank is likelier than this only let time pass; 1 skips none.
        token: symbols less likely than this begin nothing new at their frame; 0 tries all.
        score: nats below the best within which a prefix is followed; infinite follows all.
    """

    blank: float = 0.99
    token: float = 1e-4
    score: float = 20.0


NO_PRUNING = PruningThresholds(1.0, 0.0, np.inf)


def prefix_beam_search(
    logits: np.ndarray, beam_size: int = 50, n_best: int = 1, pruning: PruningThresholds | None = None
) -> list[Hypothesis]:
    """The likeliest texts of one utterance.

    Args:
        logits: (frames, symbols) scores or log probabilities; symbol 0 is the blank.
        beam_size: prefixes kept after every frame. n_best: texts to return, at most.
        pruning: what is skipped; default `Pruning()`; `EXACT` with an endless beam gives the exact sums.

    Returns:
        Best first.
    """
    log_p, pruning = log_softmax(logits), pruning or PruningThresholds()
    parents, last = [-1], [-1]  # the tree of all prefixes met: the prefix without its last symbol, and that symbol
    children: dict[tuple[int, int], int] = {}
    nodes = np.array([0])
    blank, label = (
        np.array([0.0]),
        np.array([LOG_ZERO]),
    )  # log probabilities of alignments ending with the blank, or not
    for frame in log_p:
        ends = np.array([last[n] for n in nodes])
        total = np.logaddexp(blank, label)
        stay_blank = total + frame[0]
        stay_label = np.where(ends > 0, label + frame[np.maximum(ends, 0)], LOG_ZERO)
        if np.exp(frame[0]) > pruning.blank:
            blank, label = stay_blank, stay_label
            continue
        tried = 1 + np.flatnonzero(np.exp(frame[1:]) >= pruning.token)
        # a repeated symbol is a new one only behind a blank
        new = np.where(ends[:, None] == tried, blank[:, None], total[:, None]) + frame[tried]
        place = {n: i for i, n in enumerate(nodes.tolist())}
        column = {s: j for j, s in enumerate(tried.tolist())}
        for i, node in enumerate(nodes.tolist()):  # a prefix that is another one's extension: the two become one
            above, at = place.get(parents[node]), column.get(last[node])
            if above is not None and at is not None:
                stay_label[i] = np.logaddexp(stay_label[i], new[above, at])
                new[above, at] = LOG_ZERO
        scores = np.concatenate([np.logaddexp(stay_blank, stay_label), new.ravel()])
        kept = top_within_margin(scores, beam_size, pruning.score)
        old, fresh = kept[kept < len(nodes)], kept[kept >= len(nodes)] - len(nodes)
        rows, columns = np.divmod(fresh, max(len(tried), 1))
        for row, symbol in zip(nodes[rows].tolist(), tried[columns].tolist(), strict=True):
            if (row, symbol) not in children:
                children[row, symbol] = len(parents)
                parents.append(row)
                last.append(symbol)
        grown = [children[r, s] for r, s in zip(nodes[rows].tolist(), tried[columns].tolist(), strict=True)]
        nodes = np.concatenate([nodes[old], np.array(grown, nodes.dtype)])
        blank = np.concatenate([stay_blank[old], np.full(len(fresh), LOG_ZERO)])
        label = np.concatenate([stay_label[old], new[rows, columns]])
    total = np.logaddexp(blank, label)
    order = np.argsort(-total, kind="stable")[:n_best]
    return [Hypothesis(backtrace(int(nodes[i]), parents, last), float(total[i])) for i in order if total[i] > LOG_ZERO]


def top_within_margin(scores: np.ndarray, count: int, margin: float) -> np.ndarray:
    """Places of the highest scores: at most `count`, none lower than the best by more than `margin`."""
    places = np.argpartition(-scores, count - 1)[:count] if len(scores) > count else np.arange(len(scores))
    return places[(scores[places] >= scores.max() - margin) & (scores[places] > LOG_ZERO)]


def backtrace(node: int, parents: Sequence[int], last: Sequence[int]) -> tuple[int, ...]:
    """The symbols on the way from the root to a node."""
    numbers = []
    while node > 0:
        numbers.append(last[node])
        node = parents[node]
    return tuple(reversed(numbers))
