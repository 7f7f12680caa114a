"""Result types: immutable dataclasses with `str()`, `to_dict()`, file writers, and HTML for notebooks."""

import html
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.utils.audio_encoding import encode_audio
from kerasrecipes.utils.escaping import HIGHLIGHT, bar_table, embed_audio, escape_html, timed_words
from kerasrecipes.utils.files import atomic_write

# a subtitle ends at the first of these limits
CUE_SECONDS = 6.0
CUE_CHARACTERS = 64
CUE_PAUSE = 0.8  # seconds

BAR_COLOR = "#3f51b5"
MAX_WAV_SECONDS = 30.0  # longer audio stands in a notebook as MP3 ...
MAX_PLAYER_SECONDS = 600.0  # ... and even longer audio not at all


@dataclass(frozen=True)
class Span:
    """A part of the text with its times in seconds and a confidence between 0 and 1."""

    text: str
    start: float
    end: float
    confidence: float


class Word(Span):
    """A word. Its confidence is the geometric mean of its characters' confidences."""


class Character(Span):
    """A character. Its confidence is the model's highest probability of it over its frames."""


@dataclass(frozen=True, repr=False)
class Transcript:
    """The text of a recording.

    Args:
        text: All words.
        words: Words with times.
        confidence: Geometric mean over characters, 0 to 1. 1 for an empty text.
        duration: Seconds of the recording.
        alternatives: Other n-best hypotheses of a beam search, best first.
        characters: Characters with times.
        calibrated: Whether confidences are probabilities of being right. Those of a greedy CTC transcript are the model's
            posteriors, which are usually too high.
        score: Score of the beam search in nats, comparable only with that of its alternatives.
        decoder: Decoder and language model that found the text, for instance "greedy" or "beam 500 + librispeech_small".
        audio: What `kerasrecipes.load_audio` reads the recording from, for the player in notebooks: a path, bytes, or a tuple of
            an array and its rate in Hz. None if it is not known.
    """

    text: str
    words: tuple[Word, ...] = ()
    confidence: float = 1.0
    duration: float = 0.0
    alternatives: tuple["Transcript", ...] = ()
    characters: tuple[Character, ...] = ()
    calibrated: bool = False
    score: float | None = None
    decoder: str = "greedy"
    audio: Any = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        text = repr(self.text if len(self.text) <= 80 else f"{self.text[:77]}...")
        return f"{type(self).__name__}({text}, {len(self.words)} words in {self.duration:.2f} s, confidence {self.confidence:.2f})"

    def _repr_html_(self) -> str:
        """Return the words with their times as HTML, with a player in whose time they light up if the audio can be read."""
        marked = {(w.start, w.text) for w in getattr(self, "mismatched_words", ())}
        words = [(w.text, w.start, w.end, w.confidence, (w.start, w.text) in marked) for w in self.words]
        return timed_words(self._player(), words or [(self.text, 0.0, self.duration, self.confidence, False)])

    def _player(self) -> str:
        if self.audio is None or self.duration > MAX_PLAYER_SECONDS:
            return ""
        source, rate = self.audio if isinstance(self.audio, tuple) else (self.audio, None)
        try:
            return AudioClip(load_audio(source, sample_rate=rate), SAMPLE_RATE).to_player(HIGHLIGHT)
        except KerasRecipesError:  # the file is gone
            return ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, with times rounded to milliseconds, without the characters and the audio."""
        values = {k: v for k, v in asdict(replace(self, audio=None)).items() if k not in ("characters", "audio")}
        values["words"] = [
            {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(w).items()} for w in self.words
        ]
        values["alternatives"] = [a.to_dict() for a in self.alternatives]
        return values | {"confidence": round(self.confidence, 4), "duration": round(self.duration, 3)}

    def to_json(self, **options: Any) -> str:
        """Return `to_dict` as JSON, with options of `json.dumps`."""
        return json.dumps(self.to_dict(), **{"ensure_ascii": False, **options})

    def subtitle_cues(self) -> list[tuple[float, float, str]]:
        """Return subtitles (start, end, text), each text one line. A new one begins after a pause of 0.8 s, 6 seconds or 64 characters."""
        groups: list[list[Word]] = []
        for word in self.words:
            if groups:
                group = groups[-1]
                too_long = word.end - group[0].start > CUE_SECONDS or word.start - group[-1].end > CUE_PAUSE
                if not too_long and sum(len(w.text) + 1 for w in group) + len(word.text) <= CUE_CHARACTERS:
                    group.append(word)
                    continue
            groups.append([word])
        return [(g[0].start, g[-1].end, " ".join(" ".join(w.text for w in g).split())) for g in groups]

    def to_srt(self) -> str:
        """Return SubRip subtitles."""
        blocks = (
            f"{i}\n{_timestamp(a, ',')} --> {_timestamp(b, ',')}\n{t.replace('-->', '->')}\n"
            for i, (a, b, t) in enumerate(self.subtitle_cues(), 1)
        )
        return "\n".join(blocks)

    def to_vtt(self) -> str:
        """Return WebVTT subtitles, in which the characters of its markup are written as &amp;, &lt; and &gt;."""
        blocks = (
            f"{_timestamp(a, '.')} --> {_timestamp(b, '.')}\n{html.escape(t, quote=False)}\n"
            for a, b, t in self.subtitle_cues()
        )
        return "\n".join(["WEBVTT\n", *blocks])


def _timestamp(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


@dataclass(frozen=True)
class ClassProbability:
    """A class and the model's probability of it, 0 to 1 (not calibrated)."""

    name: str
    probability: float


