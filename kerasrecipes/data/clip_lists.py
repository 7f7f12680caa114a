"""Lists of clips and texts. Clips that are no files stand in memory, with the interface of `AudioCache`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.data.audio_cache import change_speed, count_samples
from kerasrecipes.data.utterances import Utterance, Utterances, check_transcripts, check_utterances
from kerasrecipes.errors import AudioError, DataError


@dataclass(frozen=True)
class RecordedUtterance(Utterance):
    """A clip whose audio is in memory. Its path is empty.

    Args:
        wave: (samples,) float32 at 16 kHz.
    """

    wave: Any = field(default=None, repr=False, compare=False)


class MemoryAudio:
    """The audio of clips in memory. Clips in files among them are read into memory too.

    Args:
        utterances: Clips.
        speeds: Playing speeds.
    """

    def __init__(self, utterances: Iterable[Utterance], speeds: Sequence[float] = (1.0,)):
        self.speeds = tuple(speeds)
        self.waves = [u.wave if isinstance(u, RecordedUtterance) else load_audio(u.path) for u in utterances]

    def lengths(self) -> np.ndarray:
        """Return the samples of each clip at each speed, (clips, speeds) integers."""
        samples = np.array([len(wave) for wave in self.waves], "int64")
        return np.stack([count_samples(samples, speed) for speed in self.speeds], axis=1)

    def read(self, clip: int, speed: int) -> np.ndarray:
        """Return one clip at `speeds[speed]`, (samples,) float32."""
        return change_speed(np.asarray(self.waves[clip], "float32"), self.speeds[speed])

    def map(self, function: Callable, items: Iterable) -> list[Any]:
        """Return `function` of each item."""
        return [function(item) for item in items]


def from_lists(clips: Sequence[Any], texts: Sequence[str], sample_rate: int | None = None) -> Utterances:
    """Make clips from a list of files and a list of transcripts.

    Args:
        clips: Files. If one is an array, bytes or a file object, as `load_audio` takes it, all are read into memory.
        texts: What is spoken in each.
        sample_rate: Hz of arrays.

    Raises:
        DataError: The lists are empty or of unequal lengths, a clip is missing, or a text is empty or no string.
        AudioError: A clip in memory is not usable as audio.
    """
    if len(clips) != len(texts):
        raise DataError(f"{len(clips)} files, but {len(texts)} texts")
    if not len(clips):
        raise DataError("The lists of clips and texts are empty")
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise DataError(f"Text {number} of the list is {text!r:.40}, not a string: write what is spoken")
    if all(isinstance(clip, str | PathLike) for clip in clips):
        paths = [str(clip) for clip in clips]
        return check_utterances(Utterance(Path(p).name, p, t, source="list") for p, t in zip(paths, texts, strict=True))
    utterances = []
    for number, (clip, text) in enumerate(zip(clips, texts, strict=True), 1):
        try:
            wave = load_audio(clip, sample_rate=sample_rate)
        except AudioError as error:
            raise AudioError(f"Clip {number} of the list: {error}") from error
        utterances.append(
            RecordedUtterance(f"clip {number}", "", text, seconds=len(wave) / SAMPLE_RATE, source="list", wave=wave)
        )
    recorded = Utterances(utterances)
    check_transcripts(recorded)
    return recorded
