"""Pauses end words: logits in which a space is certain wherever no letter follows a letter for `pause_seconds`.

A network may write nothing at all between two words that a pause separates, so that no decoder sees a boundary there. The
rule is applied to the logits, so it holds for every decoder.

Networks often write the last letter of a word, and the space after it, only where the pause ends. A single letter after a
pause is therefore left to the decoder, unless the pause is three times as long. A decision depends on the symbols up to the
second one after the pause and never changes later, so a stream decides as the whole recording does.
"""

from typing import Any

import numpy as np

from kerasrecipes.decoding.viterbi import best_path

PAUSE_SECONDS = 0.6
LONG_PAUSE_FACTOR = 3  # a pause so many times as long ends a word, whatever follows
IMPOSSIBLE = 100.0  # nats below the space in a frame that ends a word


def mark_pauses(
    logits: np.ndarray, alphabet: Any, frame_seconds: float, pause_seconds: float = PAUSE_SECONDS, *,
    transitions: np.ndarray | None = None, settle_spaces: bool = False,
) -> np.ndarray:  # fmt: skip
    """Return logits in which a space is certain in every pause.

    With CTC, a pause is a run of frames after a letter whose best symbol is the blank. Without a blank (ASG), it is a letter
    that the best path holds: its frames after the middle of `pause_seconds` become spaces.

    Args:
        logits: (frames, symbols). They are not changed.
        alphabet: Alphabet of the symbols. Without a space, nothing is marked.
        frame_seconds: Seconds between two frames. 0 marks nothing.
        pause_seconds: Shortest pause. 0 marks nothing.
        transitions: (symbols, symbols) scores from row to column for ASG. None for CTC.
        settle_spaces: Make the space certain also where it is the best symbol in a pause already, so that no search prefers
            a word without it.
    """
    if not (frame_seconds and pause_seconds and len(logits)) or " " not in alphabet.symbols or alphabet.separator:
        return logits
    space = alphabet.symbols.index(" ") + 1 - alphabet.first_index
    pause_frames = max(round(pause_seconds / frame_seconds), 2)
    if transitions is None:
        frames = ctc_pause_frames(logits.argmax(axis=1), space, pause_frames, settle_spaces)
    else:
        frames = asg_pause_frames(best_path(logits, transitions), space, pause_frames, settle_spaces)
    if not len(frames):
        return logits
    marked = logits.copy()
    marked[frames] = marked[frames].max(axis=1, keepdims=True) - IMPOSSIBLE
    marked[frames, space] += IMPOSSIBLE
    return marked


def ctc_pause_frames(path: np.ndarray, space: int, pause_frames: int, settle_spaces: bool) -> np.ndarray:
    """Return the frames that end a word: half of `pause_frames` after the letter before a gap, or the gap's first space.

    Args:
        path: (frames,) best symbols.
        space: Column of the space.
        pause_frames: Frames of the shortest pause.
        settle_spaces: As in `mark_pauses`. One frame of a gap between two letters is enough then, and gaps before the first
            and after the last letter have none.
    """
    is_symbol = path != 0
    changes = np.concatenate([[True], path[1:] != path[:-1]])
    firsts = np.flatnonzero(is_symbol & changes)  # first and last frames of the symbols' runs
    lasts = np.flatnonzero(is_symbol & np.append(changes[1:], True))
    is_letter = path[firsts] != space
    next_is_letter = np.append(is_letter, [False, False])[1:-1]
    next_two_are_letters = next_is_letter & np.append(is_letter, [False, False])[2:]
    blanks = np.append(firsts, len(path))[1:] - lasts - 1  # after each symbol
    is_pause = (blanks >= LONG_PAUSE_FACTOR * pause_frames) | (blanks >= pause_frames) & next_two_are_letters
    if not settle_spaces:
        return lasts[is_letter & is_pause] + 1 + pause_frames // 2
    letters = np.flatnonzero(is_letter)
    joined = letters[:-1][np.diff(letters) == 1]
    parted = letters[:-1][(np.diff(letters) > 1) & (firsts[letters[1:]] - lasts[letters[:-1]] > pause_frames)]
    return np.sort(np.concatenate([lasts[joined[is_pause[joined]]] + 1 + pause_frames // 2, firsts[parted + 1]]))


def asg_pause_frames(path: np.ndarray, space: int, pause_frames: int, settle_spaces: bool) -> np.ndarray:
    """Return the frames that are spaces: of every held letter those after half a pause, of a long space its middle."""
    starts = np.flatnonzero(np.concatenate([[True], path[1:] != path[:-1]]))
    ends = np.append(starts[1:], len(path))
    frames = [np.zeros(0, "int64")]
    for start, end in zip(starts, ends, strict=True):
        if end - start < pause_frames:
            continue
        if path[start] != space:
            frames.append(np.arange(start + pause_frames // 2, end))
        elif settle_spaces:
            frames.append(np.array([(start + end) // 2]))
    return np.concatenate(frames)
