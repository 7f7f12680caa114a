"""From a path through the frames to timed phones."""

import numpy as np

from kerasrecipes.decoding.phoneme_set import SILENCES, PhonemeSet
from kerasrecipes.results import Transcript, Word


def phone_transcript(
    path: np.ndarray, posteriors: np.ndarray, phones: PhonemeSet, *, ipa: bool = False, frame_seconds: float = 0.0,
    offset: float = 0.0, duration: float | None = None,
) -> Transcript:  # fmt: skip
    """Runs of one phone as words with times; silence is left out.

    Args:
        path: (frames,) columns. posteriors: (frames, phones) probabilities.
        phones: of the columns. ipa: write them in the International Phonetic Alphabet.
        frame_seconds, offset, duration: in seconds, as in `decoding.greedy`.

    Returns:
        A Transcript. A phone's confidence is its probability at the frame where it is surest.
    """
    end = offset + len(path) * frame_seconds if duration is None else duration
    if not len(path):
        return Transcript("", duration=end)
    begins = np.flatnonzero(np.concatenate([[True], path[1:] != path[:-1]]))
    ends = np.append(begins[1:], len(path))
    surest = np.maximum.reduceat(posteriors[np.arange(len(path)), path], begins)
    words = []
    for b, e, trust in zip(begins, ends, surest, strict=True):
        phone = phones.symbols[path[b]]
        if phone in SILENCES:
            continue
        start, stop = (min(offset + float(frame) * frame_seconds, end) for frame in (b, e))
        words.append(Word(phones.ipa(phone) if ipa else phone, start, stop, float(trust)))
    confidence = float(np.exp(np.mean([np.log(max(w.confidence, 1e-30)) for w in words]))) if words else 1.0
    return Transcript(" ".join(w.text for w in words), tuple(words), confidence, end)


def boundaries(transcript: Transcript) -> list[float]:
    """Seconds at which a phone begins or ends."""
    return sorted({time for w in transcript.words for time in (w.start, w.end)})


def count_matched_boundaries(reference: list[float], found: list[float], within: float) -> int:
    """How many boundaries of one list can be paired with one of the other at most `within` seconds away, each once."""
    count = i = j = 0
    while i < len(reference) and j < len(found):
        if abs(reference[i] - found[j]) <= within + 1e-9:
            count, i, j = count + 1, i + 1, j + 1
        elif reference[i] < found[j]:
            i += 1
        else:
            j += 1
    return count
