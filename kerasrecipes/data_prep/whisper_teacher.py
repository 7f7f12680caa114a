"""Whisper as a teacher: greedy decoding of short clips in batches, with windows as long as the clips.

Whisper is trained on windows of 30 s, but its encoder takes any even number of frames. A window that is a few seconds longer than the
clip costs a fraction of the time. The length of a clip's window depends on that clip alone, so its text does as well.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrecipes.data_prep.teachers import Hypothesis
from kerasrecipes.data_prep.transcript_checks import normalize_transcript, repeated_phrase
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.utils.environment import num_threads
from kerasrecipes.utils.files import first_line

MARGINS_SECONDS = (
    4.0,
    10.0,
    26.0,
)  # of silence after the clip, the next where Whisper repeats itself with the one before
STEP_SECONDS = 2.0  # clip lengths are rounded up to its multiples
MAX_WINDOW_SECONDS = 30.0
MAX_TOKENS = 224  # that Whisper can write
TOKENS_PER_SECOND = 7.0  # more than fast speech has
EXTRA_TOKENS = 16


class WhisperTeacher:
    """A Whisper model in CTranslate2's format, which writes English.

    Args:
        source: Folder of the model, or a name that faster-whisper downloads, for instance "base.en".

    Raises:
        KerasRecipesError: faster-whisper is not installed, or the model cannot be loaded.
    """

    sample_rate = 16000
    max_seconds = MAX_WINDOW_SECONDS - MARGINS_SECONDS[0]

    def __init__(self, source: str):
        try:
            from faster_whisper import WhisperModel
            from faster_whisper.tokenizer import Tokenizer
        except ImportError:
            raise KerasRecipesError(
                'A Whisper teacher needs faster-whisper: pip install "kerasrecipes[teacher]"'
            ) from None
        if source.startswith((".", os.sep)) and not os.path.isdir(source):
            raise KerasRecipesError(f"There is no folder {source}: pass the folder with Whisper's model.bin")
        try:
            whisper = WhisperModel(source, device="cpu", compute_type="int8", cpu_threads=num_threads())
        except Exception as error:  # faster-whisper and CTranslate2 raise many classes
            raise KerasRecipesError(
                f"{source} cannot be loaded as a Whisper model: {first_line(error)}. Pass the folder with its model.bin, "
                "or a name that faster-whisper knows"
            ) from error
        self.model: Any = whisper.model
        self.extract_features: Any = whisper.feature_extractor
        language = {"task": "transcribe", "language": "en"} if self.model.is_multilingual else {}
        self.tokenizer: Any = Tokenizer(whisper.hf_tokenizer, self.model.is_multilingual, **language)
        self.prompt = [*self.tokenizer.sot_sequence, self.tokenizer.no_timestamps]

    def transcribe(self, waves: Sequence[np.ndarray]) -> list[Hypothesis]:
        """Transcribe waves (samples,) of at most `max_seconds`. A clip with a repetition is read again in a longer window."""
        rounded = [float(np.ceil(len(wave) / self.sample_rate / STEP_SECONDS)) * STEP_SECONDS for wave in waves]
        results: dict[int, Hypothesis] = {}
        pending = list(range(len(waves)))
        for margin in MARGINS_SECONDS:
            for seconds in sorted({rounded[i] for i in pending}):
                members = [i for i in pending if rounded[i] == seconds]
                texts = self.transcribe_windows([waves[i] for i in members], seconds, margin)
                results |= zip(members, texts, strict=True)
            pending = [i for i in pending if repeated_phrase(normalize_transcript(results[i].text))]
        return [results[i] for i in range(len(waves))]

    def transcribe_windows(self, waves: Sequence[np.ndarray], seconds: float, margin: float) -> list[Hypothesis]:
        """Transcribe waves of at most `seconds` in windows that are longer by a margin."""
        import ctranslate2

        samples = round(min(MAX_WINDOW_SECONDS, seconds + margin) * self.sample_rate)
        padded = [np.pad(wave[:samples], (0, max(0, samples - len(wave)))) for wave in waves]
        features = np.stack([self.extract_features(wave, padding=0) for wave in padded])
        results = self.model.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(features, "float32")),
            [self.prompt] * len(waves),
            beam_size=1,
            max_length=int(min(MAX_TOKENS, len(self.prompt) + EXTRA_TOKENS + TOKENS_PER_SECOND * seconds)),
            suppress_blank=True,
            suppress_tokens=[-1],
            return_scores=True,
        )
        return [Hypothesis(self.tokenizer.decode(r.sequences_ids[0]).strip(), r.scores[0]) for r in results]
