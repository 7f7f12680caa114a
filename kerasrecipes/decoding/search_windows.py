"""Beam search over hours: in overlapping windows, whose words are joined where both windows agree.

The search with a language model keeps the text of every hypothesis from its beginning, so its memory grows with the square of the
length. It settles within a few words: a window that begins some seconds earlier gives the words of a search over the whole. The other
searches keep every frame's hypotheses. They do not merge texts that differ in old words only, which crowd the beam of a search over
the whole: in windows they find other words, with no more errors.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kerasrecipes.decoding.greedy import geometric_mean
from kerasrecipes.results import Character, Transcript, Word

LONG_SECONDS = 60.0  # longer audio is searched in windows
LONG_SECONDS_CROWDED = 600.0  # the same for searches that find other words in windows
WINDOW_SECONDS, OVERLAP_SECONDS = 25.0, 8.0  # between the starts of two windows; on both sides of each
CONTEXT_WORDS = 12  # that a window repeats at least, also across a long pause
FRAMES = 1.0  # a frame as the unit of time


def is_long(frames: int, frame_seconds: float) -> bool:
    """Return whether audio is searched in windows. A `frame_seconds` of 0, which is unknown, is not."""
    return frames * frame_seconds > LONG_SECONDS


def windowed(
    search: Callable[..., Transcript], nbest: int, long_seconds: float = LONG_SECONDS_CROWDED
) -> Callable[..., Transcript]:
    """Return a search that runs in windows over long audio. Its result has no score then.

    Args:
        search: Decoder of `kerasrecipes.decoding.decoders`.
        nbest: Number of hypotheses of the whole. More than one are searched at once, whatever the length.
        long_seconds: Longer audio is searched in windows.
    """
    if nbest > 1:
        return search

    def decode(logits: np.ndarray, **times: Any) -> Transcript:
        frame_seconds, offset = times.get("frame_seconds", 0.0), times.get("offset", 0.0)
        if len(logits) * frame_seconds <= long_seconds:
            return search(logits, **times)
        words, characters = join_windows(search, logits, frame_seconds)
        end = times.get("duration")
        latest = offset + len(logits) * frame_seconds if end is None else end

        def in_seconds(part: Any) -> Any:
            start, end = (min(offset + frame * frame_seconds, latest) for frame in (part.start, part.end))
            return replace(part, start=start, end=end)

        return Transcript(
            " ".join(word.text for word in words), tuple(map(in_seconds, words)),
            geometric_mean(c.confidence for c in characters), latest, characters=tuple(map(in_seconds, characters)),
        )  # fmt: skip

    return decode


def join_windows(
    search: Callable[..., Transcript], logits: np.ndarray, frame_seconds: float
) -> tuple[list[Word], list[Character]]:
    """Return the words and characters of a search in windows, with frames as their times.

    Args:
        search: Returns the transcript of logits for `frame_seconds` and `offset`.
        logits: (frames, symbols).
        frame_seconds: Seconds between two frames.
    """
    step, overlap = round(WINDOW_SECONDS / frame_seconds), round(OVERLAP_SECONDS / frame_seconds)
    words: list[Word] = []
    characters: list[Character] = []
    for start in range(0, len(logits), step):
        first, last = max(start - overlap, 0), start + step + overlap
        if earlier := [int(w.start) for w in words if w.end <= start][-CONTEXT_WORDS:]:
            first = max(min(first, earlier[0] - 1), 0)
        if start and len(logits) - start <= overlap:
            break  # the window before reached the end
        found = search(logits[first:last], frame_seconds=FRAMES, offset=float(first))
        cut = find_cut(words, found.words, start) if start else 0.0
        words = [w for w in words if w.start < cut] + [w for w in found.words if w.start >= cut]
        characters = [c for c in characters if c.start < cut] + [c for c in found.characters if c.start >= cut]
    return words, characters


def find_cut(left: Sequence[Word], right: Sequence[Word], middle: float) -> float:
    """Return the start of the word near `middle` that both windows hold between the same neighbors, or where `left` pauses."""
    keys = [[(w.text, w.start, w.end) for w in words] for words in (left, right)]
    places = {key: place for place, key in enumerate(keys[1])}
    cuts = []
    for i in range(1, len(left) - 1):
        place = places.get(keys[0][i], 0)
        if place and keys[0][i - 1 : i + 2] == keys[1][place - 1 : place + 2]:
            cuts.append(left[i].start)
    if cuts:
        return min(cuts, key=lambda start: abs(start - middle))
    return max([middle, *(word.end for word in left if word.start < middle)])
