"""Engine-independent speech recognition: turns logits into transcripts. Does not import Keras."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, overload

from kerasrecipes.decoding.options import REJECTION_COST
from kerasrecipes.decoding.pauses import PAUSE_SECONDS
from kerasrecipes.errors import AudioError
from kerasrecipes.inference.align import MISMATCH_THRESHOLD_NATS, Alignment
from kerasrecipes.inference.align import align as run_align
from kerasrecipes.inference.streaming_session import CHUNK_SECONDS, StreamingSession
from kerasrecipes.inference.transcribe import BATCH_SECONDS, CHUNKING_THRESHOLD_SECONDS
from kerasrecipes.inference.transcribe import transcribe as run_transcribe
from kerasrecipes.layers.time_geometry import TimeGeometry, output_length
from kerasrecipes.results import Transcript
from kerasrecipes.utils.audio_blocks import MAX_SECONDS

Hotwords: TypeAlias = Mapping[str, float | None] | Sequence[str]
Progress: TypeAlias = Callable[[int, int], Any]


class SpeechRecognitionMixin:
    """Adds `transcribe`, `align` and `stream` to a model.

    Subclasses have `name`, `recipe`, `alphabet`, `criterion`, `sample_rate` (Hz), the `geometries` of their layers and the
    composed `geometry`, `predict_logits` for a padded batch and `predict_logits_chunked` for one long wave.
    """

    geometry: TimeGeometry
    geometries: list[TimeGeometry]

    @property
    def stride(self) -> int:
        """Samples between two frames of logits."""
        return self.geometry.stride

    @property
    def receptive_field(self) -> int | None:
        """Samples that one frame of logits depends on, None for the whole utterance."""
        return self.geometry.receptive_field

    def output_length(self, samples: Any) -> Any:
        """Return the number of frames for a number of samples (an int, an array or a tensor)."""
        return output_length(self.geometries, samples)

    @overload
    def transcribe(
        self, audio: list[Any] | tuple[Any, ...], sample_rate: int | None = None, *, decoder: str | None = None,
        language_model: str | None = None, beam_size: int | None = None, lm_weight: float | None = None,
        word_score: float | None = None, prior_weight: float | None = None, nbest: int = 1, hotwords: Hotwords = (),
        rescorer: Any = None, rescore_weight: float | None = None, beam_size_token: int = 12,
        beam_threshold: float | None = None, pause_seconds: float = PAUSE_SECONDS, phrases: Sequence[str] = (),
        rejection_cost: float = REJECTION_COST, ipa: bool = False, batch_seconds: float = BATCH_SECONDS,
        chunk_threshold_seconds: float = CHUNKING_THRESHOLD_SECONDS, shift_average_seconds: float = 0.0,
        average_with: Sequence[Any] = (), allow_truncated: bool = False, max_seconds: float = MAX_SECONDS,
        progress: Progress | None = None,
    ) -> list[Transcript | AudioError]: ...  # fmt: skip

    @overload
    def transcribe(
        self, audio: Any, sample_rate: int | None = None, *, decoder: str | None = None,
        language_model: str | None = None, beam_size: int | None = None, lm_weight: float | None = None,
        word_score: float | None = None, prior_weight: float | None = None, nbest: int = 1, hotwords: Hotwords = (),
        rescorer: Any = None, rescore_weight: float | None = None, beam_size_token: int = 12,
        beam_threshold: float | None = None, pause_seconds: float = PAUSE_SECONDS, phrases: Sequence[str] = (),
        rejection_cost: float = REJECTION_COST, ipa: bool = False, batch_seconds: float = BATCH_SECONDS,
        chunk_threshold_seconds: float = CHUNKING_THRESHOLD_SECONDS, shift_average_seconds: float = 0.0,
        average_with: Sequence[Any] = (), allow_truncated: bool = False, max_seconds: float = MAX_SECONDS,
        progress: Progress | None = None,
    ) -> Transcript: ...  # fmt: skip

    def transcribe(
        self, audio: Any, sample_rate: int | None = None, *, decoder: str | None = None,
        language_model: str | None = None, beam_size: int | None = None, lm_weight: float | None = None,
        word_score: float | None = None, prior_weight: float | None = None, nbest: int = 1, hotwords: Hotwords = (),
        rescorer: Any = None, rescore_weight: float | None = None, beam_size_token: int = 12,
        beam_threshold: float | None = None, pause_seconds: float = PAUSE_SECONDS, phrases: Sequence[str] = (),
        rejection_cost: float = REJECTION_COST, ipa: bool = False, batch_seconds: float = BATCH_SECONDS,
        chunk_threshold_seconds: float = CHUNKING_THRESHOLD_SECONDS, shift_average_seconds: float = 0.0,
        average_with: Sequence[Any] = (), allow_truncated: bool = False, max_seconds: float = MAX_SECONDS,
        progress: Progress | None = None,
    ) -> Any:  # fmt: skip
        """Transcribe audio.

        Args:
            audio: A path, bytes, a file object, or an array with `sample_rate`. Or a list or folder of them.
            sample_rate: Hz of arrays.
            decoder: "greedy", "beam", "lexicon" or another decoder. Default: the recipe's language model decides.
            language_model: Word n-gram model: a bundled name ("librispeech_small") or the path of an ARPA or KenLM file.
            beam_size: Number of texts that survive a frame. Default: with a language model the recipe's, else 500; without one 50.
            lm_weight: Weight of the language model's log probability. Default: tuned for the recipe.
            word_score: Nats added for every word. Default: tuned for the recipe.
            prior_weight: Power of the symbols' priors that divides the network's posteriors before a search with a language model.
                Default: tuned for the recipe.
            nbest: Number of hypotheses: the best, and `nbest - 1` more in its `alternatives`.
            hotwords: Expected words: a list, or a mapping to the nats that each adds.
            rescorer: A loaded character language model that ranks the best 20 hypotheses again.
            rescore_weight: Weight of its log probability.
            beam_size_token: Number of symbols that decoder="lexicon" tries at every frame.
            beam_threshold: Nats below the best within which a text is followed with a language model.
            pause_seconds: So many seconds without a letter end a word. 0 lets words span pauses.
            phrases: Closed list of phrases. The transcript holds those that were said, and nothing else.
            rejection_cost: Nats that each frame of other speech pays for a letter. Infinity takes all speech for phrases.
            ipa: Write the International Phonetic Alphabet. Phoneme recognizers only.
            batch_seconds: Padded audio per batch in seconds.
            chunk_threshold_seconds: Longer recordings run in chunks.
            shift_average_seconds: Also run the audio shifted by this much in both directions, and average. 0 turns it off.
            average_with: More loaded recognizers, with CTC, the same symbols and frames at the same times. Each frame has the mean of
                all networks' probabilities, and this recognizer's settings decode them.
            allow_truncated: Transcribe what is there of a file that is cut off, with a warning.
            max_seconds: Longest file that is read, in seconds.
            progress: Called with (inputs done, inputs in all) after every input.

        Returns:
            A `Transcript`. For a list or folder, a list in order with an `AudioError` for every
            file that cannot be read or decoded.

        Raises:
            AudioError: A single input cannot be read.
            TypeError: An array has no `sample_rate`.
        """
        return run_transcribe(
            self, audio, sample_rate, decoder=decoder, language_model=language_model, beam_size=beam_size,
            lm_weight=lm_weight, word_score=word_score, prior_weight=prior_weight, nbest=nbest, hotwords=hotwords,
            rescorer=rescorer, rescore_weight=rescore_weight, beam_size_token=beam_size_token, beam_threshold=beam_threshold,
            pause_seconds=pause_seconds, phrases=phrases, rejection_cost=rejection_cost, ipa=ipa, batch_seconds=batch_seconds,
            chunk_threshold_seconds=chunk_threshold_seconds, shift_average_seconds=shift_average_seconds,
            average_with=average_with, allow_truncated=allow_truncated, max_seconds=max_seconds, progress=progress,
        )  # fmt: skip

    def align(
        self, audio: Any, text: str, sample_rate: int | None = None, *,
        mismatch_threshold: float = MISMATCH_THRESHOLD_NATS, pause_seconds: float = PAUSE_SECONDS,
        progress: Progress | None = None,
    ) -> Alignment:  # fmt: skip
        """Return the times of a known text's words, see `kerasrecipes.inference.align.align`."""
        return run_align(
            self, audio, text, sample_rate, mismatch_threshold=mismatch_threshold, pause_seconds=pause_seconds, progress=progress
        )

    def stream(
        self, sample_rate: int = 16000, chunk_seconds: float = CHUNK_SECONDS, pause_seconds: float = PAUSE_SECONDS,
        phrases: Sequence[str] = (), rejection_cost: float = REJECTION_COST,
    ) -> StreamingSession:  # fmt: skip
        """Start a `kerasrecipes.inference.streaming_session.StreamingSession` (recipes that run forward only)."""
        return StreamingSession(
            self, sample_rate, chunk_seconds, pause_seconds=pause_seconds, phrases=phrases, rejection_cost=rejection_cost
        )  # fmt: skip
