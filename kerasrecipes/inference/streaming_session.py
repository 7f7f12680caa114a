"""Text while somebody speaks: samples in any portions, the same scores as of the whole recording."""

from typing import Any

import numpy as np

from kerasrecipes.decoding.greedy import greedy_decode
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.inference.streaming_state import StreamingState
from kerasrecipes.results import Character, Transcript, Word

CHUNK_SECONDS = 0.24


def lookahead_samples(model: Any) -> int:
    """Samples behind a frame's own first one that must have come before its scores are known."""
    reach, stride = 0, 1
    for g in model.geometries:
        reach += ((g.span or 1) - 1 - g.left) * stride
        stride *= g.stride
    return reach + 1


class StreamingSession:
    """A recording that is still going on. Made by `model.stream()`; memory grows with the text only.

    Args:
        model: a recogniser that runs forward only.
        sample_rate: Hz of what `feed` gets.
        chunk_seconds: audio that is scored at once; what is less waits.

    Raises:
        KerasRecipesError: the model sees whole utterances, as a best path with transitions (ASG) also does; a chunk of no length.

    Example:
        >>> stream = kerasrecipes.load("deepspeech2_streaming_small").stream(sample_rate=16000)
        >>> stream.feed(samples)
        >>> stream.text
    """

    def __init__(self, model: Any, sample_rate: int = 16000, chunk_seconds: float = CHUNK_SECONDS):
        if model.alphabet.num_repetition_symbols is not None:
            raise KerasRecipesError(
                f"{model.name} cannot stream: without a blank the best path of all frames is known at the end only. "
                "Take a CTC recipe tagged 'streaming' (kerasrecipes list)"
            )
        if not chunk_seconds > 0:
            raise KerasRecipesError(f"chunk_seconds is {chunk_seconds}: more than 0")
        try:
            graph = model.streaming_graph()
        except NotImplementedError as error:  # a layer sees the whole utterance
            raise KerasRecipesError(
                f"{model.name} cannot stream: {error}. Take a recipe tagged 'streaming' (kerasrecipes list)"
            ) from None
        if sample_rate != model.sample_rate:
            import soxr

            self._resampler = soxr.ResampleStream(sample_rate, model.sample_rate, 1, dtype="float32")
        else:
            self._resampler = None
        self.model, self.sample_rate = model, sample_rate
        self._carried = StreamingState(graph, round(chunk_seconds * model.sample_rate))
        self._scores = np.zeros((0, model.alphabet.size), "float32")
        self._frames = self._samples = 0  # frames whose words are fixed; samples fed, at the model's rate
        self._words: list[Word] = []
        self._characters: list[Character] = []
        self._sound = False
        self._ended = False

    @property
    def latency(self) -> float:
        """Seconds between a sound and its scores: the network's lookahead and a chunk; computing comes on top."""
        return (lookahead_samples(self.model) + self._carried.piece) / self.model.sample_rate

    def feed(self, samples: Any) -> str:
        """Take the next samples, (n,) floats in -1 ... 1 or int16; returns what `text` says now.

        Raises:
            AudioError: not one-dimensional, not finite, or after `finish`.
        """
        if self._ended:
            raise AudioError("This stream has been finished; model.stream() begins a new one")
        x = np.asarray(samples)
        if x.dtype == np.int16:
            x = x / np.float32(32768)
        if x.ndim != 1 or x.dtype.kind != "f":
            raise AudioError(
                f"feed takes (n,) floats in -1 ... 1 or int16, got {x.dtype} of shape {x.shape}: mix down first"
            )
        if not np.isfinite(x).all():
            raise AudioError("The samples are not all finite numbers")
        if len(x) and np.abs(x).max() > 8:
            raise AudioError("Samples beyond 8: scale integer audio to -1 ... 1, or pass it as int16")
        x = x.astype("float32")
        self._process(self._resampler.resample_chunk(x) if self._resampler else x)
        return self.text

    def finish(self) -> Transcript:
        """The end of the recording: the whole transcript."""
        if not self._ended:
            if self._resampler:
                self._process(self._resampler.resample_chunk(np.zeros(0, "float32"), last=True))
            self._scores = np.concatenate([self._scores, self._carried.finish()])
            self._ended = True
        tail = self._decode(self._scores)
        words = (*self._words, *tail.words)
        characters = (*self._characters, *tail.characters)
        confidence = float(np.exp(np.mean([np.log(c.confidence) for c in characters]))) if characters else 1.0
        return Transcript(self._text(words), words, confidence, self._samples / self.model.sample_rate, (), characters)

    @property
    def text(self) -> str:
        """All words so far; the last one may still change."""
        return self._text((*self._words, *self._decode(self._scores).words))

    def _process(self, x: np.ndarray) -> None:
        self._samples += len(x)
        self._sound = self._sound or bool(x.any())
        self._scores = np.concatenate([self._scores, self._carried.feed(x)])
        self._commit_words()

    def _commit_words(self) -> None:
        """Words behind which a space has come do not change any more: keep them, and drop their scores."""
        space = [i + 1 for i, s in enumerate(self.model.alphabet.symbols) if s == " "]
        best = self._scores.argmax(axis=1)
        # where the alphabet has no space, cut at a blank: no symbol's run goes on behind it
        at = np.concatenate([[False], np.isin(best, space or [0])])
        silent = np.flatnonzero(best == 0)[np.flatnonzero(best == 0) < _first_true(~np.isin(best, [0, *space]))]
        cut = int(max([0, *np.flatnonzero(at[1:] & ~at[:-1])[-1:], *silent[-1:]]))
        if cut:
            fixed = self._decode(self._scores[:cut])
            self._words += fixed.words
            self._characters += fixed.characters
            self._scores, self._frames = self._scores[cut:], self._frames + cut

    def _decode(self, scores: np.ndarray) -> Transcript:
        seconds = self.model.stride / self.model.sample_rate
        if not self._sound:  # digital silence has no text
            scores = scores[:0]
        return greedy_decode(
            scores, self.model.alphabet, frame_seconds=seconds, offset=self._frames * seconds,
            duration=max(self._samples / self.model.sample_rate, self._frames * seconds),
        )  # fmt: skip

    def _text(self, words: Any) -> str:
        return (self.model.alphabet.separator or " ").join(w.text for w in words)


def _first_true(flags: np.ndarray) -> int:
    """Index of the first True, the length where there is none."""
    return int(np.argmax(flags)) if flags.any() else len(flags)
