"""Engine-independent phoneme recognition: turns logits into timed phonemes. Does not import Keras."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from kerasrecipes.audio import load_audio
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.inference.speech_recognition import SpeechRecognitionMixin


class PhonemeRecognitionMixin(SpeechRecognitionMixin):
    """Adds `transcribe` and `posteriors`. Subclasses have what `SpeechRecognitionMixin` names."""

    name: Any
    sample_rate: int
    alphabet: Any
    criterion: Any
    # smaller `batch_seconds` and `chunk_threshold_seconds` for a network that needs much memory
    batch_limits: Mapping[str, float] = MappingProxyType({})

    def transcribe(
        self, audio: Any, sample_rate: int | None = None, *, decoder: str | None = None, ipa: bool = False, **options: Any
    ) -> Any:  # fmt: skip
        """Recognize the phonemes of audio.

        Args:
            audio: A path, bytes, a file object, or an array with `sample_rate`. Or a list or folder of them.
            sample_rate: Hz of arrays.
            decoder: "crf", the best path with the learned transitions, or "greedy", the best phoneme of each frame.
                Default: "crf" for recipes with transitions.
            ipa: Write the International Phonetic Alphabet instead of ARPAbet.
            **options: `batch_seconds`, `chunk_threshold_seconds`, `allow_truncated`, `max_seconds` and `progress` of
                `kerasrecipes.inference.transcribe.transcribe`.

        Returns:
            A `Transcript` whose text is the phonemes without silence, separated by spaces, and whose words are the phonemes
            with their times. For a list or folder, a list in order with an `AudioError` for every unreadable file.

        Raises:
            AudioError: A single input cannot be read.
            TypeError: An array has no `sample_rate`.
            KerasRecipesError: The option is for another task, or the criterion has no such decoder.
        """
        decoder = decoder or self.criterion.default_decoder
        return super().transcribe(audio, sample_rate, decoder=decoder, ipa=ipa, **{**self.batch_limits, **options})

    def posteriors(self, audio: Any, sample_rate: int | None = None) -> np.ndarray:
        """Return the probability of every phoneme at every frame (frames, phonemes). Rows sum to 1.

        With a CRF they are over all paths through the whole utterance. Column i is `model.alphabet.symbols[i]`, and frame t
        starts at `t * model.stride / model.sample_rate` seconds.

        Args:
            audio: One input of `transcribe`.
            sample_rate: Hz of an array.
        """
        from kerasrecipes.inference.transcribe import CHUNKING_THRESHOLD_SECONDS, logits_of

        wave = load_audio(audio, sample_rate=sample_rate, target=self.sample_rate)
        threshold = self.batch_limits.get("chunk_threshold_seconds", CHUNKING_THRESHOLD_SECONDS)
        return self.criterion.posteriors(logits_of(self, wave, threshold))

    def align(self, audio: Any, text: str, sample_rate: int | None = None, **options: Any) -> Any:
        """Raise an error: alignment needs words.

        Raises:
            KerasRecipesError: Always.
        """
        raise KerasRecipesError(
            f"{self.name} recognizes phonemes and knows no words: kerasrecipes data align-phones finds the times of the "
            "phonemes of a text, a speech recognizer's align those of its words"
        )
