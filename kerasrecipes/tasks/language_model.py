"""Language models: a network over symbols, its alphabet, and the verb `generate`."""

from typing import Any

import keras
import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.inference.text_generation import GeneratedText, TextGenerationMixin
from kerasrecipes.registry import get_recipe

__all__ = ["GeneratedText", "LanguageModel", "masked_cross_entropy"]


@keras.saving.register_keras_serializable("kerasrecipes")
class LanguageModel(TextGenerationMixin, keras.Model):
    """A character model: {"symbols": (batch, steps), "length": (batch,)} -> scores of the next symbol, number 0 the boundary.

    Args:
        recipe: name of a registered recipe.
        alphabet: what the symbols mean: an `Alphabet`, a string of characters, or None for English.
        config: changes to the recipe's configuration.

    Example:
        >>> model = kerasrecipes.load("char_rnn_small")
        >>> print(model.generate("the old house ", length=100, seed=1))
    """

    def __init__(self, recipe: str, alphabet: Any = None, config: dict | None = None, **kwargs: Any):
        own = get_recipe(recipe)
        alphabet = Alphabet.of(alphabet)
        config = {**(config or {}), "vocabulary": alphabet.size}
        network = own.build(**config)
        super().__init__(inputs=network.input, outputs=network.output, **{"name": recipe, **kwargs})
        self.recipe, self.alphabet, self.changes = own, alphabet, config
        self.layer_sequence = [o for o in network.operations if not isinstance(o, keras.layers.InputLayer)]
        self.bits = keras.metrics.Mean(name="bits")
        self._forward: Any = None
        self._step: Any = None

    # ------------------------------------------------------------------ training

    def compile(self, optimizer: Any = None, loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """As Keras's; without arguments AdamW (2e-3, gradients clipped to norm 1) and nats per symbol, ends included."""
        if optimizer is None:
            optimizer = keras.optimizers.AdamW(2e-3, weight_decay=1e-4, global_clipnorm=1.0)
        self.default_loss, self.own_metrics = loss is None, metrics is None
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Nats per symbol over all targets that are not padding (-1)."""
        if not self.default_loss:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        losses, counted = masked_cross_entropy(y, y_pred)
        return keras.ops.sum(losses) / keras.ops.maximum(keras.ops.sum(counted), 1.0)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Adds `bits` per symbol to what Keras reports."""
        if not self.own_metrics:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        losses, counted = masked_cross_entropy(y, y_pred)
        total = keras.ops.sum(counted)
        self.bits.update_state(keras.ops.sum(losses) / keras.ops.maximum(total, 1.0) / np.log(2), sample_weight=total)
        return self.get_metrics_result()

    def fit(self, x=None, y=None, *args: Any, batch_symbols: int = 8192, **kwargs: Any):
        """Keras's `fit`; also takes a list of texts."""
        batches = self._batches(x, batch_symbols, "random")
        if batches is not x:
            kwargs["shuffle"] = False  # the set lays out its own order
        kwargs["validation_data"] = self._batches(kwargs.get("validation_data"), batch_symbols, "sorted")
        return super().fit(batches, y, *args, **kwargs)

    def _batches(self, x: Any, batch_symbols: int, order: str) -> Any:
        from kerasrecipes.data.keras_adapter import to_keras_input
        from kerasrecipes.data.text import TextDataset

        if isinstance(x, list) and x and isinstance(x[0], str):
            x = TextDataset(x, self.alphabet, batch_symbols=batch_symbols, order=order)
        return to_keras_input(x) if isinstance(x, TextDataset) else x

    # ------------------------------------------------------------------ reading

    def scores(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The network on one padded batch, compiled: {"symbols": (batch, steps), "length": (batch,)} -> (batch, steps, symbols)."""
        from kerasrecipes.inference.compiled import compile_forward

        if self._forward is None:
            self._forward = compile_forward(self)
        return self._forward(inputs)

    def streaming_graph(self) -> Any:
        """The network from symbol to symbol, made once: a `kerasrecipes.inference.streaming_graph.StreamingModel`."""
        from kerasrecipes.inference.streaming_graph import StreamingModel

        if self._step is None:
            self._step = StreamingModel(self.layer_sequence, (), dtype="int32")
        return self._step

    def get_config(self) -> dict:
        return {
            "recipe": self.recipe.name, "alphabet": self.alphabet.get_config(), "config": self.changes, "name": self.name,
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None) -> "LanguageModel":
        return cls(**config)


def masked_cross_entropy(targets: Any, logits: Any) -> tuple[Any, Any]:
    """(batch, steps) cross entropies in nats, zero where the target is -1, and what counts, as floats."""
    ops = keras.ops
    counted = ops.cast(targets >= 0, "float32")
    logs = ops.log_softmax(ops.cast(logits, "float32"))
    chosen = ops.take_along_axis(logs, ops.maximum(ops.cast(targets, "int32"), 0)[..., None], axis=-1)[..., 0]
    return -chosen * counted, counted
