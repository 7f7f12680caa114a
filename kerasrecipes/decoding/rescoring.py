"""Ranking the hypotheses of a beam search again with a language model that is too slow to search with."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.search_windows import LONG_SECONDS, windowed
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.results import Transcript

RESCORE_TOP_N = 20  # hypotheses that a rescorer ranks again


def make_rescoring_decoder(
    make: Callable[[Any, DecodingOptions], Callable[..., Transcript]], model: Any, options: DecodingOptions
) -> Callable[..., Transcript]:
    """Rank the best hypotheses of another decoder again.

    Raises:
        KerasRecipesError: The rescorer is no loaded language model.
    """
    if not hasattr(options.rescorer, "log_probabilities"):
        example = 'load("char_rnn_small"); kerasrecipes list "char*" names the others'
        name = getattr(options.rescorer, "name", repr(options.rescorer))
        raise KerasRecipesError(f"rescorer={name}: only a loaded language model can rank texts: {example}")
    nbest = max(options.nbest, RESCORE_TOP_N)
    decode = make(model, replace(options, rescorer=None, nbest=min(nbest, options.beam_size or nbest)))
    rank = (options.rescorer, options.rescore_weight or 0.0, options.nbest)
    return windowed(lambda logits, **times: rescore(decode(logits, **times), *rank), options.nbest, LONG_SECONDS)


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
