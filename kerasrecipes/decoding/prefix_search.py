"""Prefix beam search without a language model, in numpy: the most likely texts, each summed over its alignments.

CTC: Hannun et al., arXiv 1408.2873, algorithm 1, without its word model. A best path is one alignment. A text is the sum
of many alignments, so the most likely text may have another best path than greedy decoding returns.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.forced_alignment import ctc_alignment_graph, viterbi_align
from kerasrecipes.decoding.greedy import check_logits, log_softmax, path_to_transcript
from kerasrecipes.results import Transcript

LOG_ZERO = -np.inf


class Hypothesis(NamedTuple):
    """Symbol numbers without blanks, and the log probability of all alignments that the search followed."""

    labels: tuple[int, ...]
    score: float


class PruningThresholds(NamedTuple):
    """Pruning thresholds of the search. The defaults keep all texts that matter and make it several times faster.

    Args:
        blank: Frames with a more likely blank add no symbol. 1 skips none.
        token: Symbols less likely than this add nothing at their frame. 0 tries all.
        score: Nats below the best within which a prefix is followed. Infinity follows all.
    """

    blank: float = 0.99
    token: float = 1e-4
    score: float = 20.0


NO_PRUNING = PruningThresholds(1.0, 0.0, np.inf)


def prefix_beam_search(
    logits: np.ndarray, beam_size: int = 50, nbest: int = 1, pruning: PruningThresholds | None = None
) -> list[Hypothesis]:
    """Return the most likely texts of one utterance, best first.

    Args:
        logits: (frames, symbols) logits or log probabilities. Symbol 0 is the blank.
        beam_size: Number of prefixes that survive a frame.
        nbest: Largest number of texts to return.
        pruning: What is skipped. Default: `PruningThresholds()`. `NO_PRUNING` with an endless beam gives exact sums.
    """
    log_probs, pruning = log_softmax(logits), pruning or PruningThresholds()
    # the tree of all prefixes: a node is a prefix, with its parent (without the last symbol) and its last symbol
    parents, last_symbols = [-1], [-1]
    children: dict[tuple[int, int], int] = {}
    nodes = np.array([0])
    # log probabilities of alignments that end with the blank, and of those that do not
    blank, label = np.array([0.0]), np.array([LOG_ZERO])
    for frame in log_probs:
        ends = np.array([last_symbols[n] for n in nodes])
        total = np.logaddexp(blank, label)
        stay_blank = total + frame[0]
        stay_label = np.where(ends > 0, label + frame[np.maximum(ends, 0)], LOG_ZERO)
        if np.exp(frame[0]) > pruning.blank:
            blank, label = stay_blank, stay_label
            continue
        symbols = 1 + np.flatnonzero(np.exp(frame[1:]) >= pruning.token)
        # a repeated symbol is a new one only after a blank
        extended = np.where(ends[:, None] == symbols, blank[:, None], total[:, None]) + frame[symbols]
        row_of_node = {n: i for i, n in enumerate(nodes.tolist())}
        column_of_symbol = {s: j for j, s in enumerate(symbols.tolist())}
        for i, node in enumerate(nodes.tolist()):  # merge a prefix with the extension of another that equals it
            row, column = row_of_node.get(parents[node]), column_of_symbol.get(last_symbols[node])
            if row is not None and column is not None:
                stay_label[i] = np.logaddexp(stay_label[i], extended[row, column])
                extended[row, column] = LOG_ZERO
        scores = np.concatenate([np.logaddexp(stay_blank, stay_label), extended.ravel()])
        survivors = top_within_margin(scores, beam_size, pruning.score)
        old, new = survivors[survivors < len(nodes)], survivors[survivors >= len(nodes)] - len(nodes)
        rows, columns = np.divmod(new, max(len(symbols), 1))
        extensions = list(zip(nodes[rows].tolist(), symbols[columns].tolist(), strict=True))
        for node, symbol in extensions:
            if (node, symbol) not in children:
                children[node, symbol] = len(parents)
                parents.append(node)
                last_symbols.append(symbol)
        nodes = np.concatenate([nodes[old], np.array([children[e] for e in extensions], nodes.dtype)])
        blank = np.concatenate([stay_blank[old], np.full(len(new), LOG_ZERO)])
        label = np.concatenate([stay_label[old], extended[rows, columns]])
    total = np.logaddexp(blank, label)
    order = np.argsort(-total, kind="stable")[:nbest]
    return [
        Hypothesis(backtrace(int(nodes[i]), parents, last_symbols), float(total[i])) for i in order if total[i] > LOG_ZERO
    ]  # fmt: skip


def top_within_margin(scores: np.ndarray, count: int, margin: float) -> np.ndarray:
    """Return the indices of at most `count` highest scores, none lower than the best by more than `margin`."""
    indices = np.argpartition(-scores, count - 1)[:count] if len(scores) > count else np.arange(len(scores))
    return indices[(scores[indices] >= scores.max() - margin) & (scores[indices] > LOG_ZERO)]


def backtrace(node: int, parents: Sequence[int], last_symbols: Sequence[int]) -> tuple[int, ...]:
    """Return the symbols on the way from the root to a node."""
    labels = []
    while node > 0:
        labels.append(last_symbols[node])
        node = parents[node]
    return tuple(reversed(labels))


def beam_search(
    logits: np.ndarray, alphabet: Alphabet, beam_size: int = 50, nbest: int = 1, **times: Any
) -> Transcript:
    """Return the most likely text without a language model. Times are those of its best alignment.

    Args:
        logits: (frames, symbols) logits or log probabilities. Symbol 0 is the blank.
        alphabet: Alphabet of the symbols.
        beam_size: Number of texts that survive a frame.
        nbest: Number of texts to return: the best, and `nbest - 1` more in its `alternatives`.
        **times: `frame_seconds`, `offset` and `duration` as in `greedy_decode`.
    """
    frames = check_logits(logits, alphabet)
    if frames == 0:
        return path_to_transcript(np.zeros(0, "int64"), np.zeros(0), alphabet, **times)
    log_probs = log_softmax(logits)
    transcripts: dict[str, Transcript] = {}  # some hypotheses differ in spaces alone, which no text shows
    for hypothesis in prefix_beam_search(log_probs, beam_size, beam_size if nbest > 1 else 1):
        if len(transcripts) == nbest:
            break
        graph = ctc_alignment_graph(np.array(hypothesis.labels, "int64"))
        path = graph.columns[viterbi_align(log_probs, graph)]
        posterior = np.exp(log_probs[np.arange(frames), path])
        transcript = path_to_transcript(path, posterior, alphabet, **times)
        transcripts.setdefault(transcript.text, replace(transcript, score=hypothesis.score))
    best, *others = transcripts.values()
    return replace(best, alternatives=tuple(others))
