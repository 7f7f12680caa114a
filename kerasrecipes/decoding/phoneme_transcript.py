"""From a path through the frames to timed phonemes, and the comparison of their boundaries."""

from dataclasses import replace
from typing import Any

import numpy as np

from kerasrecipes.decoding.greedy import geometric_mean, path_to_transcript
from kerasrecipes.decoding.phoneme_set import SILENCES, PhonemeSet
from kerasrecipes.results import Transcript


def phoneme_transcript(
    path: np.ndarray, posteriors: np.ndarray, phonemes: PhonemeSet, *, ipa: bool = False, **times: Any
) -> Transcript:
    """Return the runs of a path as words with times, without silence.

    Args:
        path: (frames,) logit columns.
        posteriors: (frames, phonemes) probabilities.
        phonemes: Phonemes of the columns.
        ipa: Write the International Phonetic Alphabet.
        **times: `frame_seconds`, `offset` and `duration` of `path_to_transcript`.

    Returns:
        A Transcript. A phoneme's confidence is its highest probability over the frames of its run.
    """
    transcript = path_to_transcript(path, posteriors[np.arange(len(path)), path], phonemes, **times)
    words = tuple(
        replace(w, text=phonemes.ipa(w.text) if ipa else w.text) for w in transcript.words if w.text not in SILENCES
    )
    confidence = geometric_mean(w.confidence for w in words)
    return Transcript(" ".join(w.text for w in words), words, confidence, transcript.duration)


def boundaries(transcript: Transcript) -> list[float]:
    """Return the times in seconds at which a phoneme starts or ends."""
    return sorted({time for w in transcript.words for time in (w.start, w.end)})


def count_matched_boundaries(reference: list[float], hypothesis: list[float], tolerance: float) -> int:
    """Count the pairs of boundaries at most `tolerance` seconds apart. Each boundary is in one pair at most."""
    count = i = j = 0
    while i < len(reference) and j < len(hypothesis):
        if abs(reference[i] - hypothesis[j]) <= tolerance + 1e-9:
            count, i, j = count + 1, i + 1, j + 1
        elif reference[i] < hypothesis[j]:
            i += 1
        else:
            j += 1
    return count
