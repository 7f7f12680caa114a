"""Language models: a network over symbols, its alphabet, and the verb `generate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError
from kerasrecipes.registry import get_recipe

BATCH_SYMBOLS = 16384


@dataclass(frozen=True)
class Continuation:
    """What a language model wrote behind a prompt; `bits` per symbol as the model itself would predict it."""

    prompt: str
    text: str
    bits: float

    def __str__(self) -> str:
        return self.prompt + self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"prompt": self.prompt, "text": self.text, "bits": round(self.bits, 4)}


@keras.saving.register_keras_serializable("kerasrecipes")
class LanguageModel(keras.Model):
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
        self.chained = [o for o in network.operations if not isinstance(o, keras.layers.InputLayer)]
        self.bits = keras.metrics.Mean(name="bits")
        self._forward: Any = None
        self._step: Any = None

    # ------------------------------------------------------------------ training

    def compile(self, optimizer: Any = None, loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """As Keras's; without arguments AdamW (2e-3, gradients clipped to norm 1) and nats per symbol, ends included."""
        if optimizer is None:
            optimizer = keras.optimizers.AdamW(2e-3, weight_decay=1e-4, global_clipnorm=1.0)
        self.own_loss, self.own_metrics = loss is None, metrics is None
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Nats per symbol over all targets that are not padding (-1)."""
        if not self.own_loss:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        losses, counted = symbol_losses(y, y_pred)
        return keras.ops.sum(losses) / keras.ops.maximum(keras.ops.sum(counted), 1.0)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Adds `bits` per symbol to what Keras reports."""
        if not self.own_metrics:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        losses, counted = symbol_losses(y, y_pred)
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
        from kerasrecipes.data.feeding import feed
        from kerasrecipes.data.text import TextDataset

        if isinstance(x, list) and x and isinstance(x[0], str):
            x = TextDataset(x, self.alphabet, batch_symbols=batch_symbols, order=order)
        return feed(x) if isinstance(x, TextDataset) else x

    # ------------------------------------------------------------------ what texts are worth

    def log_probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Natural logarithm of the probability of each text, its end included: (texts,) float64.

        Raises:
            DataError: a text has characters outside the alphabet.
        """
        from kerasrecipes.tasks.forward import compiled

        if self._forward is None:
            self._forward = compiled(self)
        coded = [self.alphabet.encode(t) for t in texts]
        found, order = np.zeros(len(coded)), np.argsort([len(c) for c in coded], kind="stable")
        begin = 0
        while begin < len(order):
            count = 1
            while begin + count < len(order) and (count + 1) * (len(coded[order[begin + count]]) + 1) <= BATCH_SYMBOLS:
                count += 1
            members = order[begin : begin + count]
            length = np.array([len(coded[i]) + 1 for i in members], "int32")
            symbols = np.zeros((count, -(-int(length.max()) // 16) * 16), "int32")
            for row, i in zip(symbols, members, strict=True):
                row[1 : len(coded[i]) + 1] = coded[i]
            logits = self._forward({"symbols": symbols, "length": length}).astype("float64")
            logs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
            for k, i in enumerate(members):
                target = np.append(coded[i], 0)
                found[i] = logs[k, np.arange(len(target)), target].sum()
            begin += count
        return found

    def bits_per_character(self, texts: Sequence[str]) -> float:
        """Bits per character over all texts; each text's end counts as one character, as a newline would."""
        texts = [self.alphabet.normalise(t) for t in texts]
        if not texts:
            raise DataError("There is no text to measure")
        return float(-self.log_probabilities(texts).sum() / np.log(2) / sum(len(t) + 1 for t in texts))

    # ------------------------------------------------------------------ writing

    def generate(
        self, prompt: Any = "", length: int = 200, temperature: float = 1.0, seed: int | None = None
    ) -> Any:  # fmt: skip
        """Write on, symbol by symbol, until the text ends or has `length` more characters.

        Args:
            prompt: what the text begins with, or a list of prompts. length: most characters to add.
            temperature: of the softmax; 1 samples from the model, near 0 always takes the likeliest; 0 does so exactly.
            seed: the same seed gives the same text.

        Returns:
            A `Continuation`, or a list of them.

        Raises:
            DataError: a prompt has characters outside the alphabet; a negative length or temperature.
        """
        if isinstance(prompt, list | tuple):
            seeds = [seed if seed is None else seed + i for i in range(len(prompt))]
            return [self.generate(p, length, temperature, s) for p, s in zip(prompt, seeds, strict=True)]
        if length < 0 or temperature < 0:
            raise DataError(f"length and temperature cannot be negative: {length}, {temperature}")
        rng = np.random.default_rng(seed)
        # a space at the end of a prompt is a symbol like others; only the writing is normalised
        begin = self.alphabet.normalise(prompt) + (" " if prompt.strip() and prompt[-1].isspace() else "")
        numbers = [0, *self.alphabet.encode(begin, normalise=False)]
        state, logits = self._advance(np.array(numbers), None)
        written: list[int] = []
        bits = 0.0
        for _ in range(length):
            logs = logits - np.logaddexp.reduce(logits)
            if temperature:
                weights = logs / temperature
                chosen = int(rng.choice(len(logs), p=np.exp(weights - np.logaddexp.reduce(weights))))
            else:
                chosen = int(np.argmax(logs))
            bits -= float(logs[chosen]) / np.log(2)
            if chosen == 0:
                break
            written.append(chosen)
            state, logits = self._advance(np.array([chosen]), state)
        return Continuation(begin, self.alphabet.decode(written), bits / max(len(written), 1))

    def _advance(self, numbers: np.ndarray, state: Any) -> tuple[Any, np.ndarray]:
        """Read symbols one by one from a state; the new state and the scores (symbols,) of what comes next."""
        from kerasrecipes.tasks.pieces import Carried, PieceGraph

        if self._step is None:
            self._step = PieceGraph(self.chained, (), dtype="int32")
        state = state or Carried(self._step, 1)
        return state, state.feed(numbers.astype("int32"))[-1].astype("float64")

    def get_config(self) -> dict:
        return {
            "recipe": self.recipe.name, "alphabet": self.alphabet.get_config(), "config": self.changes, "name": self.name,
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None) -> "LanguageModel":
        return cls(**config)


def symbol_losses(targets: Any, logits: Any) -> tuple[Any, Any]:
    """(batch, steps) cross entropies in nats, zero where the target is -1, and what counts, as floats."""
    ops = keras.ops
    counted = ops.cast(targets >= 0, "float32")
    logs = ops.log_softmax(ops.cast(logits, "float32"))
    chosen = ops.take_along_axis(logs, ops.maximum(ops.cast(targets, "int32"), 0)[..., None], axis=-1)[..., 0]
    return -chosen * counted, counted