@dataclass(frozen=True, repr=False)
class Classification:
    """The classes of an image and their probabilities, in the same order."""

    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def top(self, count: int = 5) -> tuple[ClassProbability, ...]:
        """Return the most probable classes, best first."""
        order = sorted(range(len(self.classes)), key=lambda i: -self.probabilities[i])
        return tuple(ClassProbability(self.classes[i], self.probabilities[i]) for i in order[:count])

    @property
    def name(self) -> str:
        """The most probable class."""
        return self.top(1)[0].name

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        best = ", ".join(f"{c.name} {100 * c.probability:.1f} %" for c in self.top(3))
        return f"Classification({best}; {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        """Return the most probable classes as a table with bars."""
        return bar_table((c.name, c.probability, BAR_COLOR) for c in self.top(5))

    def to_dict(self, count: int = 5) -> dict[str, Any]:
        """Return JSON values: the most probable class and the `count` best."""
        top = [{"name": c.name, "probability": round(c.probability, 5)} for c in self.top(count)]
        return {"name": self.name, "top": top}


def audio_format_of(path: str | os.PathLike) -> str:
    """Return the audio format of a file name's extension, for example "WAV", and create the file's folder.

    Raises:
        AudioError: No audio format has that extension, or the folder cannot be written.
    """
    import soundfile

    path = Path(path)
    file_format = path.suffix[1:].upper()
    if file_format not in soundfile.available_formats():
        raise AudioError(f"{path}: write a .wav, .flac, .ogg or .mp3 file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioError(f"{path} cannot be written: {error}") from None
    if not os.access(path.parent, os.W_OK):
        raise AudioError(f"{path} cannot be written: {path.parent} is not writable")
    return file_format


@dataclass(frozen=True, eq=False, repr=False)
class AudioClip:
    """Generated audio: `samples` (samples,) float32 between -1 and 1, at `sample_rate` Hz."""

    samples: Any
    sample_rate: int

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate

    def __str__(self) -> str:
        return f"{self.duration:.2f} s of audio at {self.sample_rate} Hz"

    def __repr__(self) -> str:
        return f"AudioClip({self.duration:.2f} s at {self.sample_rate} Hz)"

    def _repr_html_(self) -> str:
        """Return a player, or the clip's length if it is longer than ten minutes."""
        return self.to_player() if self.duration <= MAX_PLAYER_SECONDS else escape_html(self)

    def to_player(self, attributes: str = "") -> str:
        """Return an HTML player that holds the audio, as MP3 from half a minute on. `attributes` of the element are not escaped."""
        audio_format, kind = ("WAV", "wav") if self.duration <= MAX_WAV_SECONDS else ("MP3", "mpeg")
        return embed_audio(encode_audio(self.samples, self.sample_rate, audio_format), kind, attributes)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, without the samples."""
        return {"duration": round(self.duration, 3), "sample_rate": self.sample_rate}

    def save(self, path: str | os.PathLike) -> Path:
        """Write an audio file in the format of the name's extension (wav with 16 bits, flac, ogg, mp3).

        Raises:
            AudioError: No audio format has that extension, or the file cannot be written.
        """
        file_format = audio_format_of(path)
        try:
            return atomic_write(Path(path), encode_audio(self.samples, self.sample_rate, file_format))
        except KerasRecipesError as error:
            raise AudioError(str(error)) from error
