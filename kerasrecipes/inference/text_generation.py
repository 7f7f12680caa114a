"""What a language model does with scores, whatever engine computes them; needs no Keras."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError
from kerasrecipes.inference.streaming_state import StreamingState

MAX_BATCH_TOKENS = 16384


@dataclass(frozen=True)
class GeneratedText:
    """What a language model wrote behind a prompt; `bits` per symbol as the model itself would predict it."""

    prompt: str
    text: str
    bits: float

    def __str__(self) -> str:
        return self.prompt + self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"prompt": self.prompt, "text": self.text, "bits": round(self.bits, 4)}


class TextGenerationMixin:
    """`generate` and `log_probabilities`; subclasses have `alphabet`, `scores(inputs)` of padded batches, and
    `sample_graph()`, the network from symbol to symbol as `Carried` takes it."""

    alphabet: Alphabet
    scores: Any
    streaming_graph: Any

    # ------------------------------------------------------------------ what texts are worth

    def log_probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Natural logarithm of the probability of each text, its end included: (texts,) float64.

        Raises:
            DataError: a text has characters outside the alphabet.
        """
        coded = [self.alphabet.encode(t) for t in texts]
        found, order = np.zeros(len(coded)), np.argsort([len(c) for c in coded], kind="stable")
        begin = 0
        while begin < len(order):
            count = 1
            while (
                begin + count < len(order) and (count + 1) * (len(coded[order[begin + count]]) + 1) <= MAX_BATCH_TOKENS
            ):
                count += 1
            members = order[begin : begin + count]
            length = np.array([len(coded[i]) + 1 for i in members], "int32")
            symbols = np.zeros((count, -(-int(length.max()) // 16) * 16), "int32")
            for row, i in zip(symbols, members, strict=True):
                row[1 : len(coded[i]) + 1] = coded[i]
            logits = self.scores({"symbols": symbols, "length": length}).astype("float64")
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
            DataError: a prompt has characters outside the alphabet; a negative length, temperature or seed.
        """
        if isinstance(prompt, list | tuple):
            seeds = [seed if seed is None else seed + i for i in range(len(prompt))]
            return [self.generate(p, length, temperature, s) for p, s in zip(prompt, seeds, strict=True)]
        if length < 0 or temperature < 0:
            raise DataError(f"length and temperature cannot be negative: {length}, {temperature}")
        if seed is not None and seed < 0:
            raise DataError(f"The seed is {seed}: 0 or more")
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
        return GeneratedText(begin, self.alphabet.decode(written), bits / max(len(written), 1))

    def _advance(self, numbers: np.ndarray, state: Any) -> tuple[Any, np.ndarray]:
        """Read symbols one by one from a state; the new state and the scores (symbols,) of what comes next."""
        state = state or StreamingState(self.streaming_graph(), 1)
        return state, state.feed(numbers.astype("int32"))[-1].astype("float64")
