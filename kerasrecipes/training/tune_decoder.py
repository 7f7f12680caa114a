"""Search for the language model weight and word score with the fewest word errors on a tuning set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasrecipes import metrics
from kerasrecipes.decoding.decoders import language_model_weights
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest
from kerasrecipes.training.scored_clips import score_clips

SEARCH_STEPS = ({"lm_weight": 0.2, "word_score": 0.6}, {"lm_weight": 0.1, "word_score": 0.3})  # coarse, then fine


@dataclass(frozen=True)
class TuningResult:
    """Decoder settings and their error rates on the tuning set."""

    language_model: str
    lm_weight: float
    word_score: float
    wer: float
    cer: float

    def __str__(self) -> str:
        return (
            f"lm_weight {self.lm_weight:.2f}  word_score {self.word_score:+.2f}  "
            f"word errors {100 * self.wer:.2f} %  character errors {100 * self.cer:.2f} %"
        )


def tune_decoder(
    model: Any, utterances: Sequence[Any], language_model: str, *, beam_size: int | None = None,
    start: tuple[float, float] | None = None, progress: Callable[[TuningResult], Any] | None = None,
) -> TuningResult:  # fmt: skip
    """Move to the neighboring setting with the fewest word errors until none has fewer, in coarse steps and then in fine ones.

    The network runs once. Only the decoder runs for every setting. `utterances` must never be the set that is reported.
    `language_model` and `beam_size` are those of `DecodingOptions`, and `start` is the first (lm_weight, word_score), by
    default the recipe's own.
    `progress` is called with the result of every setting.
    """
    if not hasattr(model, "criterion") or model.recipe.task != "speech-recognition":
        raise KerasRecipesError(
            f"{model.name} has no beam search to tune: its task is {model.recipe.task} (kerasrecipes list --task speech-recognition)"
        )
    clips = score_clips(model, utterances)
    references = [model.alphabet.normalize(u.text) for u in utterances]
    results: dict[tuple[float, float], TuningResult] = {}

    def evaluate(lm_weight: float, word_score: float) -> TuningResult:
        setting = (round(lm_weight, 4), round(word_score, 4))
        if setting not in results:
            options = {"language_model": language_model, "beam_size": beam_size, "lm_weight": setting[0], "word_score": setting[1]}
            texts = clips.texts(model, **options)
            rates = [rate(references, texts).rate for rate in (metrics.word_error_rate, metrics.character_error_rate)]
            results[setting] = TuningResult(language_model, *setting, *rates)
            if progress:
                progress(results[setting])
        return results[setting]

    own = language_model_weights(model, DecodingOptions())
    best = evaluate(*(start or (own["lm_weight"], own["word_score"])))
    for steps in SEARCH_STEPS:
        while True:
            neighbors = [
                replace(best, **{name: getattr(best, name) + sign * step}) for name, step in steps.items() for sign in (1, -1)
            ]  # fmt: skip
            better = min((evaluate(n.lm_weight, n.word_score) for n in neighbors if n.lm_weight > 0), key=sort_key)
            if sort_key(better) >= sort_key(best):
                break
            best = better
    return best


def sort_key(result: TuningResult) -> tuple[float, float]:
    """Return a key that sorts by word errors, then by character errors."""
    return result.wer, result.cer


def save_tuned_weights(recipe: str, result: TuningResult) -> Path:
    """Write the settings into a recipe's manifest row, as its defaults."""
    row = manifest.get_entry(recipe)
    settings = {
        "language_model": result.language_model,
        "lm_weight": result.lm_weight,
        "word_score": result.word_score,
    }
    return manifest.write_entry(replace(row, decoder=settings))
