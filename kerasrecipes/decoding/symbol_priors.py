"""Division of a network's posteriors by the priors of its symbols, before a search with a language model.

A network learns two things at once: how symbols sound, and how frequent they are in its training set. The language model says
the second again, and better. Dividing each posterior p(symbol | frame) by p(symbol) ** prior_weight takes a share of it out of the
network. Above all it makes the blank, the most frequent symbol, less likely, so that fewer unclear letters are left out.
Hybrid recognizers divide in this way, and Eesen (arXiv 1507.08240) does so with CTC. With ASG, the softmax of a frame's scores
stands for the posteriors.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import log_softmax

BLANK, REPETITION = "blank", "repetition"  # their keys in a manifest row
SMALLEST_PRIOR = 1e-6


def measure_log_priors(logits: Iterable[np.ndarray], alphabet: Alphabet) -> dict[str, float]:
    """Return the log of each symbol's mean posterior over all frames of clips.

    Args:
        logits: (frames, symbols) of each clip.
        alphabet: The recognizer's alphabet.
    """
    posteriors = np.exp(np.concatenate([log_softmax(frames) for frames in logits]))
    priors = np.log(np.maximum(posteriors.mean(axis=0), SMALLEST_PRIOR))
    return {symbol: round(float(prior), 3) for symbol, prior in zip(list_symbol_keys(alphabet), priors, strict=True)}


def list_symbol_keys(alphabet: Alphabet) -> list[str]:
    """Return the keys of all symbols in a manifest row, in the network's order."""
    if alphabet.num_repetition_symbols is None:
        return [BLANK, *alphabet.symbols]
    return [*alphabet.symbols, *(f"{REPETITION} {i + 1}" for i in range(alphabet.num_repetition_symbols))]


def get_tuned_settings(model: Any) -> dict[str, Any]:
    """Return the decoder settings of a recognizer's manifest row or file."""
    return dict(getattr(model, "decoder_settings", None) or {})


def get_log_priors(model: Any) -> tuple[float, ...] | None:
    """Return the log priors that belong to a recognizer's symbols, in their order. None if its settings have none for them."""
    priors: Mapping[str, float] = get_tuned_settings(model).get("log_priors") or {}
    keys = list_symbol_keys(model.alphabet)
    return tuple(float(priors[key]) for key in keys) if set(priors) == set(keys) else None


def divide_by_priors(log_probs: np.ndarray, log_priors: Sequence[float], prior_weight: float) -> np.ndarray:
    """Return log probabilities (frames, symbols) divided by `exp(log_priors) ** prior_weight`, which sum to one again."""
    if prior_weight == 0:
        return log_probs
    return log_softmax(log_probs - prior_weight * np.asarray(log_priors, log_probs.dtype), log_probs.dtype.name)
