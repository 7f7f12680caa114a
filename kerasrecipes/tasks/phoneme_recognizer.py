"""Phone recognition: a network over waveforms, its phones and criterion, and the verb `transcribe`."""

from typing import Any

import keras

from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.inference.phoneme_recognition import PhonemeRecognitionMixin
from kerasrecipes.layers.sequence import CausalLayer
from kerasrecipes.tasks.language_model import masked_cross_entropy
from kerasrecipes.tasks.phone_criteria import CRITERIA
from kerasrecipes.tasks.speech_recognizer import SpeechRecognizer, count_labels

SAMPLE_RATE_MODEL_LIMITS = {
    "batch_seconds": 12.0,
    "long_seconds": 30.0,
}  # of nets whose layers have a step for every sample


@keras.saving.register_keras_serializable("kerasrecipes")
class PhonemeRecognizer(PhonemeRecognitionMixin, SpeechRecognizer):
    """A recogniser of phones: {"audio": (batch, samples), "length": (batch,)} -> scores (batch, frames, phones).

    A network that also predicts its input's next samples has these scores as "frames" in a dict, beside "samples" and
    "targets" (`recipes.wavenet_asr`); its loss is the criterion's plus `next_sample`, of the configuration, times nats per
    predicted sample, and `fit` shows both parts as `frame_loss` and `sample_loss`.

    `transcribe` takes files and arrays; `fit` takes clips with aligned phones (`kerasrecipes.data.load_phone_alignments`,
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
        self.at_once = SAMPLE_RATE_MODEL_LIMITS if any(isinstance(o, CausalLayer) for o in self.layer_sequence) else {}
        self.batch_seconds = self.at_once.get("batch_seconds", self.batch_seconds)
        if isinstance(self.output, dict):
            self.next_sample = {**self.recipe.config, **self.changes}["next_sample"]
            self.frame_loss = keras.metrics.Mean(name="frame_loss")
            self.sample_loss = keras.metrics.Mean(name="sample_loss")

    def _alphabet(self, alphabet: Any, criterion: Any) -> PhonemeSet:
        return PhonemeSet.of(alphabet)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The criterion in nats per frame; of a network that predicts samples plus `next_sample` times nats per sample."""
        if not isinstance(y_pred, dict):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        frames = super().compute_loss(x, y, y_pred["frames"], sample_weight, training)
        if not self.default_loss:
            return frames
        losses, counted = masked_cross_entropy(y_pred["targets"], y_pred["samples"])
        if sample_weight is not None:
            losses = losses * keras.ops.cast(sample_weight, "float32")[:, None]
        count = keras.ops.sum(counted)
        samples = keras.ops.sum(losses) / keras.ops.maximum(count, 1.0)
        self.frame_loss.update_state(frames, sample_weight=count_labels(y))
        self.sample_loss.update_state(samples, sample_weight=count)
        return frames + self.next_sample * samples

    def dataset(self, x: Any, **options: Any) -> Any:
        """A `kerasrecipes.data.PhonemeDataset` of clips with aligned phones; options are its own: `crop_seconds` and more."""
        from kerasrecipes import data

        self.check_sample_rate()
        seconds = self.stride / self.sample_rate
        return data.PhonemeDataset(x, self.alphabet, self.output_length, frame_seconds=seconds, **options)

    def _utterances_from_lists(self, paths: Any, labels: Any) -> Any:
        from kerasrecipes import data

        return data.alignments_from_lists(paths, labels)
