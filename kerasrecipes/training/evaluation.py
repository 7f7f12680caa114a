"""Error rates of a recogniser on a set of utterances."""

from typing import Any

from kerasrecipes import metrics
from kerasrecipes.errors import KerasRecipesError


def error_rates(model: Any, utterances: Any, **options: Any) -> dict[str, Any]:
    """Word and character error rates of `model.transcribe`, with intervals over speakers.

    Args:
        model: a recogniser or an engine with `transcribe` and `alphabet`.
        utterances: the set; texts are normalised to the model's alphabet.
        options: of `transcribe`.

    Returns:
        {"wer": ErrorRate, "cer": ErrorRate}.

    Raises:
        KerasRecipesError: a clip cannot be read; a score over the rest would be of another set.
    """
    results = model.transcribe([u.path for u in utterances], **options)
    bad = [f"{u.id}: {r}" for u, r in zip(utterances, results, strict=True) if isinstance(r, Exception)]
    if bad:
        raise KerasRecipesError(f"{len(bad)} of {len(results)} clips cannot be read, the first: {bad[0]}")
    references = [model.alphabet.normalise(u.text) for u in utterances]
    hypotheses = [r.text for r in results]
    speakers = [u.speaker for u in utterances]
    return {
        "wer": metrics.word_errors(references, hypotheses, speakers),
        "cer": metrics.character_errors(references, hypotheses, speakers),
    }
