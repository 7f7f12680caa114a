"""Phone recognition: a network over waveforms, its phones and criterion, and the verb `transcribe`."""

from typing import Any

import keras
import numpy as np

from kerasrecipes import audio as sound
from kerasrecipes.decoding.greedy import check
from kerasrecipes.decoding.phones import phone_transcript
from kerasrecipes.decoding.phoneset import PhoneSet
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.layers.sequence import CausalLayer
from kerasrecipes.results import Transcript
from kerasrecipes.tasks.language import symbol_losses
from kerasrecipes.tasks.phone_criteria import CRITERIA
from kerasrecipes.tasks.speech import SpeechRecognizer, label_count

SAMPLE_BY_SAMPLE = {"batch_seconds": 12.0, "long_seconds": 30.0}  # of nets whose layers have a step for every sample


@keras.saving.register_keras_serializable("kerasrecipes")
class PhoneRecognizer(SpeechRecognizer):
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

        seconds = self.stride / self.sample_rate
        return data.PhoneDataset(x, self.alphabet, self.output_length, frame_seconds=seconds, **options)

    def _pairs(self, paths: Any, labels: Any) -> Any:
        from kerasrecipes import data

        return data.aligned_pairs(paths, labels)

    # ------------------------------------------------------------------ recognising

    def transcribe(
        self, audio: Any, sample_rate: int | None = None, *, decoder: str | None = None, ipa: bool = False, **options: Any
    ):  # fmt: skip
        """Audio to phones.

        Args:
            audio: a path, bytes, a file object, or an array with `sample_rate`; or a list or folder of them.
            sample_rate: Hz of arrays.
            decoder: "crf", the best path with the learned transitions, for recipes that have them; "greedy", the best
                phone of each frame. Default: "crf" where there are transitions.
            ipa: write the International Phonetic Alphabet instead of ARPAbet.
            options: `batch_seconds`, `long_seconds`, `progress`: of `kerasrecipes.tasks.transcribing.transcribe`.

        Returns:
            A `Transcript` whose text is the phones without silence, separated by spaces, and whose words are the phones with
            their times; for a list or folder a list in order, where a bad file's place holds its `AudioError`.

        Raises:
            AudioError: a single input cannot be read. TypeError: an array without `sample_rate`.
            KerasRecipesError: an option of another task, or a decoder that the criterion does not have.
        """
        from kerasrecipes.tasks.transcribing import transcribe

        return transcribe(self, audio, sample_rate, decode=self.decoder(decoder, ipa), **{**self.at_once, **options})

    def decoder(self, name: str | None = None, ipa: bool = False) -> Any:
        """`decode(scores, frame_seconds=..., offset=..., duration=...) -> Transcript`; arguments as in `transcribe`."""
        name = name or self.criterion.decoders[0]
        if name not in self.criterion.decoders:
            raise KerasRecipesError(f"{self.name} decodes with {' or '.join(self.criterion.decoders)}, not {name!r}")

        def decode(scores: np.ndarray, **times: Any) -> Transcript:
            if not check(scores, self.alphabet):
                return Transcript("", duration=times.get("duration") or 0.0)
            found = self.criterion.posteriors(scores)
            return phone_transcript(self.criterion.path(scores, name), found, self.alphabet, ipa=ipa, **times)

        return decode

    def posteriors(self, audio: Any, sample_rate: int | None = None) -> np.ndarray:
        """The probability of every phone at every frame: (frames, phones), rows sum to 1.

        With a CRF these are over all paths, from both ends of the utterance. Column i is `model.alphabet.symbols[i]`; frame t
        lasts from `t * model.stride / model.sample_rate` seconds to the next.

        Args:
            audio: one input as `transcribe` takes it. sample_rate: Hz of an array.
        """
        from kerasrecipes.tasks.transcribing import LONG_SECONDS, scores_of

        scores = scores_of(
            self, sound.read_audio(audio, sample_rate=sample_rate), self.at_once.get("long_seconds", LONG_SECONDS)
        )
        return self.criterion.posteriors(scores) if len(scores) else np.zeros((0, self.alphabet.size))

    def align(self, audio: Any, text: str, sample_rate: int | None = None, **options: Any):
        """Not for phones.

        Raises:
            KerasRecipesError: always.
        """
        raise KerasRecipesError(
            f"{self.name} recognises phones and knows no words: kerasrecipes data align-phones times the phones of a text, "
            "a speech recogniser's align its words"
        )
