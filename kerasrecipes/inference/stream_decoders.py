"""From logits that arrive in portions to the words so far. What is final is stored as words, and its logits are dropped."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from kerasrecipes.decoding.greedy import geometric_mean, greedy_decode, log_softmax, path_to_transcript
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.pauses import mark_pauses
from kerasrecipes.decoding.phrase_search import FramePath, PhraseSearch, PhraseTree, count_pause_frames
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.results import Character, Transcript, Word


class StreamDecoder(Protocol):
    """What a stream needs of a decoder."""

    def append(self, logits: np.ndarray) -> None:
        """Take the next logits (frames, symbols)."""

    def read(self, duration: float) -> Transcript:
        """Return the transcript of all frames so far, of which `duration` seconds of audio have arrived."""


class FinalWords:
    """Words that no longer change, and the number of frames that they and the silence around them had.

    Args:
        model: A recognizer.
    """

    def __init__(self, model: Any):
        self.alphabet, self.frame_seconds = model.alphabet, model.stride / model.sample_rate
        self.num_frames = 0
        self.words: list[Word] = []
        self.characters: list[Character] = []

    @property
    def offset(self) -> float:
        """Seconds of the final frames."""
        return self.num_frames * self.frame_seconds

    def times(self, duration: float | None) -> dict[str, Any]:
        """Return the arguments of a decoder that name the times of the frames behind the final ones."""
        duration = None if duration is None else max(duration, self.offset)
        return {"frame_seconds": self.frame_seconds, "offset": self.offset, "duration": duration}

    def extend(self, transcript: Transcript, num_frames: int) -> None:
        """Add the transcript of the next final frames."""
        self.words += transcript.words
        self.characters += transcript.characters
        self.num_frames += num_frames

    def join(self, pending: Transcript, duration: float) -> Transcript:
        """Return the final words and those of a transcript of the frames behind them."""
        words, characters = (*self.words, *pending.words), (*self.characters, *pending.characters)
        text = (self.alphabet.separator or " ").join(word.text for word in words)
        return Transcript(text, words, geometric_mean(c.confidence for c in characters), duration, (), characters)


class GreedyStreamDecoder:
    """The most likely symbol of each frame. Words before the last space are final.

    Args:
        model: A recognizer that was trained with CTC.
        pause_seconds: So many seconds without a letter end a word.
    """

    def __init__(self, model: Any, pause_seconds: float):
        self.pause_seconds = pause_seconds
        self._final = FinalWords(model)
        self._logits = np.zeros((0, model.alphabet.vocab_size), "float32")

    def append(self, logits: np.ndarray) -> None:
        final = self._final
        self._logits = mark_pauses(
            np.concatenate([self._logits, logits]), final.alphabet, final.frame_seconds, self.pause_seconds
        )
        if cut := self._count_final_frames():
            final.extend(self._decode(self._logits[:cut]), cut)
            self._logits = self._logits[cut:]

    def read(self, duration: float) -> Transcript:
        return self._final.join(self._decode(self._logits, duration), duration)

    def _count_final_frames(self) -> int:
        """Return the number of frames before the last space."""
        space = [i + 1 for i, s in enumerate(self._final.alphabet.symbols) if s == " "]
        best = self._logits.argmax(axis=1)
        # without a space in the alphabet, cut at a blank: no symbol's run continues after it
        is_cut = np.concatenate([[False], np.isin(best, space or [0])])
        blanks = np.flatnonzero(best == 0)
        is_letter = ~np.isin(best, [0, *space])
        first_letter = int(np.argmax(is_letter)) if is_letter.any() else len(best)
        leading_blanks = blanks[blanks < first_letter]
        return int(max([0, *np.flatnonzero(is_cut[1:] & ~is_cut[:-1])[-1:], *leading_blanks[-1:]]))

    def _decode(self, logits: np.ndarray, duration: float | None = None) -> Transcript:
        final = self._final
        return greedy_decode(logits, final.alphabet, **final.times(duration))


class PhraseStreamDecoder:
    """The phrases of a closed list. Those before a pause are final.

    Args:
        model: A recognizer that was trained with CTC.
        phrases: The phrases.
        rejection_cost: As for `decode_phrases`. Nats.
    """

    def __init__(self, model: Any, phrases: Sequence[str], rejection_cost: float):
        self._final = FinalWords(model)
        pause_frames = count_pause_frames(self._final.frame_seconds)
        self._search = PhraseSearch(PhraseTree(phrases, model.alphabet), model.alphabet, rejection_cost, pause_frames)

    def append(self, logits: np.ndarray) -> None:
        self._search.advance(log_softmax(logits))
        path = self._search.take_final_path()
        self._final.extend(self._decode(path), len(path.columns))

    def read(self, duration: float) -> Transcript:
        return self._final.join(self._decode(self._search.best_path(), duration), duration)

    def _decode(self, path: FramePath, duration: float | None = None) -> Transcript:
        final = self._final
        return path_to_transcript(*path, final.alphabet, **final.times(duration))


def make_stream_decoder(model: Any, options: DecodingOptions) -> StreamDecoder:
    """Return the decoder of a stream: of `phrases` if there are any, else the best path.

    Raises:
        KerasRecipesError: A phrase cannot be written, or another decoder is asked for.
    """
    if options.decoder not in (None, "greedy", "phrases"):
        raise KerasRecipesError(f'decoder={options.decoder!r} needs the whole recording: a stream takes "greedy" or phrases')
    if options.phrases:
        return PhraseStreamDecoder(model, options.phrases, options.rejection_cost)
    return GreedyStreamDecoder(model, options.pause_seconds)
