"""Weights and width of the searches with a language model: those of the caller, else those tuned for the recipe."""

from typing import Any

from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.symbol_priors import get_log_priors, get_tuned_settings
from kerasrecipes.errors import KerasRecipesError

BEAM_SIZE, LM_BEAM_SIZE = 50, 500  # without and with a language model
DEFAULT_WEIGHTS = {"lm_weight": 0.5, "word_score": 0.5, "prior_weight": 0.0}  # where nothing was tuned for the recipe


def choose_search_weights(model: Any, options: DecodingOptions) -> dict[str, float]:
    """Return `lm_weight`, `word_score` and `prior_weight`. The last is 0 for a model without priors of its symbols.

    Raises:
        KerasRecipesError: The options divide by priors, but the model has none.
    """
    has_priors = get_log_priors(model) is not None
    if options.prior_weight and not has_priors:
        raise KerasRecipesError(
            f"{model.name} has no priors of its symbols for prior_weight: `kerasrecipes tune-decoder --write` measures a recipe's"
        )
    tuned = DEFAULT_WEIGHTS | get_tuned_settings(model)
    weights = {
        name: tuned[name] if getattr(options, name) is None else getattr(options, name) for name in DEFAULT_WEIGHTS
    }  # fmt: skip
    return weights if has_priors else weights | {"prior_weight": 0.0}


def choose_beam_size(model: Any, options: DecodingOptions) -> int:
    """Return the number of texts that survive a frame: as asked for, else with a language model as tuned for the recognizer."""
    if options.beam_size or not options.language_model:
        return options.beam_size or BEAM_SIZE
    return int(get_tuned_settings(model).get("beam_size", LM_BEAM_SIZE))
