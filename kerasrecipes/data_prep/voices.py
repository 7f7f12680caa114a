"""The one table of speech synthesizers, and what each of them implements."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np


class SpeechClip(NamedTuple):
    """One synthesized sentence.

    Args:
        samples: (samples,) float32.
        sample_rate: Hz.
        speaker: Name of the voice that spoke, which begins with the synthesizer's name and "-".
    """

    samples: np.ndarray
    sample_rate: int
    speaker: str


class Voice(Protocol):
    """A loaded synthesizer."""

    def speak(self, sentence: str, number: int, rng: np.random.Generator) -> SpeechClip:
        """Speak a sentence in lower case.

        Args:
            sentence: Words without punctuation.
            number: Number of the clip in its set.
            rng: The only source of randomness. Its seed is that of the set and the number.

        Raises:
            DataError: The synthesizer cannot speak this sentence.
        """


@dataclass(frozen=True)
class Synthesizer:
    """One synthesizer.

    Args:
        load: "module:function" of the function that takes the options and returns a `Voice`.
        help: One line for `--help` and the documentation.
        license: License of the voices, for the manifest rows of weights.
        options: Names of the function's options and what they mean. Default: none.
    """

    load: str
    help: str
    license: str
    options: Mapping[str, str] = field(default_factory=dict)

    def make(self, **options: Any) -> Voice:
        """Import the function and load the synthesizer."""
        module, _, name = self.load.partition(":")
        return getattr(importlib.import_module(module), name)(**options)


# every synthesizer: a new one is a class and a line here, and its name in `kerasrecipes.data.origins.SYNTHESIZERS`
VOICES = {
    "flite": Synthesizer(
        "kerasrecipes.data_prep.flite_voice:FliteVoice",
        "four voices with random pitch and rate; needs the program flite (apt install flite)",
        "voices of flite (CMU, free for any use)",
        {"names": "voices of flite", "program": "name or path of flite"},
    ),
    "hibari": Synthesizer(
        "kerasrecipes.data_prep.hibari_voice:HibariVoice",
        'another random speaker for every clip; needs pip install "kerasrecipes[voices]"',
        "voice of hibari-tts (Apache-2.0, distilled from Kokoro-82M)",
    ),
    "kokoro": Synthesizer(
        "kerasrecipes.data_prep.kokoro_voice:KokoroVoice",
        "English voices and mixtures of two; needs kerasrecipes[voices] and a folder with the files of Kokoro 82M",
        "voices of Kokoro-82M (hexgrad, Apache-2.0)",
        {"voice_folder": "folder of the model"},
    ),
}  # fmt: skip


def punctuate(sentence: str) -> str:
    """Return a sentence with a capital letter and a full stop, without which synthesizers speak flatly.

    Example:
        >>> punctuate("where are you")
        'Where are you.'
    """
    return f"{sentence[:1].upper()}{sentence[1:]}."
