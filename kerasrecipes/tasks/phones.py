"""Phone recognition: a network over waveforms, its phones and criterion, and the verb `transcribe`."""

from typing import Any

import keras

from kerasrecipes.decoding.phoneset import PhoneSet
from kerasrecipes.layers.sequence import CausalLayer
from kerasrecipes.tasks.language import symbol_losses
from kerasrecipes.tasks.phone_criteria import CRITERIA
from kerasrecipes.tasks.recognizing_phones import RecognizesPhones
from kerasrecipes.tasks.speech import SpeechRecognizer, label_count

SAMPLE_BY_SAMPLE = {"batch_seconds": 12.0, "long_seconds": 30.0}  # of nets whose layers have a step for every sample


@keras.saving.register_keras_serializable("kerasrecipes")
class PhoneRecognizer(RecognizesPhones, SpeechRecognizer):
    """A recogniser of phones: {"audio": (batch, samples), "length": (batch,)} -> scores (batch, frames, phones).

    A network that also predicts its input's next samples has these scores as "frames" in a dict, beside "samples" and
    "targets" (`recipes.wavenet_asr`); its loss is the criterion's plus `next_sample`, of the configuration, times nats per
    predicted sample, and `fit` shows both parts as `frame_loss` and `sample_loss`.

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

    def __init__(self, recipe: str, alphabet: Any = None, config: dict | None = None, **kwargs: Any):
        super().__init__(recipe, alphabet, config, **kwargs)
        self.at_once = SAMPLE_BY_SAMPLE if any(isinstance(o, CausalLayer) for o in self.chained) else {}
        self.batch_seconds = self.at_once.get("batch_seconds", self.batch_seconds)
        if isinstance(self.output, dict):
            self.next_sample = {**self.recipe.config, **self.changes}["next_sample"]
            self.frame_loss = keras.metrics.Mean(name="frame_loss")
            self.sample_loss = keras.metrics.Mean(name="sample_loss")

    def _alphabet(self, alphabet: Any, criterion: Any) -> PhoneSet:
        return PhoneSet.of(alphabet)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The criterion in nats per frame; of a network that predicts samples plus `next_sample` times nats per sample."""
        if not isinstance(y_pred, dict):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        frames = super().compute_loss(x, y, y_pred["frames"], sample_weight, training)
        if not self.own_loss:
            return frames
        losses, counted = symbol_losses(y_pred["targets"], y_pred["samples"])
        if sample_weight is not None:
            losses = losses * keras.ops.cast(sample_weight, "float32")[:, None]
        count = keras.ops.sum(counted)
        samples = keras.ops.sum(losses) / keras.ops.maximum(count, 1.0)
        self.frame_loss.update_state(frames, sample_weight=label_count(y))
        self.sample_loss.update_state(samples, sample_weight=count)
        return frames + self.next_sample * samples

    def dataset(self, x: Any, **options: Any) -> Any:
        """A `kerasrecipes.data.PhoneDataset` of clips with aligned phones; options are its own: `crop_seconds` and more."""
        from kerasrecipes import data

        self.check_rate()
        seconds = self.stride / self.sample_rate
        return data.PhoneDataset(x, self.alphabet, self.output_length, frame_seconds=seconds, **options)

    def _pairs(self, paths: Any, labels: Any) -> Any:
        from kerasrecipes import data

        return data.aligned_pairs(paths, labels)
