"""Logits of clips, computed once and decoded with many settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.decoding.decoders import make_decoder
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.inference.transcribe import score_batches
from kerasrecipes.results import Transcript

Progress = Callable[[float, float], Any]


@dataclass(frozen=True)
class ScoredClips:
    """Logits of clips, from which any decoder makes texts.

    Args:
        logits: (frames, symbols) of each clip.
        seconds: Length of each clip.
    """

    logits: list[np.ndarray]
    seconds: list[float]

    def texts(self, model: Any, **decoding: Any) -> list[str]:
        """Return the text of each clip. `decoding` are options of `transcribe`."""
        return [transcript.text for transcript in self.transcripts(model, **decoding)]

    def transcripts(self, model: Any, **decoding: Any) -> list[Transcript]:
        """Return the transcript of each clip. `decoding` are options of `transcribe`."""
        decode = make_decoder(model, DecodingOptions(**decoding))
        frame = model.stride / model.sample_rate
        return [
            decode(logits, frame_seconds=frame, duration=seconds)
            for logits, seconds in zip(self.logits, self.seconds, strict=True)
        ]


def score_clips(model: Any, utterances: Any, progress: Progress | None = None) -> ScoredClips:
    """Compute the logits of all clips.

    Raises:
        KerasRecipesError: A clip cannot be read. The first one is named.
    """
    paths = [u.path for u in utterances]
    errors: list[Any] = [None] * len(paths)
    logits, seconds = [np.zeros((0, 0))] * len(paths), [0.0] * len(paths)
    for done, (index, frames, recording) in enumerate(score_batches(model, paths, errors), 1):
        logits[index], seconds[index] = frames, len(recording) / model.sample_rate
        if progress:
            progress(done, len(paths))
    if bad := [f"{u.id}: {error}" for u, error in zip(utterances, errors, strict=True) if error is not None]:
        raise KerasRecipesError(f"{len(bad)} of {len(paths)} clips cannot be read, the first: {bad[0]}")
    return ScoredClips(logits, seconds)
