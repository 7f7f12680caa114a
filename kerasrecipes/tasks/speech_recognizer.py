"""Speech recognition: a network over waveforms, its alphabet and criterion, and the verb `transcribe`."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.data.clip_lists import from_lists
from kerasrecipes.data.keras_adapter import is_clip_list, split_validation, to_keras_input, to_plain_list
from kerasrecipes.data.speech_dataset import SpeechDataset
from kerasrecipes.data.utterances import Utterances
from kerasrecipes.decoding.criteria import alphabet_for_criterion, get_criterion
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.inference.speech_recognition import SpeechRecognitionMixin
from kerasrecipes.layers.sequence import StreamableLayer
from kerasrecipes.layers.time_geometry import compose
from kerasrecipes.losses.distillation import distillation_loss
from kerasrecipes.registry import get_recipe
from kerasrecipes.tasks.base import TaskModel
from kerasrecipes.tasks.features import AudioFeatureMixin
from kerasrecipes.utils.sources import is_file_input


@keras.saving.register_keras_serializable("kerasrecipes")
class SpeechRecognizer(SpeechRecognitionMixin, AudioFeatureMixin, TaskModel):
    """A speech recognizer: {"audio": (batch, samples), "length": (batch,)} -> logits (batch, frames, symbols).

    `transcribe` takes files and arrays. `fit` takes a `kerasrecipes.data` set and trains with the recipe's criterion, CTC
    (symbol 0 is the blank) or ASG (no blank, repetition symbols last), over true lengths. `save` writes a `.keras` file
    that opens in a fresh process after `import kerasrecipes`.

    Args:
        recipe: Name of a registered recipe.
        alphabet: An `Alphabet`, a string of characters, or None for English (28 symbols). It gets the blank or the
            repetition symbols that the criterion needs.
        config: Changes to the recipe's configuration.

    Example:
        >>> model = kerasrecipes.load("deepspeech2_small")
        >>> print(model.transcribe("talk.flac"))
    """

    default_optimizer: Mapping[str, Any] = {"learning_rate": 1e-3, "weight_decay": 1e-4, "global_clipnorm": 5.0}
    criteria: tuple[str, ...] = ("ctc", "asg")
    error_name = "cer"
    batch_seconds = 60.0  # default of `fit` and `evaluate`

    def __init__(self, recipe: str, alphabet: Any = None, config: dict | None = None, **kwargs: Any):
        source = get_recipe(recipe)
        criterion = get_criterion({**source.config, **(config or {})}, self.criteria)
        alphabet = self._make_alphabet(alphabet, criterion)
        super().__init__(source, {**(config or {}), "vocab_size": alphabet.vocab_size}, **kwargs)
        self.alphabet = alphabet
        self.criterion = criterion.from_network(self)
        self.decoder_settings: dict[str, float] = {}
        self.sample_rate = {**source.config, **self.changes}["sample_rate"]
        operations = recognition_output(self).operations
        self.layer_sequence = [o for o in operations if not isinstance(o, keras.layers.InputLayer)]
        self.geometries = [layer.geometry for layer in self.layer_sequence if isinstance(layer, StreamableLayer)]
        self.geometry = compose(self.geometries)
        self.error_rate = keras.metrics.Mean(name=self.error_name)
        self._streaming_model: Any = None
        self.distillation: dict[str, float] = {}  # arguments of `distill`

    def call(self, inputs, training=None, mask=None, **kwargs):
        """Run the network. A teacher's posteriors in a training batch are no input of it."""
        if isinstance(inputs, dict):
            inputs = {name: x for name, x in inputs.items() if name != "teacher"}
        return super().call(inputs, training=training, mask=mask, **kwargs)

    def _make_alphabet(self, alphabet: Any, criterion: Any) -> Any:
        return alphabet_for_criterion(alphabet, criterion.num_repetition_symbols)

    # ------------------------------------------------------------------ training

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the criterion in nats per label: the sum over the batch divided by its number of labels.

        After `distill`, clips without labels do not count, and a teacher's posteriors in `x` add their loss.
        """
        frames, num_labels = self.output_length(x["length"]), keras.ops.maximum(count_labels(y), 1.0)
        if self.uses_default_metrics:  # here, because on JAX `compute_metrics` sees no weights, which ASG needs
            errors = keras.ops.sum(self.criterion.count_errors(y, y_pred, frames))
            self.error_rate.update_state(errors / num_labels, sample_weight=num_labels)
        if not self.uses_default_loss:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        # padding items of length 0 contribute no loss
        losses = keras.ops.where(frames > 0, self.criterion.loss(y, y_pred, frames), 0.0)
        if self.distillation:
            losses = keras.ops.where(keras.ops.any(y != 0, axis=1), losses, 0.0)
        if sample_weight is not None:
            losses = losses * keras.ops.cast(sample_weight, "float32")
        loss = keras.ops.sum(losses) / num_labels
        return self._mix_with_teacher(loss, num_labels, x, y_pred, sample_weight) if self.distillation else loss

    def distill(self, ctc_weight: float, teacher_weight: float, temperature: float) -> None:
        """Let `compute_loss` add the distillation loss wherever a batch holds a teacher's posteriors ("teacher").

        The loss is `ctc_weight` times CTC in nats per label, plus `teacher_weight` times the cross entropy to the posteriors in
        nats per frame, because clips without a transcript have frames and no labels. A batch without posteriors has CTC alone,
        with weight 1. Both terms are reported as `ctc_loss` and `teacher_loss`.

        Args:
            ctc_weight: Weight of CTC.
            teacher_weight: Weight of the distillation loss.
            temperature: Temperature of `kerasrecipes.losses.distillation.distillation_loss`.
        """
        self.distillation = {"ctc_weight": ctc_weight, "teacher_weight": teacher_weight, "temperature": temperature}
        self.ctc_loss, self.teacher_loss = (keras.metrics.Mean(name=name) for name in ("ctc_loss", "teacher_loss"))

    def _mix_with_teacher(self, ctc_loss: Any, num_labels: Any, x: Any, logits: Any, sample_weight: Any) -> Any:
        self.ctc_loss.update_state(ctc_loss, sample_weight=num_labels)
        if "teacher" not in x:
            return ctc_loss
        frames = self.output_length(x["length"])
        losses = distillation_loss(x["teacher"], logits, frames, self.distillation["temperature"])
        if sample_weight is not None:
            losses = losses * keras.ops.cast(sample_weight, "float32")
        num_frames = keras.ops.maximum(keras.ops.cast(keras.ops.sum(frames), "float32"), 1.0)
        teacher_loss = keras.ops.sum(losses) / num_frames
        self.teacher_loss.update_state(teacher_loss, sample_weight=num_frames)
        return self.distillation["ctc_weight"] * ctc_loss + self.distillation["teacher_weight"] * teacher_loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Add the errors of the best path per label of the batch (`cer`) to what Keras reports."""
        if not self.uses_default_metrics:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        return self.get_metrics_result()

    def fit(
        self, x=None, y=None, batch_size: int | None = None, *args: Any, batch_seconds: float | None = None,
        sample_rate: int | None = None, **kwargs: Any,
    ):  # fmt: skip
        """Train as Keras does, also on utterances (`kerasrecipes.data.librispeech(...)`) or lists of clips and texts.

        Args:
            x: Utterances, a list of files, bytes, file objects or arrays, or anything Keras takes.
            y: Texts for a list.
            batch_size: Clips per batch. Default: as many as fit into `batch_seconds`.
            *args: Arguments of Keras's `fit`.
            batch_seconds: Seconds of audio per batch for unbatched data. Default: `self.batch_seconds`.
            sample_rate: Hz of arrays in a list.
            **kwargs: Arguments of Keras's `fit`. `validation_data` may be utterances or (clips, texts), and
                `validation_split` takes the last clips of utterances and lists.

        Raises:
            KerasRecipesError: `class_weight` was given.
        """
        if kwargs.get("class_weight") is not None:
            raise KerasRecipesError(
                f"{self.name} learns whole sequences by {self.criterion.name}, which have no class to weigh: leave class_weight out, "
                "and repeat the clips that should count more"
            )
        options = {"batch_size": batch_size, "batch_seconds": batch_seconds or self.batch_seconds}
        clips, validation = self._to_clips(x, y, sample_rate), kwargs.get("validation_data")
        if isinstance(clips, Utterances) and (share := kwargs.pop("validation_split", None)) and validation is None:
            clips, validation = split_validation(clips, share)
        kwargs["validation_data"] = self._to_batches(self._to_clips(validation, None, sample_rate), options, "sorted")
        batches = self._to_batches(clips, options, "random", kwargs.get("verbose", "auto"))
        if batches is not x:
            y, batch_size, kwargs["shuffle"] = None, None, False  # the dataset shuffles itself
        return super().fit(batches, y, batch_size, *args, **kwargs)

    def evaluate(
        self, x=None, y=None, batch_size: int | None = None, *args: Any, batch_seconds: float | None = None,
        sample_rate: int | None = None, **kwargs: Any,
    ):  # fmt: skip
        """Evaluate as Keras does, on anything `fit` takes."""
        options = {"batch_size": batch_size, "batch_seconds": batch_seconds or self.batch_seconds}
        batches = self._to_batches(self._to_clips(x, y, sample_rate), options, "sorted")
        inputs = (x, y, batch_size) if batches is x else (batches, None, None)
        return super().evaluate(*inputs, *args, **kwargs)

    def _to_clips(self, x: Any, y: Any, sample_rate: int | None) -> Any:
        """Return lists of clips and texts as `Utterances`, and anything else as it is."""
        clips, texts = map(to_plain_list, x if isinstance(x, tuple) and y is None and len(x) == 2 else (x, y))
        if texts is None and isinstance(clips, list) and is_file_input(clips):
            raise DataError(f"{len(clips)} files without texts: fit(files, texts) takes what is spoken in each")
        return self._utterances_from_lists(clips, texts, sample_rate) if is_clip_list(clips, texts) else x

    def _to_batches(self, x: Any, options: dict[str, Any], batch_order: str, verbose: Any = 0) -> Any:
        if isinstance(x, Utterances):
            x = self.make_dataset(x, batch_order=batch_order, **options)
        return to_keras_input(x, verbose) if isinstance(x, SpeechDataset) else x

    def make_dataset(self, x: Any, **options: Any) -> Any:
        """Return the `kerasrecipes.data.SpeechDataset` of utterances. `options` are its own."""
        self.check_sample_rate()
        return SpeechDataset(x, self.alphabet, self.output_length, **options)

    def check_sample_rate(self) -> None:
        """Check that the network's sample rate is the one at which clips are read for training.

        Raises:
            DataError: It is another one.
        """
        if self.sample_rate != SAMPLE_RATE:
            raise DataError(
                f"Clips are read at {SAMPLE_RATE} Hz and {self.name} takes {self.sample_rate} Hz: train it on batches of your own, "
                '({"audio", "length"}, labels)'
            )

    def _utterances_from_lists(self, clips: Any, labels: Any, sample_rate: int | None) -> Any:
        return from_lists(clips, labels, sample_rate)

    # ------------------------------------------------------------------ inference

    def predict_logits(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the logits (batch, frames, symbols) of a padded batch {"audio": (batch, samples), "length": (batch,)}."""
        from kerasrecipes.inference.compiled import compile_forward, pad_to_bucket

        if self._forward is None:
            self._forward = compile_forward(recognition_output(self))
        batch, samples = inputs["audio"].shape
        if keras.config.backend() == "jax":  # which compiles every shape
            inputs = {name: pad_to_bucket(values) for name, values in inputs.items()}
        return self._forward(inputs)[:batch, : self.output_length(samples)]

    def predict_logits_chunked(self, recording: Any) -> np.ndarray:
        """Return the logits (frames, symbols) of a recording of any length, see `kerasrecipes.inference.chunked`."""
        from kerasrecipes.inference.chunked import predict_logits_chunked

        return predict_logits_chunked(self, recording)

    def streaming_graph(self) -> Any:
        """Return the network over chunks of the waveform, a `StreamingModel` that is built once.

        Raises:
            NotImplementedError: A layer needs the whole utterance.
        """
        from kerasrecipes.inference.streaming_graph import StreamingModel

        if self._streaming_model is None:
            self._streaming_model = StreamingModel(self.layer_sequence, ())
        return self._streaming_model

    def label_config(self) -> dict[str, Any]:
        return {"alphabet": self.alphabet.get_config()}


def recognition_output(network: keras.Model) -> keras.Model:
    """Return the part of a network that computes the recognition logits: all of it, or its output named "frames"."""
    return keras.Model(network.input, network.output["frames"]) if isinstance(network.output, dict) else network


def count_labels(labels: Any) -> Any:
    """Return the number of labels of a padded batch (0 is padding) as a float."""
    return keras.ops.cast(keras.ops.sum(keras.ops.cast(labels != 0, "int32")), "float32")
