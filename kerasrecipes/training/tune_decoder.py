"""How much a language model shall weigh: the settings with the fewest word errors on a tuning set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasrecipes import metrics
from kerasrecipes.decoding.options import DecodingOptions, make_decoder
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest
from kerasrecipes.inference.transcribe import score_batches

SEARCH_STEPS = ({"lm_weight": 0.2, "word_score": 0.6}, {"lm_weight": 0.1, "word_score": 0.3})  # coarse, then fine


@dataclass(frozen=True)
class TuningResult:
    """Settings and what they score on the tuning set."""

    language_model: str
    lm_weight: float
    word_score: float
    wer: float
    cer: float

    def __str__(self) -> str:
        return (
            f"lm_weight {self.lm_weight:.2f}  word_score {self.word_score:+.2f}  "
            f"{100 * self.wer:.2f} % words  {100 * self.cer:.2f} % characters"
        )


def tune_decoder(
    model: Any, utterances: Sequence[Any], language_model: str, *, beam_size: int = 50,
    start: tuple[float, float] = (0.5, 0.5), progress: Callable[[TuningResult], Any] | None = None,
) -> TuningResult:  # fmt: skip
    """Walk from `start` to the neighbour with fewer word errors while there is one; twice, the second time in finer steps.

    The network runs once; only the search runs again.

    Args:
        model: a recogniser. utterances: the tuning set; never the one that is reported on.
        language_model: as in `Decoding`. beam_size: likewise. start: (lm_weight, word_score).
        progress: called with every setting tried.

    Raises:
        KerasRecipesError: a clip cannot be read, or the model is no recogniser of words.
    """
    if not hasattr(model, "criterion") or model.recipe.task != "speech-recognition":
        raise KerasRecipesError(
            f"{model.name} has no beam search to tune: its task is {model.recipe.task} (kerasrecipes list --task speech-recognition)"
        )
    failed: list = [None] * len(utterances)
    frames = {i: s for i, s, _ in score_batches(model, [u.path for u in utterances], failed)}
    if bad := [f for f in failed if f is not None]:
        raise KerasRecipesError(f"{len(bad)} clips cannot be read, the first: {bad[0]}")
    references = [model.alphabet.normalise(u.text) for u in utterances]
    tried: dict[tuple[float, float], TuningResult] = {}

    def score(lm_weight: float, word_score: float) -> TuningResult:
        key = (round(lm_weight, 4), round(word_score, 4))
        if key not in tried:
            settings = DecodingOptions(
                language_model=language_model, beam_size=beam_size, lm_weight=key[0], word_score=key[1]
            )  # fmt: skip
            decode = make_decoder(model, settings)
            said = [decode(frames[i]).text for i in range(len(utterances))]
            rates = [rate(references, said).rate for rate in (metrics.word_error_rate, metrics.character_error_rate)]
            tried[key] = TuningResult(language_model, *key, *rates)
            if progress:
                progress(tried[key])
        return tried[key]

    best = score(*start)
    for steps in SEARCH_STEPS:
        while True:
            neighbours = [
                replace(best, **{name: getattr(best, name) + sign * step}) for name, step in steps.items() for sign in (1, -1)
            ]  # fmt: skip
            found = min((score(n.lm_weight, n.word_score) for n in neighbours if n.lm_weight > 0), key=sort_key)
            if sort_key(found) >= sort_key(best):
                break
            best = found
    return best


def sort_key(tuned: TuningResult) -> tuple[float, float]:
    """Fewer word errors are better, then fewer character errors."""
    return tuned.wer, tuned.cer


def save_tuned_weights(recipe: str, tuned: TuningResult) -> Path:
    """Make the settings the defaults of a recipe: they go into its manifest row."""
    row = manifest.get_entry(recipe)
    values = {"language_model": tuned.language_model, "lm_weight": tuned.lm_weight, "word_score": tuned.word_score}
    return manifest.write_entry(replace(row, decoder=values))
