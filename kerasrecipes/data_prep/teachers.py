"""Teachers: recognizers that write transcripts for other recognizers to learn from, and the one table of their kinds."""

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from kerasrecipes.errors import KerasRecipesError


class Hypothesis(NamedTuple):
    """A teacher's text of a clip, as the teacher writes it, and its mean log probability in nats."""

    text: str
    confidence: float


class Teacher(Protocol):
    """A loaded teacher."""

    sample_rate: int  # Hz
    max_seconds: float  # longest clip

    def transcribe(self, waves: Sequence[np.ndarray]) -> list[Hypothesis]:
        """Transcribe waves (samples,) float32 of similar length. A clip's result does not depend on the others."""


@dataclass(frozen=True)
class TeacherKind:
    """One kind of teachers.

    Args:
        source: Placeholder of what follows the kind and a colon, for instance "FOLDER".
        load: "module:function" of the function that takes what follows the colon and returns a `Teacher`.
        min_confidence: Default of the smallest mean log probability. Kinds count it per word piece or per character.
        help: One line for `--help` and the documentation.
    """

    source: str
    load: str
    min_confidence: float
    help: str

    def form(self, name: str) -> str:
        """Return how to write a teacher of the kind with this name."""
        return f"{name}:{self.source}"


# every kind of teacher: a new one is a function and a line here. A teacher without a kind is a recognizer
TEACHERS = {
    "whisper": TeacherKind(
        "FOLDER", "kerasrecipes.data_prep.whisper_teacher:WhisperTeacher", -0.35,
        "a Whisper model for CTranslate2, or the name of one to download (whisper:base.en)",
    ),
    "recognizer": TeacherKind(
        "MODEL", "kerasrecipes.data_prep.teachers:RecognizerTeacher", -0.2,
        "a recognizer of words: a recipe, a .keras or .onnx file, or a training folder; MODEL alone means the same",
    ),
}  # fmt: skip


def parse_teacher(teacher: str) -> tuple[str, str]:
    """Return the kind of a teacher and what follows the colon: "whisper:base" gives ("whisper", "base")."""
    kind, _, source = teacher.partition(":")
    return (kind, source) if source and kind in TEACHERS else ("recognizer", teacher)


def load_teacher(teacher: str) -> Teacher:
    """Load a teacher that is written in a form of `TEACHERS`.

    Raises:
        KerasRecipesError: The teacher cannot be loaded, or its package is missing.
    """
    kind, source = parse_teacher(teacher)
    module, _, name = TEACHERS[kind].load.partition(":")
    return getattr(importlib.import_module(module), name)(source)


def teacher_name(teacher: str) -> str:
    """Return a teacher's name for records: its kind and the last part of its path."""
    kind, source = parse_teacher(teacher)
    return f"{kind}:{Path(source).name}"


class RecognizerTeacher:
    """A recognizer of words of this package, decoded greedily. Its confidence is the mean over characters.

    Args:
        source: What `kerasrecipes.load` loads.

    Raises:
        KerasRecipesError: The model does not recognize words.
    """

    max_seconds = 60.0

    def __init__(self, source: str):
        from kerasrecipes import loading

        self.model: Any = loading.load(source, compile=False, engine="auto")
        if self.model.recipe.task != "speech-recognition":
            raise KerasRecipesError(
                f"{source} is no teacher: its task is {self.model.recipe.task}. Pass a recognizer of words"
            )
        self.sample_rate: int = self.model.sample_rate

    def transcribe(self, waves: Sequence[np.ndarray]) -> list[Hypothesis]:
        """Transcribe waves of similar length."""
        transcripts = self.model.transcribe(list(waves), sample_rate=self.sample_rate, decoder="greedy")
        return [Hypothesis(t.text, math.log(max(t.confidence, 1e-9))) for t in transcripts]
