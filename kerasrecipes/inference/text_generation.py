"""Engine-independent text generation and text probabilities. Does not import Keras."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError
from kerasrecipes.inference.streaming_state import StreamingState
from kerasrecipes.utils.escaping import escape_html

MAX_BATCH_TOKENS = 16384


@dataclass(frozen=True)
class GeneratedText:
    """The text that a language model generated after a prompt.

    Args:
        prompt: The normalized prompt.
        text: The generated text.
        bits: Bits per symbol of the text under the model.
    """

    prompt: str
    text: str
    bits: float

    def __str__(self) -> str:
        return self.prompt + self.text

    def _repr_html_(self) -> str:
        """Return the text as HTML, with the prompt in bold."""
        return f'<p style="white-space:pre-wrap"><b>{escape_html(self.prompt)}</b>{escape_html(self.text)}</p>'

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"prompt": self.prompt, "text": self.text, "bits": round(self.bits, 4)}


class TextGenerationMixin:
    """Adds `generate`, `log_probabilities` and `bits_per_character` to a model.

    Subclasses have `alphabet`, `predict_logits` for padded batches, and `streaming_graph()`, the network from symbol to
    symbol as `StreamingState` takes it.
    """

    alphabet: Alphabet
    predict_logits: Any
    streaming_graph: Any

    def log_probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Return the natural logarithm of each text's probability, its end included, (texts,) float64.

        Raises:
            DataError: A text has characters outside the alphabet.
        """
        encoded = [self.alphabet.encode(t) for t in texts]
        log_probs, order = np.zeros(len(encoded)), np.argsort([len(c) for c in encoded], kind="stable")
        start = 0
        while start < len(order):
            count = 1
            while (
                start + count < len(order)
                and (count + 1) * (len(encoded[order[start + count]]) + 1) <= MAX_BATCH_TOKENS
            ):
                count += 1
            batch = order[start : start + count]
            length = np.array([len(encoded[i]) + 1 for i in batch], "int32")
            symbols = np.zeros((count, -(-int(length.max()) // 16) * 16), "int32")
            for row, i in zip(symbols, batch, strict=True):
                row[1 : len(encoded[i]) + 1] = encoded[i]
            logits = self.predict_logits({"symbols": symbols, "length": length}).astype("float64")
            symbol_log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
            for k, i in enumerate(batch):
                target = np.append(encoded[i], 0)
                log_probs[i] = symbol_log_probs[k, np.arange(len(target)), target].sum()
            start += count
        return log_probs

    def bits_per_character(self, texts: Sequence[str]) -> float:
        """Return the bits per character over all texts. A text's end counts as one character, as a newline would."""
        texts = [self.alphabet.normalize(t) for t in texts]
        if not texts:
            raise DataError("There is no text to measure")
        return float(-self.log_probabilities(texts).sum() / np.log(2) / sum(len(t) + 1 for t in texts))

    @overload
    def generate(
        self, prompt: str = "", max_length: int = 200, temperature: float = 1.0, seed: int | None = None
    ) -> GeneratedText: ...

    @overload
    def generate(
        self, prompt: list[str] | tuple[str, ...], max_length: int = 200, temperature: float = 1.0, seed: int | None = None
    ) -> list[GeneratedText]: ...

    def generate(
        self, prompt: Any = "", max_length: int = 200, temperature: float = 1.0, seed: int | None = None
    ) -> Any:  # fmt: skip
        """Continue a prompt symbol by symbol until the text ends or is `max_length` characters longer.

        Args:
            prompt: The beginning of the text, or a list of prompts.
            max_length: Largest number of characters to generate.
            temperature: Sampling temperature. 1 samples from the model, 0 takes the most likely symbol.
            seed: The same seed gives the same text. Prompt i of a list has seed + i.

        Returns:
            A `GeneratedText`, or a list of them.

        Raises:
            DataError: A prompt has characters outside the alphabet, or a length, temperature or seed is negative.
        """
        if isinstance(prompt, list | tuple):
            seeds = [seed if seed is None else seed + i for i in range(len(prompt))]
            return [self.generate(p, max_length, temperature, s) for p, s in zip(prompt, seeds, strict=True)]
        if max_length < 0 or temperature < 0:
            raise DataError(f"max_length and temperature cannot be negative: {max_length}, {temperature}")
        if seed is not None and seed < 0:
            raise DataError(f"The seed is {seed}: it must be 0 or more")
        rng = np.random.default_rng(seed)
        # a space at the end of a prompt is a symbol, which `normalize` would remove
        prompt_text = self.alphabet.normalize(prompt) + (" " if prompt.strip() and prompt[-1].isspace() else "")
        state = StreamingState(self.streaming_graph(), 1)
        logits = self._next_logits(state, [0, *self.alphabet.encode(prompt_text, normalize=False)])
        generated: list[int] = []
        bits = 0.0
        for _ in range(max_length):
            log_probs = logits - np.logaddexp.reduce(logits)
            if temperature:
                scaled = log_probs / temperature
                symbol = int(rng.choice(len(log_probs), p=np.exp(scaled - np.logaddexp.reduce(scaled))))
            else:
                symbol = int(np.argmax(log_probs))
            bits -= float(log_probs[symbol]) / np.log(2)
            if symbol == 0:
                break
            generated.append(symbol)
            logits = self._next_logits(state, [symbol])
        return GeneratedText(prompt_text, self.alphabet.decode(generated), bits / max(len(generated), 1))

    def _next_logits(self, state: StreamingState, symbols: list[int]) -> np.ndarray:
        """Feed symbols into the state and return the logits (symbols,) of the next one."""
        return state.feed(np.array(symbols, "int32"))[-1].astype("float64")
