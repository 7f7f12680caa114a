"""What a recogniser of phones does with scores, whatever engine computes them; needs no Keras."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from kerasrecipes import audio as sound
from kerasrecipes.decoding.greedy import check_logits
from kerasrecipes.decoding.phoneme_transcript import phone_transcript
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.inference.speech_recognition import SpeechRecognitionMixin
from kerasrecipes.results import Transcript


class PhonemeRecognitionMixin(SpeechRecognitionMixin):
    """`transcribe` and `posteriors` on top of `scores(inputs)`; subclasses have what `Recognizes` names."""

    name: Any
    sample_rate: int
    alphabet: Any
    criterion: Any
    at_once: Mapping[str, float] = MappingProxyType(
        {}
    )  # seconds that the network takes at once, where the usual ones would be too many

    def transcribe(
        self, audio: Any, sample_rate: int | None = None, *, decoder: str | None = None, ipa: bool = False, **options: Any
    ):  # fmt: skip
        """Audio to phones.

        Args:
            audio: a path, bytes, a file object, or an array with `sample_rate`; or a list or folder of them.
            sample_rate: Hz of arrays.
            decoder: "crf", the best path with the learned transitions, for recipes that have them; "greedy", the best
                phone of each frame. Default: "crf" where there are transitions.
            ipa: write the International Phonetic Alphabet instead of ARPAbet.
            options: `batch_seconds`, `long_seconds`, `progress`: of `kerasrecipes.inference.transcribe.transcribe`.

        Returns:
            A `Transcript` whose text is the phones without silence, separated by spaces, and whose words are the phones with
            their times; for a list or folder a list in order, where a bad file's place holds its `AudioError`.

        Raises:
            AudioError: a single input cannot be read. TypeError: an array without `sample_rate`.
            KerasRecipesError: an option of another task, or a decoder that the criterion does not have.
        """
        from kerasrecipes.inference.transcribe import transcribe

        return transcribe(self, audio, sample_rate, decode=self.decoder(decoder, ipa), **{**self.at_once, **options})

    def decoder(self, name: str | None = None, ipa: bool = False) -> Any:
        """`decode(scores, frame_seconds=..., offset=..., duration=...) -> Transcript`; arguments as in `transcribe`."""
        name = name or self.criterion.decoders[0]
        if name not in self.criterion.decoders:
            raise KerasRecipesError(f"{self.name} decodes with {' or '.join(self.criterion.decoders)}, not {name!r}")

        def decode(scores: np.ndarray, **times: Any) -> Transcript:
            if not check_logits(scores, self.alphabet):
                return Transcript("", duration=times.get("duration") or 0.0)
            found = self.criterion.posteriors(scores)
            return phone_transcript(self.criterion.path(scores, name), found, self.alphabet, ipa=ipa, **times)

        return decode

    def posteriors(self, audio: Any, sample_rate: int | None = None) -> np.ndarray:
        """The probability of every phone at every frame: (frames, phones), rows sum to 1.

        With a CRF these are over all paths, from both ends of the utterance. Column i is `model.alphabet.symbols[i]`; frame t
        lasts from `t * model.stride / model.sample_rate` seconds to the next.

        Args:
            audio: one input as `transcribe` takes it. sample_rate: Hz of an array.
        """
        from kerasrecipes.inference.transcribe import CHUNKING_THRESHOLD_SECONDS, logits_of

        long_seconds = self.at_once.get("long_seconds", CHUNKING_THRESHOLD_SECONDS)
        wave = sound.load_audio(audio, sample_rate=sample_rate, target=self.sample_rate)
        scores = logits_of(self, wave, long_seconds)
        return self.criterion.posteriors(scores) if len(scores) else np.zeros((0, self.alphabet.size))

    def align(self, audio: Any, text: str, sample_rate: int | None = None, **options: Any):
        """Not for phones.

        Raises:
            KerasRecipesError: always.
        """
        raise KerasRecipesError(
            f"{self.name} recognises phones and knows no words: kerasrecipes data align-phones times the phones of a text, "
            "a speech recogniser's align its words"
        )
