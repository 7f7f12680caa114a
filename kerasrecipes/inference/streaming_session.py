"""Text while the audio still arrives: samples in portions of any size, the same logits as of the whole recording."""

from typing import Any

import numpy as np

from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.inference.stream_decoders import make_stream_decoder
from kerasrecipes.inference.streaming_state import StreamingState
from kerasrecipes.results import Transcript
from kerasrecipes.utils.audio_blocks import check_finite, to_float32

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
        **decoding: `pause_seconds`, `phrases` and `rejection_cost` as in `transcribe`.

    Raises:
        KerasRecipesError: The model needs whole utterances, as all ASG models do, or `chunk_seconds` is not positive.

    Example:
        >>> stream = kerasrecipes.load("deepspeech2_streaming_small").stream(sample_rate=16000)
        >>> stream.feed(samples)
        >>> stream.text
    """

    def __init__(
        self, model: Any, sample_rate: int = 16000, chunk_seconds: float = CHUNK_SECONDS, **decoding: Any
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
        self.model, self.sample_rate = model, sample_rate
        self._decoder = make_stream_decoder(model, DecodingOptions(**decoding))
        self._state = StreamingState(streaming_model, round(chunk_seconds * model.sample_rate))
        self._num_samples = 0  # at the model's rate
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
            self._decoder.append(self._state.finish())
            self._is_finished = True
        return self._read()

    @property
    def text(self) -> str:
        """All words so far. The last words may still change."""
        return self._read().text

    def _process(self, x: np.ndarray) -> None:
        self._num_samples += len(x)
        self._is_silent = self._is_silent and not x.any()
        self._decoder.append(self._state.feed(x))

    def _read(self) -> Transcript:
        duration = self._num_samples / self.model.sample_rate
        return Transcript("", duration=duration) if self._is_silent else self._decoder.read(duration)
