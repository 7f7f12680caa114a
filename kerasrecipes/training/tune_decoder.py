"""Search for the language model's weight, the word score and the weight of the priors with the fewest errors on a tuning set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasrecipes import metrics
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.search_weights import DEFAULT_WEIGHTS, choose_search_weights
from kerasrecipes.decoding.symbol_priors import measure_log_priors
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest
from kerasrecipes.hub.metric_names import metric_noun
from kerasrecipes.training.evaluation import check_alignments, fold_phonemes
from kerasrecipes.training.scored_clips import score_clips

SEARCH_STEPS = (  # coarse, then fine
    {"lm_weight": 0.2, "word_score": 0.6, "prior_weight": 0.2},
    {"lm_weight": 0.1, "word_score": 0.3, "prior_weight": 0.1},
)


def measure_words(alphabet: Any, utterances: Sequence[Any], transcripts: Sequence[Any]) -> dict[str, float]:
    """Return the word and character error rates of transcripts."""
    references, hypotheses = [alphabet.normalize(u.text) for u in utterances], [t.text for t in transcripts]
    return {
        "wer": metrics.word_error_rate(references, hypotheses).rate, "cer": metrics.character_error_rate(references, hypotheses).rate
    }  # fmt: skip


def measure_phonemes(alphabet: Any, utterances: Sequence[Any], transcripts: Sequence[Any]) -> dict[str, float]:
    """Return the phoneme error rate of transcripts. Clips have aligned phonemes."""
    return {"per": metrics.error_rate(*fold_phonemes(alphabet, utterances, transcripts)).rate}


MEASURES = {"speech-recognition": measure_words, "phoneme-recognition": measure_phonemes}  # by task
LANGUAGE_MODELS = {"speech-recognition": "librispeech_small", "phoneme-recognition": "phonemes_small"}


@dataclass(frozen=True)
class TuningResult:
    """Decoder settings and their error rates on the tuning set."""

    language_model: str
    lm_weight: float
    word_score: float
    prior_weight: float
    error_rates: Mapping[str, float]  # "wer" and "cer", or "per" of a phoneme recognizer
    log_priors: Mapping[str, float]

    def __str__(self) -> str:
        rates = "  ".join(f"{metric_noun(name)} {100 * rate:.2f} %" for name, rate in self.error_rates.items())
        return f"lm_weight {self.lm_weight:.2f}  word_score {self.word_score:+.2f}  prior_weight {self.prior_weight:.2f}  {rates}"


def tune_decoder(
    model: Any, utterances: Sequence[Any], language_model: str | None = None, *, beam_size: int | None = None,
    start: tuple[float, ...] | None = None, progress: Callable[[TuningResult], Any] | None = None,
) -> TuningResult:  # fmt: skip
    """Move to the neighboring setting with the fewest word or phoneme errors until none has fewer, in coarse steps and then in fine ones.

    The network runs once. Only the decoder runs for every setting. The mean posteriors of the tuning set become the priors of the
    symbols of a recognizer of words. `utterances` must never be the set that is reported.

    Args:
        model: Recognizer. Its own settings stay.
        utterances: Tuning set. For a phoneme recognizer, clips with aligned phonemes.
        language_model: As in `DecodingOptions`. Default: "librispeech_small", for phonemes "phonemes_small".
        beam_size: As in `DecodingOptions`.
        start: First (lm_weight, word_score) or (lm_weight, word_score, prior_weight). Default: the recipe's own.
        progress: Called with the result of every setting.
    """
    task = model.recipe.task
    if task not in MEASURES:
        raise KerasRecipesError(
            f"{model.name} has no beam search to tune: its task is {task} (kerasrecipes list --task speech-recognition)"
        )
    language_model = language_model or LANGUAGE_MODELS[task]
    if task == "phoneme-recognition":
        check_alignments(utterances)
    clips, is_words = score_clips(model, utterances), task == "speech-recognition"
    log_priors = measure_log_priors(clips.logits, model.alphabet) if is_words else {}
    results: dict[tuple[float, ...], TuningResult] = {}

    def evaluate(weights: Mapping[str, float]) -> TuningResult:
        setting = {name: round(weights[name], 4) for name in DEFAULT_WEIGHTS}
        key = tuple(setting.values())
        if key not in results:
            transcripts = clips.transcripts(model, language_model=language_model, beam_size=beam_size, **setting)
            error_rates = MEASURES[task](model.alphabet, utterances, transcripts)
            results[key] = TuningResult(language_model, **setting, error_rates=error_rates, log_priors=log_priors)
            if progress:
                progress(results[key])
        return results[key]

    own_settings, model.decoder_settings = model.decoder_settings, {**model.decoder_settings, "log_priors": log_priors}
    try:
        own = choose_search_weights(model, DecodingOptions())
        best = evaluate(own | dict(zip(DEFAULT_WEIGHTS, start or (), strict=False)))
        for steps in SEARCH_STEPS:
            while True:
                neighbors = [
                    replace(best, **{name: getattr(best, name) + sign * step})
                    for name, step in steps.items() for sign in (1, -1) if is_words or name != "prior_weight"
                ]  # fmt: skip
                allowed = [n for n in neighbors if n.lm_weight > 0 and n.prior_weight > -1e-9]
                better = min((evaluate(vars(n)) for n in allowed), key=sort_key)
                if sort_key(better) >= sort_key(best):
                    break
                best = better
    finally:
        model.decoder_settings = own_settings
    return best


def sort_key(result: TuningResult) -> tuple[float, ...]:
    """Return a key that sorts by word errors and then by character errors, or by phoneme errors."""
    return tuple(result.error_rates.values())


def save_tuned_weights(recipe: str, result: TuningResult) -> Path:
    """Write the settings into a recipe's manifest row, as its defaults."""
    row = manifest.get_entry(recipe)
    settings = {
        **row.decoder,
        "language_model": result.language_model,
        "lm_weight": result.lm_weight,
        "word_score": result.word_score,
    }
    if result.log_priors:
        settings |= {"prior_weight": result.prior_weight, "log_priors": dict(result.log_priors)}
    return manifest.write_entry(replace(row, decoder=settings))
