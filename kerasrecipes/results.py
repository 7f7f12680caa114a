"""What models answer: frozen, printable, and ready for JSON; transcripts for subtitles, sounds for files too."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.errors import AudioError

CUE_SECONDS = 6.0  # a subtitle holds at most so many seconds ...
CUE_CHARACTERS = 64  # ... and so many characters; a pause also begins a new one
CUE_PAUSE = 0.8


@dataclass(frozen=True)
class Span:
    """A piece of text with its place in the recording, in seconds, and a confidence between 0 and 1."""

    text: str
    start: float
    end: float
    confidence: float


class Word(Span):
    """A word; its confidence is the geometric mean of its characters'."""


class Character(Span):
    """A character; its confidence is the model's probability at the frame where it is surest."""


@dataclass(frozen=True)
class Transcript:
    """The text of a recording.

    Args:
        text: all words. words: with times. confidence: geometric mean over characters, 0 to 1; 1 for no text.
        duration: of the recording, in seconds.
        alternatives: other readings, best first, where a beam search gave them. characters: with times.
        calibrated: whether confidences are probabilities of being right; a greedy CTC transcript's are not: they are
            the model's own posteriors, which are usually too sure.
        score: what a beam search ranked it by, in nats; only to be compared with that of its alternatives.
    """

    text: str
    words: tuple[Word, ...] = ()
    confidence: float = 1.0
    duration: float = 0.0
    alternatives: tuple["Transcript", ...] = ()
    characters: tuple[Character, ...] = ()
    calibrated: bool = False
    score: float | None = None

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, times rounded to milliseconds; characters are left out."""
        values = {k: v for k, v in asdict(self).items() if k != "characters"}
        values["words"] = [
            {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(w).items()} for w in self.words
        ]
        values["alternatives"] = [a.to_dict() for a in self.alternatives]
        return values | {"confidence": round(self.confidence, 4), "duration": round(self.duration, 3)}

    def to_json(self, **options: Any) -> str:
        """`to_dict` as JSON; options are `json.dumps`'s."""
        return json.dumps(self.to_dict(), **{"ensure_ascii": False, **options})

    def subtitle_cues(self) -> list[tuple[float, float, str]]:
        """Subtitles (start, end, text): a new one after a pause of 0.8 s, 6 seconds or 64 characters."""
        groups: list[list[Word]] = []
        for word in self.words:
            if groups:
                group = groups[-1]
                long = word.end - group[0].start > CUE_SECONDS or word.start - group[-1].end > CUE_PAUSE
                if not long and sum(len(w.text) + 1 for w in group) + len(word.text) <= CUE_CHARACTERS:
                    group.append(word)
                    continue
            groups.append([word])
        return [(g[0].start, g[-1].end, " ".join(w.text for w in g)) for g in groups]

    def to_srt(self) -> str:
        """SubRip subtitles."""
        blocks = (
            f"{i}\n{_timestamp(a, ',')} --> {_timestamp(b, ',')}\n{t}\n"
            for i, (a, b, t) in enumerate(self.subtitle_cues(), 1)
        )
        return "\n".join(blocks)

    def to_vtt(self) -> str:
        """WebVTT subtitles."""
        return "\n".join(
            ["WEBVTT\n", *(f"{_timestamp(a, '.')} --> {_timestamp(b, '.')}\n{t}\n" for a, b, t in self.subtitle_cues())]
        )


def _timestamp(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


@dataclass(frozen=True)
class ClassProbability:
    """A class and its probability, 0 to 1 (the model's own, not calibrated)."""

    name: str
    probability: float


@dataclass(frozen=True)
class Classification:
    """What is on a picture: the classes' names and their probabilities in the same order."""

    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def top(self, count: int = 5) -> tuple[ClassProbability, ...]:
        """The likeliest classes, best first."""
        order = sorted(range(len(self.classes)), key=lambda i: -self.probabilities[i])
        return tuple(ClassProbability(self.classes[i], self.probabilities[i]) for i in order[:count])

    @property
    def name(self) -> str:
        """Of the likeliest class."""
        return self.top(1)[0].name

    def __str__(self) -> str:
        return self.name

    def to_dict(self, count: int = 5) -> dict[str, Any]:
        """Plain values for JSON: the likeliest class and the `count` best."""
        return {
            "name": self.name,
            "top": [{"name": g.name, "probability": round(g.probability, 5)} for g in self.top(count)],
        }


def audio_format_of(path: str | os.PathLike) -> str:
    """The kind of sound file that a name asks for, "WAV" for one; its folder is made.

    Raises:
        AudioError: no sound file has that ending, or the folder cannot be written to.
    """
    import soundfile

    path = Path(path)
    kind = path.suffix[1:].upper()
    if kind not in soundfile.available_formats():
        raise AudioError(f"{path}: write a .wav, .flac, .ogg or .mp3 file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioError(f"{path} cannot be written: {error}") from None
    if not os.access(path.parent, os.W_OK):
        raise AudioError(f"{path} cannot be written: {path.parent} is not writable")
    return kind


@dataclass(frozen=True, eq=False)
class AudioClip:
    """What a generator made: `samples` (samples,) float32 between -1 and 1 at `sample_rate` Hz."""

    samples: Any
    sample_rate: int

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate

    def __str__(self) -> str:
        return f"{self.duration:.2f} s of sound at {self.sample_rate} Hz"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the samples."""
        return {"duration": round(self.duration, 3), "sample_rate": self.sample_rate}

    def save(self, path: str | os.PathLike) -> Path:
        """Write a file of the kind that the name's ending says (wav with 16 bits, flac, ogg, mp3); whole or not at all.

        Raises:
            AudioError: no sound file has that ending.
        """
        import soundfile

        path, kind = Path(path), audio_format_of(path)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            soundfile.write(partial, self.samples, self.sample_rate, format=kind)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return path
