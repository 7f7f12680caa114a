"""Speech recognition: a network over waveforms, its alphabet and criterion, and the verb `transcribe`."""

import os
from typing import Any

import keras
import numpy as np

from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.errors import DataError
from kerasrecipes.inference.speech_recognition import SpeechRecognitionMixin
from kerasrecipes.layers.sequence import StreamableLayer
from kerasrecipes.layers.time_geometry import compose
from kerasrecipes.registry import get_recipe
from kerasrecipes.tasks.criteria import CRITERIA, alphabet_for_criterion, get_criterion


@keras.saving.register_keras_serializable("kerasrecipes")
class SpeechRecognizer(SpeechRecognitionMixin, keras.Model):
    """A recogniser: {"audio": (batch, samples), "length": (batch,)} -> scores (batch, frames, symbols).

    `transcribe` takes files and arrays; `fit` takes a `kerasrecipes.data` set and scores it with the recipe's criterion,
    CTC (symbol 0 is the blank) or ASG (no blank, repetition symbols last), over true lengths; `save` writes a `.keras`
    file that opens in a fresh process after `import kerasrecipes`.

    Args:
        recipe: name of a registered recipe.
        alphabet: what the symbols mean: an `Alphabet`, a string of characters, or None for English (28 symbols); with a
            blank or repetition symbols as the criterion needs it.
        config: changes to the recipe's configuration.

    Example:
        >>> model = kerasrecipes.load("deepspeech2_small")
        >>> print(model.transcribe("talk.flac"))
    """

    criteria = CRITERIA
    error_name = "cer"
    batch_seconds = 60.0  # of batches that `fit` and `evaluate` lay out

    def __init__(self, recipe: str, alphabet: Any = None, config: dict | None = None, **kwargs: Any):
        self_recipe = get_recipe(recipe)
        criterion = get_criterion({**self_recipe.config, **(config or {})}, self.criteria)
        alphabet = self._alphabet(alphabet, criterion)
        config = {**(config or {}), "vocabulary": alphabet.size}
        network = self_recipe.build(**config)
        super().__init__(inputs=network.input, outputs=network.output, **{"name": recipe, **kwargs})
        self.recipe, self.alphabet, self.changes = self_recipe, alphabet, config
        self.criterion = criterion(network)
        self.sample_rate = {**self_recipe.config, **config}["sample_rate"]
        self.layer_sequence = [
            o for o in recognition_output(network).operations if not isinstance(o, keras.layers.InputLayer)
        ]
        self.geometries = [layer.geometry for layer in self.layer_sequence if isinstance(layer, StreamableLayer)]
        self.geometry = compose(self.geometries)
        self.error_rate = keras.metrics.Mean(name=self.error_name)
        self._forward: Any = None
        self._sample_graph: Any = None

    def _alphabet(self, alphabet: Any, criterion: Any) -> Any:
        """The alphabet that was asked for, as the criterion needs it."""
        return alphabet_for_criterion(alphabet, criterion.num_repetition_symbols)

    # ------------------------------------------------------------------ training

    def compile(self, optimizer: Any = None, loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """As Keras's; without arguments AdamW (1e-3, gradients clipped to norm 5), the recipe's criterion and the
        character error rate of best paths."""
        if optimizer is None:
            optimizer = keras.optimizers.AdamW(1e-3, weight_decay=1e-4, global_clipnorm=5.0)
        self.default_loss, self.own_metrics = loss is None, metrics is None
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The criterion in nats per label: the sum over the batch divided by its number of labels."""
        frames, labels = self.output_length(x["length"]), keras.ops.maximum(count_labels(y), 1.0)
        if self.own_metrics:  # here, for on JAX `compute_metrics` sees no weights, and ASG's best path needs them
            edits = keras.ops.sum(self.criterion.edits(y, y_pred, frames))
            self.error_rate.update_state(edits / labels, sample_weight=labels)
        if not self.default_loss:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        # an item of no length, as batches are filled up with, counts nothing
        losses = keras.ops.where(frames > 0, self.criterion.losses(y, y_pred, frames), 0.0)
        if sample_weight is not None:
            losses = losses * keras.ops.cast(sample_weight, "float32")
        return keras.ops.sum(losses) / labels

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Adds `cer`, edits of the best path's transcript per label of the batch, to what Keras reports."""
        if not self.own_metrics:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        return self.get_metrics_result()

    def fit(self, x=None, y=None, *args: Any, batch_seconds: float | None = None, **kwargs: Any):
        """Keras's `fit`; also takes utterances (`kerasrecipes.data.librispeech(...)`) or a list of files and one of texts.

        Args:
            x: utterances, a list of files, or anything Keras takes.
            y: texts, where x is a list of files.
            batch_seconds: audio per batch (seconds) where x is not batched yet; default: `self.batch_seconds`.
        """
        kwargs["validation_data"] = self._batches(kwargs.get("validation_data"), None, batch_seconds, "sorted")
        batches = self._batches(x, y, batch_seconds, "random")
        if batches is not x:
            kwargs["shuffle"] = False  # the set lays out its own order
        return super().fit(batches, self._targets_or_none(x, y), *args, **kwargs)

    def evaluate(self, x=None, y=None, *args: Any, batch_seconds: float | None = None, **kwargs: Any):
        """Keras's `evaluate`, on what `fit` takes."""
        return super().evaluate(
            self._batches(x, y, batch_seconds, "sorted"), self._targets_or_none(x, y), *args, **kwargs
        )

    def _batches(self, x: Any, y: Any, batch_seconds: float | None, order: str) -> Any:
        from kerasrecipes import data
        from kerasrecipes.data.keras_adapter import to_keras_input

        if isinstance(x, tuple) and y is None and len(x) == 2 and isinstance(x[0], list | tuple):
            x, y = x  # of `validation_data`
        if isinstance(x, list | tuple) and y is not None and x and isinstance(x[0], str | os.PathLike):
            x = self._utterances_from_lists(x, y)
        if isinstance(x, data.Utterances):
            x = self.dataset(x, batch_seconds=batch_seconds or self.batch_seconds, order=order)
        return to_keras_input(x) if isinstance(x, data.SpeechDataset) else x

    def dataset(self, x: Any, **options: Any) -> Any:
        """Batches of utterances as `fit` takes them; options are those of the data set's class."""
        from kerasrecipes import data

        self.check_sample_rate()
        return data.SpeechDataset(x, self.alphabet, self.output_length, **options)

    def check_sample_rate(self) -> None:
        """
        Raises:
            DataError: the network hears another rate than that at which clips are read for training.
        """
        if self.sample_rate != SAMPLE_RATE:
            raise DataError(
                f"Clips are read at {SAMPLE_RATE} Hz and {self.name} hears {self.sample_rate} Hz: train it on batches of your own, "
                '({"audio", "length"}, labels)'
            )

    def _utterances_from_lists(self, paths: Any, labels: Any) -> Any:
        from kerasrecipes import data

        return data.from_lists(paths, labels)

    def _targets_or_none(self, x: Any, y: Any) -> Any:
        return None if isinstance(x, list | tuple) else y

    # ------------------------------------------------------------------ transcribing

    def scores(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The network on one padded batch, compiled: {"audio": (batch, samples), "length": (batch,)} -> (batch, frames, symbols)."""
        from kerasrecipes.inference.compiled import compile_forward, pad_to_bucket

        if self._forward is None:
            self._forward = compile_forward(recognition_output(self))
        batch, samples = inputs["audio"].shape
        if keras.config.backend() == "jax":  # which compiles anew for every shape
            inputs = {name: pad_to_bucket(values) for name, values in inputs.items()}
        return self._forward(inputs)[:batch, : self.output_length(samples)]

    def predict_logits_chunked(self, wave: np.ndarray) -> np.ndarray:
        """Scores (frames, symbols) of a recording of any length, in pieces: see `kerasrecipes.inference.chunked`."""
        from kerasrecipes.inference.chunked import predict_logits_chunked

        return predict_logits_chunked(self, wave)

    def streaming_graph(self) -> Any:
        """The recogniser as a network over pieces of the waveform, made once: a `kerasrecipes.inference.streaming_graph.StreamingModel`.

        Raises:
            NotImplementedError: a layer sees the whole utterance.
        """
        from kerasrecipes.inference.streaming_graph import StreamingModel

        if self._sample_graph is None:
            self._sample_graph = StreamingModel(self.layer_sequence, ())
        return self._sample_graph

    def get_config(self) -> dict:
        return {
            "recipe": self.recipe.name, "alphabet": self.alphabet.get_config(), "config": self.changes, "name": self.name,
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None) -> "SpeechRecognizer":
        return cls(**config)


def recognition_output(network: keras.Model) -> keras.Model:
    """What leads to the scores that are transcribed: the whole network, or of several outputs the one called "frames"."""
    return keras.Model(network.input, network.output["frames"]) if isinstance(network.output, dict) else network


def count_labels(labels: Any) -> Any:
    """Labels of a padded batch (0 is padding), as a float."""
    return keras.ops.cast(keras.ops.sum(keras.ops.cast(labels != 0, "int32")), "float32")
