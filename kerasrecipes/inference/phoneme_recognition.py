"""Engine-independent phoneme recognition: turns logits into timed phonemes. Does not import Keras."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, overload

import numpy as np

from kerasrecipes.audio import open_recording
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.inference.speech_recognition import Progress, SpeechRecognitionMixin
from kerasrecipes.inference.transcribe import CHUNKING_THRESHOLD_SECONDS, logits_of
from kerasrecipes.inference.transcribe import transcribe as run_transcribe
from kerasrecipes.results import Transcript
from kerasrecipes.utils.audio_blocks import MAX_SECONDS


class PhonemeRecognitionMixin(SpeechRecognitionMixin):
    """Adds `transcribe` and `posteriors`. Subclasses have what `SpeechRecognitionMixin` names."""

    name: Any
    sample_rate: int
    alphabet: Any
    criterion: Any
    # smaller `batch_seconds` and `chunk_threshold_seconds` for a network that needs much memory
    batch_limits: Mapping[str, float] = MappingProxyType({})

    @overload
    def transcribe(
        self, audio: list[Any] | tuple[Any, ...], sample_rate: int | None = None, *, decoder: str | None = None, ipa: bool = False,
        language_model: str | None = None, beam_size: int | None = None, lm_weight: float | None = None, word_score: float | None = None,
        batch_seconds: float | None = None, chunk_threshold_seconds: float | None = None, allow_truncated: bool = False,
        max_seconds: float = MAX_SECONDS, progress: Progress | None = None, **options: Any,
    ) -> list[Transcript | AudioError]: ...  # fmt: skip

    @overload
    def transcribe(
        self, audio: Any, sample_rate: int | None = None, *, decoder: str | None = None, ipa: bool = False,
        language_model: str | None = None, beam_size: int | None = None, lm_weight: float | None = None, word_score: float | None = None,
        batch_seconds: float | None = None, chunk_threshold_seconds: float | None = None, allow_truncated: bool = False,
        max_seconds: float = MAX_SECONDS, progress: Progress | None = None, **options: Any,
    ) -> Transcript: ...  # fmt: skip

    def transcribe(
        self, audio: Any, sample_rate: int | None = None, *, decoder: str | None = None, ipa: bool = False,
        language_model: str | None = None, beam_size: int | None = None, lm_weight: float | None = None, word_score: float | None = None,
        batch_seconds: float | None = None, chunk_threshold_seconds: float | None = None, allow_truncated: bool = False,
        max_seconds: float = MAX_SECONDS, progress: Progress | None = None, **options: Any,
    ) -> Any:  # fmt: skip
        """Recognize the phonemes of audio.

        Args:
            audio: A path, bytes, a file object, or an array with `sample_rate`. Or a list or folder of them.
            sample_rate: Hz of arrays.
            decoder: "beam", a search with a phoneme language model; "crf", the best path with the learned transitions, without
                a language model; or "greedy", the best phoneme of each frame. Default: "beam" for recipes with a language model,
                else "crf" for recipes with transitions.
            ipa: Write the International Phonetic Alphabet instead of ARPAbet.
            language_model: Phoneme n-gram model: "phonemes_small", or the path of an ARPA file whose words are phonemes.
            beam_size: Number of hypotheses that survive a frame. Default: the recipe's.
            lm_weight: Weight of the language model's log probability. Default: the recipe's.
            word_score: Nats added for every phoneme. Default: the recipe's.
            batch_seconds: Padded audio per batch in seconds. Default: 60, or less for a network that needs much memory.
            chunk_threshold_seconds: Longer recordings run in chunks. Default: 60, or less for a network that needs much memory.
            allow_truncated: Recognize what is there of a file that is cut off, with a warning.
            max_seconds: Longest file that is read, in seconds.
            progress: Called with (inputs done, inputs in all) after every input.
            **options: Those of other tasks, which are errors.

        Returns:
            A `Transcript` whose text is the phonemes without silence, separated by spaces, and whose words are the phonemes
            with their times. For a list or folder, a list in order with an `AudioError` for every unreadable file.

        Raises:
            AudioError: A single input cannot be read.
            TypeError: An array has no `sample_rate`.
            KerasRecipesError: The option is for another task, or the criterion has no such decoder.
        """
        limits = {"batch_seconds": batch_seconds, "chunk_threshold_seconds": chunk_threshold_seconds}
        options |= {**self.batch_limits, **{name: seconds for name, seconds in limits.items() if seconds is not None}}
        return run_transcribe(
            self, audio, sample_rate, decoder=decoder, ipa=ipa, language_model=language_model, beam_size=beam_size,
            lm_weight=lm_weight, word_score=word_score,
            allow_truncated=allow_truncated, max_seconds=max_seconds, progress=progress, **options,
        )  # fmt: skip

    def posteriors(self, audio: Any, sample_rate: int | None = None) -> np.ndarray:
        """Return the probability of every phoneme at every frame (frames, phonemes). Rows sum to 1.

        With a CRF they are over all paths through the whole utterance. Column i is `model.alphabet.symbols[i]`, and frame t
        starts at `t * model.stride / model.sample_rate` seconds.

        Args:
            audio: One input of `transcribe`.
            sample_rate: Hz of an array.
        """
        threshold = self.batch_limits.get("chunk_threshold_seconds", CHUNKING_THRESHOLD_SECONDS)
        recording = open_recording(audio, sample_rate=sample_rate, target=self.sample_rate, keep_seconds=threshold)
        return self.criterion.posteriors(logits_of(self, recording, threshold))

    def align(self, audio: Any, text: str, sample_rate: int | None = None, **options: Any) -> Any:
        """Raise an error: alignment needs words.

        Raises:
            KerasRecipesError: Always.
        """
        raise KerasRecipesError(
            f"{self.name} recognizes phonemes and knows no words: kerasrecipes data align-phones finds the times of the "
            "phonemes of a text, a speech recognizer's align those of its words"
        )
