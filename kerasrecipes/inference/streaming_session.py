"""Text while the audio still arrives: samples in portions of any size, the same logits as of the whole recording."""

from typing import Any

import numpy as np

from kerasrecipes.audio import to_float32
from kerasrecipes.decoding.greedy import geometric_mean, greedy_decode
from kerasrecipes.decoding.pauses import PAUSE_SECONDS, mark_pauses
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.inference.streaming_state import StreamingState
from kerasrecipes.results import Character, Transcript, Word
from kerasrecipes.utils.audio_blocks import check_finite

CHUNK_SECONDS = 0.24


def lookahead_samples(model: Any) -> int:
    """Return the number of samples, from a frame's first one on, that the frame's logits need."""
    reach, stride = 0, 1
    for g in model.geometries:
        reach += ((g.receptive_field or 1) - 1 - g.left) * stride
        stride *= g.stride
    return reach + 1


class StreamingSession:
    """A recording that is still going on, created by `model.stream()`. Its memory grows with the text only.

    Args:
        model: A recognizer that runs forward only.
        sample_rate: Hz of the samples of `feed`.
        chunk_seconds: Audio that is processed at once. Less than a chunk waits.
        pause_seconds: So many seconds without a letter end a word, as in `transcribe`.

    Raises:
        KerasRecipesError: The model needs whole utterances, as all ASG models do, or `chunk_seconds` is not positive.

    Example:
        >>> stream = kerasrecipes.load("deepspeech2_streaming_small").stream(sample_rate=16000)
        >>> stream.feed(samples)
        >>> stream.text
    """

    def __init__(
        self, model: Any, sample_rate: int = 16000, chunk_seconds: float = CHUNK_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ):  # fmt: skip
        if model.alphabet.num_repetition_symbols is not None:
            raise KerasRecipesError(
                f"{model.name} cannot stream: without a blank, the best path is only known at the end of the audio. "
                "Take a CTC recipe tagged 'streaming' (kerasrecipes list)"
            )
        if not chunk_seconds > 0:
            raise KerasRecipesError(f"chunk_seconds is {chunk_seconds}: it must be more than 0")
        try:
            streaming_model = model.streaming_graph()
        except NotImplementedError as error:  # a layer needs the whole utterance
            raise KerasRecipesError(
                f"{model.name} cannot stream: {error}. Take a recipe tagged 'streaming' (kerasrecipes list)"
            ) from None
        self._resampler = None
        if sample_rate != model.sample_rate:
            import soxr

            self._resampler = soxr.ResampleStream(sample_rate, model.sample_rate, 1, dtype="float32")
        if not pause_seconds >= 0:
            raise KerasRecipesError(f"pause_seconds must be 0 or more, is {pause_seconds}")
        self.model, self.sample_rate, self.pause_seconds = model, sample_rate, pause_seconds
        self._state = StreamingState(streaming_model, round(chunk_seconds * model.sample_rate))
        self._logits = np.zeros((0, model.alphabet.vocab_size), "float32")
        self._num_frames = self._num_samples = 0  # frames whose words are final; samples at the model's rate
        self._words: list[Word] = []
        self._characters: list[Character] = []
        self._is_silent = True
        self._is_finished = False

    @property
    def latency(self) -> float:
        """Seconds between audio and its logits: the network's lookahead and one chunk, without computing time."""
        return (lookahead_samples(self.model) + self._state.chunk_steps) / self.model.sample_rate

    def feed(self, samples: Any) -> str:
        """Take the next samples (n,), floats in -1 ... 1 or integers, and return the current `text`.

        Raises:
            AudioError: The samples are not one-dimensional, not finite or out of range, or the stream has been finished.
        """
        if self._is_finished:
            raise AudioError("This stream has been finished: model.stream() starts a new one")
        x = np.asarray(samples)
        if x.ndim != 1:
            raise AudioError(f"feed takes samples (n,), got {x.dtype} of shape {x.shape}: mix down first")
        x = to_float32(x, "The audio")
        check_finite(x, "The audio")
        self._process(self._resampler.resample_chunk(x) if self._resampler else x)
        return self.text

    def finish(self) -> Transcript:
        """End the recording and return the whole transcript."""
        if not self._is_finished:
            if self._resampler:
                self._process(self._resampler.resample_chunk(np.zeros(0, "float32"), last=True))
            self._append(self._state.finish())
            self._is_finished = True
        tail = self._decode(self._logits)
        words = (*self._words, *tail.words)
        characters = (*self._characters, *tail.characters)
        confidence = geometric_mean(c.confidence for c in characters)
        duration = self._num_samples / self.model.sample_rate
        return Transcript(self._join(words), words, confidence, duration, (), characters)

    @property
    def text(self) -> str:
        """All words so far. The last word may still change."""
        return self._join((*self._words, *self._decode(self._logits).words))

    def _process(self, x: np.ndarray) -> None:
        self._num_samples += len(x)
        self._is_silent = self._is_silent and not x.any()
        self._append(self._state.feed(x))
        self._commit_words()

    def _append(self, logits: np.ndarray) -> None:
        self._logits = mark_pauses(
            np.concatenate([self._logits, logits]), self.model.alphabet, self.model.stride / self.model.sample_rate,
            self.pause_seconds,
        )  # fmt: skip

    def _commit_words(self) -> None:
        """Store the words before the last space, which no longer change, and drop their logits."""
        space = [i + 1 for i, s in enumerate(self.model.alphabet.symbols) if s == " "]
        best = self._logits.argmax(axis=1)
        # without a space in the alphabet, cut at a blank: no symbol's run continues after it
        is_cut = np.concatenate([[False], np.isin(best, space or [0])])
        blanks = np.flatnonzero(best == 0)
        leading_blanks = blanks[blanks < _first_true(~np.isin(best, [0, *space]))]
        cut = int(max([0, *np.flatnonzero(is_cut[1:] & ~is_cut[:-1])[-1:], *leading_blanks[-1:]]))
        if cut:
            transcript = self._decode(self._logits[:cut])
            self._words += transcript.words
            self._characters += transcript.characters
            self._logits, self._num_frames = self._logits[cut:], self._num_frames + cut

    def _decode(self, logits: np.ndarray) -> Transcript:
        frame_seconds = self.model.stride / self.model.sample_rate
        offset = self._num_frames * frame_seconds
        if self._is_silent:  # all-zero audio has no text
            logits = logits[:0]
        return greedy_decode(
            logits, self.model.alphabet, frame_seconds=frame_seconds, offset=offset,
            duration=max(self._num_samples / self.model.sample_rate, offset),
        )  # fmt: skip

    def _join(self, words: Any) -> str:
        return (self.model.alphabet.separator or " ").join(w.text for w in words)


def _first_true(flags: np.ndarray) -> int:
    """Return the index of the first True, or the length if there is none."""
    return int(np.argmax(flags)) if flags.any() else len(flags)
