"""Several recognizers as one, whose frames have the mean of their probabilities (Deep Speech, arXiv 1412.5567). No Keras is imported."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.layers.time_geometry import first_center, output_length

TINY = 1e-30  # added to probabilities, whose logarithm stays finite


class RecognizerEnsemble:
    """Recognizers with CTC, the same symbols and frames at the same times, as one network.

    Args:
        models: Loaded recognizers, of any engine.

    Raises:
        KerasRecipesError: A model does not fit the first one. The message says why.
    """

    def __init__(self, models: Sequence[Any]):
        first = models[0]
        for model in models:
            check_fits(first, model)
        self.models = tuple(models)
        self.name = " + ".join(model.name for model in models)
        self.alphabet, self.criterion, self.geometries = first.alphabet, first.criterion, first.geometries
        self.sample_rate, self.stride = first.sample_rate, first.stride

    def output_length(self, samples: Any) -> Any:
        """Return the number of frames for a number of samples."""
        return output_length(self.geometries, samples)

    def predict_logits(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return log probabilities (batch, frames, symbols) of a padded batch {"audio": (batch, samples), "length": (batch,)}."""
        frames = self.output_length(inputs["audio"].shape[1])
        outputs = [model.predict_logits(inputs) for model in self.models]
        lengths = [model.output_length(np.asarray(inputs["length"])) for model in self.models]
        result = np.zeros((len(inputs["audio"]), frames, self.alphabet.vocab_size), "float32")
        for number, row in enumerate(result):
            parts = [logits[number, : length[number]] for logits, length in zip(outputs, lengths, strict=True)]
            row[: lengths[0][number]] = average_log_probs(parts)
        return result

    def predict_logits_chunked(self, recording: Any) -> np.ndarray:
        """Return log probabilities (frames, symbols) of a long recording."""
        return average_log_probs([model.predict_logits_chunked(recording) for model in self.models])


def average_log_probs(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the logarithm of the mean probabilities (frames, symbols) at the frames of the first of several networks.

    Args:
        parts: Logits (frames, symbols) of each network. One may have a frame more or less than the first: the frames that it lacks
            have the mean of the others.
    """
    total = np.zeros(parts[0].shape, "float64")
    count = np.zeros((len(parts[0]), 1))
    for logits in parts:
        common = min(len(logits), len(total))
        total[:common] += np.exp(log_softmax(logits[:common]))
        count[:common] += 1
    return np.log(total / count + TINY).astype("float32")


def check_fits(first: Any, model: Any) -> None:
    """Check that the frames and symbols of two recognizers mean the same.

    Raises:
        KerasRecipesError: They do not.
    """
    problem = ""
    if not hasattr(model, "criterion"):
        problem = f"its task is {model.recipe.task}"
    elif model.criterion.name != "ctc":
        problem = f"its criterion is {model.criterion.name}, and only CTC has probabilities of single frames"
    elif model.alphabet != first.alphabet:
        problem = f"its symbols are {model.alphabet}, not {first.alphabet}"
    elif (model.sample_rate, model.stride) != (first.sample_rate, first.stride):
        step, other = first.stride / first.sample_rate, model.stride / model.sample_rate
        problem = f"it has a frame every {1000 * other:g} ms, not every {1000 * step:g} ms"
    elif abs(first_center(model.geometries) - first_center(first.geometries)) > first.stride / 2:
        problem = "its frames stand at other times"
    if problem:
        raise KerasRecipesError(f"{model.name} cannot be averaged with {first.name}: {problem}")
