"""Phoneme recognition: a network over waveforms, its phonemes and criterion, and the verb `transcribe`."""

from os import PathLike
from typing import Any

import keras

from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.errors import DataError
from kerasrecipes.inference.phoneme_recognition import PhonemeRecognitionMixin
from kerasrecipes.layers.sequence import CausalLayer
from kerasrecipes.losses.cross_entropy import masked_cross_entropy
from kerasrecipes.tasks.speech_recognizer import SpeechRecognizer, count_labels

# for networks whose layers have a step for every sample
SAMPLE_RATE_MODEL_LIMITS = {"batch_seconds": 12.0, "chunk_threshold_seconds": 30.0}


@keras.saving.register_keras_serializable("kerasrecipes")
class PhonemeRecognizer(PhonemeRecognitionMixin, SpeechRecognizer):
    """A phoneme recognizer: {"audio": (batch, samples), "length": (batch,)} -> logits (batch, frames, phonemes).

    A network that also predicts its input's next samples (`recipes.wavenet_asr`) returns a dict: "frames" are these logits,
    beside "samples" and "targets". Its loss is the criterion's plus `sample_loss_weight`, of the configuration, times the nats per
    predicted sample, and `fit` reports both terms as `frame_loss` and `sample_loss`.

    `transcribe` takes files and arrays. `fit` takes clips with aligned phonemes (`kerasrecipes.data.load_phone_alignments`,
    `kerasrecipes.data.timit`) and trains every frame with the recipe's criterion, a CRF or a softmax per frame.

    Args:
        recipe: Name of a registered recipe.
        alphabet: A `PhonemeSet`, the name of one ("arpabet", "timit61", "timit39"), a list of phonemes, or None for ARPAbet.
        config: Changes to the recipe's configuration.

    Example:
        >>> model = kerasrecipes.load("palaz_raw_small")
        >>> print(model.transcribe("talk.flac", ipa=True))
    """

    criteria = ("crf", "frames")
    error_name = "frame_errors"  # share of wrong frames on best paths

    def __init__(self, recipe: str, alphabet: Any = None, config: dict | None = None, **kwargs: Any):
        super().__init__(recipe, alphabet, config, **kwargs)
        has_sample_steps = any(isinstance(o, CausalLayer) for o in self.layer_sequence)
        self.batch_limits = SAMPLE_RATE_MODEL_LIMITS if has_sample_steps else {}
        self.batch_seconds = self.batch_limits.get("batch_seconds", self.batch_seconds)
        if isinstance(self.output, dict):
            self.sample_loss_weight = {**self.recipe.config, **self.changes}["sample_loss_weight"]
            self.frame_loss = keras.metrics.Mean(name="frame_loss")
            self.sample_loss = keras.metrics.Mean(name="sample_loss")

    def _make_alphabet(self, alphabet: Any, criterion: Any) -> PhonemeSet:
        return PhonemeSet.from_value(alphabet)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the criterion in nats per frame, for networks that predict samples plus `sample_loss_weight` times nats per sample."""
        if not isinstance(y_pred, dict):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        frame_loss = super().compute_loss(x, y, y_pred["frames"], sample_weight, training)
        if not self.uses_default_loss:
            return frame_loss
        losses, mask = masked_cross_entropy(y_pred["targets"], y_pred["samples"])
        if sample_weight is not None:
            losses = losses * keras.ops.cast(sample_weight, "float32")[:, None]
        count = keras.ops.sum(mask)
        sample_loss = keras.ops.sum(losses) / keras.ops.maximum(count, 1.0)
        self.frame_loss.update_state(frame_loss, sample_weight=count_labels(y))
        self.sample_loss.update_state(sample_loss, sample_weight=count)
        return frame_loss + self.sample_loss_weight * sample_loss

    def make_dataset(self, x: Any, **options: Any) -> Any:
        """Return the `kerasrecipes.data.PhonemeDataset` of clips with aligned phonemes. `options` are its own."""
        from kerasrecipes import data

        self.check_sample_rate()
        seconds = self.stride / self.sample_rate
        return data.PhonemeDataset(x, self.alphabet, self.output_length, frame_seconds=seconds, **options)

    def _utterances_from_lists(self, clips: Any, labels: Any, sample_rate: int | None) -> Any:
        from kerasrecipes import data

        if not all(isinstance(clip, str | PathLike) for clip in clips):
            raise DataError(
                "Phonemes with their times belong to files: write arrays to files first, with soundfile.write"
            )
        return data.alignments_from_lists(clips, labels)
