"""Phone recognition: a network over waveforms, its phones and criterion, and the verb `transcribe`."""

from typing import Any

import keras

from kerasrecipes.decoding.phoneset import PhoneSet
from kerasrecipes.tasks.phone_criteria import CRITERIA
from kerasrecipes.tasks.recognizing_phones import RecognizesPhones
from kerasrecipes.tasks.speech import SpeechRecognizer


@keras.saving.register_keras_serializable("kerasrecipes")
class PhoneRecognizer(RecognizesPhones, SpeechRecognizer):
    """A recogniser of phones: {"audio": (batch, samples), "length": (batch,)} -> scores (batch, frames, phones).

    `transcribe` takes files and arrays; `fit` takes clips with aligned phones (`kerasrecipes.data.phones`,
    `kerasrecipes.data.timit`) and scores every frame with the recipe's criterion, a CRF or a softmax for each frame.

    Args:
        recipe: name of a registered recipe.
        alphabet: a `PhoneSet`, a set's name ("arpabet", "timit61", "timit39"), a list of phones, or None for ARPAbet.
        config: changes to the recipe's configuration.

    Example:
        >>> model = kerasrecipes.load("palaz_raw_small", weights=None)
        >>> print(model.transcribe("talk.flac", ipa=True))
    """

    criteria = CRITERIA
    error_name = "frame_errors"  # share of wrong frames on best paths

    def _alphabet(self, alphabet: Any, criterion: Any) -> PhoneSet:
        return PhoneSet.of(alphabet)

    def dataset(self, x: Any, **options: Any) -> Any:
        """A `kerasrecipes.data.PhoneDataset` of clips with aligned phones; options are its own."""
        from kerasrecipes import data

        seconds = self.stride / self.sample_rate
        return data.PhoneDataset(x, self.alphabet, self.output_length, frame_seconds=seconds, **options)

    def _pairs(self, paths: Any, labels: Any) -> Any:
        from kerasrecipes import data

        return data.aligned_pairs(paths, labels)
