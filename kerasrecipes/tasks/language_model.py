"""Language models: a network over symbols, its alphabet, and the verb `generate`."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.inference.text_generation import TextGenerationMixin
from kerasrecipes.registry import get_recipe
from kerasrecipes.tasks.base import NextSymbolModel


@keras.saving.register_keras_serializable("kerasrecipes")
class LanguageModel(TextGenerationMixin, NextSymbolModel):
    """A character model: {"symbols": (batch, steps), "length": (batch,)} -> logits of the next symbol. Symbol 0 is the end of text.

    Args:
        recipe: Name of a registered recipe.
        alphabet: An `Alphabet`, a string of characters, or None for English.
        config: Changes to the recipe's configuration.

    Example:
        >>> model = kerasrecipes.load("char_rnn_small")
        >>> print(model.generate("the old house ", max_length=100, seed=1))
    """

    default_optimizer: Mapping[str, Any] = {"learning_rate": 2e-3, "weight_decay": 1e-4, "global_clipnorm": 1.0}

    def __init__(self, recipe: str, alphabet: Any = None, config: dict | None = None, **kwargs: Any):
        alphabet = Alphabet.from_value(alphabet)
        super().__init__(get_recipe(recipe), {**(config or {}), "vocab_size": alphabet.vocab_size}, **kwargs)
        self.alphabet = alphabet
        self.layer_sequence = [o for o in self.operations if not isinstance(o, keras.layers.InputLayer)]
        self._streaming_model: Any = None

    def fit(self, x=None, y=None, *args: Any, batch_tokens: int = 8192, **kwargs: Any):
        """Train as Keras does, also on a list of texts.

        Args:
            x: A list of texts, or anything Keras takes.
            y: Targets, if Keras needs them.
            *args: Arguments of Keras's `fit`.
            batch_tokens: Symbols per batch for a list of texts.
            **kwargs: Arguments of Keras's `fit`. `validation_data` may also be a list of texts.
        """
        batches = self._make_batches(x, batch_tokens, "random")
        if batches is not x:
            kwargs["shuffle"] = False  # the dataset shuffles itself
        kwargs["validation_data"] = self._make_batches(kwargs.get("validation_data"), batch_tokens, "sorted")
        return super().fit(batches, y, *args, **kwargs)

    def _make_batches(self, x: Any, batch_tokens: int, batch_order: str) -> Any:
        from kerasrecipes.data.keras_adapter import to_keras_input
        from kerasrecipes.data.text import TextDataset

        if isinstance(x, list) and x and isinstance(x[0], str):
            x = TextDataset(x, self.alphabet, batch_tokens=batch_tokens, batch_order=batch_order)
        return to_keras_input(x) if isinstance(x, TextDataset) else x

    def predict_logits(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the logits (batch, steps, symbols) of a padded batch {"symbols": (batch, steps), "length": (batch,)}."""
        from kerasrecipes.inference.compiled import compile_forward

        if self._forward is None:
            self._forward = compile_forward(self)
        return self._forward(inputs)

    def streaming_graph(self) -> Any:
        """Return the network from symbol to symbol, a `StreamingModel` that is built once."""
        from kerasrecipes.inference.streaming_graph import StreamingModel

        if self._streaming_model is None:
            self._streaming_model = StreamingModel(self.layer_sequence, (), dtype="int32")
        return self._streaming_model

    def label_config(self) -> dict[str, Any]:
        return {"alphabet": self.alphabet.get_config()}
