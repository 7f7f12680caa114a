"""Greedy CTC decoding: the best symbol of each frame, repeats merged, blanks dropped, with times and confidences."""

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.results import Character, Transcript, Word


def greedy_decode(
    logits: np.ndarray, alphabet: Alphabet, *, frame_seconds: float = 0.0, offset: float = 0.0, duration: float | None = None
) -> Transcript:  # fmt: skip
    """Decode one utterance.

    Args:
        logits: (frames, symbols) scores or log probabilities; symbol 0 is the blank.
        alphabet: of the symbols.
        frame_seconds: between frames. offset: of the first frame's start, in seconds.
        duration: of the recording, in seconds; ends no later. Default: that of the frames.

    Returns:
        A Transcript. A character lasts from the first to the last frame of its run, a word from its first character to
        its last. Confidences are the model's posteriors, not calibrated.

    Raises:
        ValueError: the scores are not (frames, alphabet.size).
        KerasRecipesError: a frame without a finite best score: the network is broken, and no text would say so.

    Example:
        >>> greedy(np.eye(4)[[1, 1, 0, 1, 3]] * 9, Alphabet("abc")).text
        'aac'
    """
    frames = check_logits(logits, alphabet)
    duration = offset + frames * frame_seconds if duration is None else duration
    if frames == 0:
        return Transcript("", duration=duration)
    best = np.argmax(logits, axis=1)
    top = logits[np.arange(frames), best].astype("float64")
    posterior = 1 / np.exp(logits - top[:, None]).sum(axis=1)
    return path_to_transcript(best, posterior, alphabet, frame_seconds, offset, duration)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """(frames, symbols) log probabilities of scores, float64."""
    shifted = logits - np.max(logits, axis=1, keepdims=True).astype("float64") if len(logits) else np.asarray(logits)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def check_logits(scores: np.ndarray, alphabet: Alphabet) -> int:
    """The number of frames of scores that a text can be read from; raises what `greedy` does."""
    if np.ndim(scores) != 2 or np.shape(scores)[1] != alphabet.size:
        raise ValueError(f"scores of shape {np.shape(scores)}; {alphabet} needs (frames, {alphabet.size})")
    broken = np.sum(~np.isfinite(np.max(scores, axis=1))) if len(scores) else 0
    if broken:
        raise KerasRecipesError(
            f"{broken} of {len(scores)} frames have no finite score: check the model's weights (and its "
            "precision) before trusting any transcript of it"
        )
    return len(scores)


def path_to_transcript(
    path: np.ndarray, posterior: np.ndarray, alphabet: Alphabet, frame_seconds: float, offset: float, duration: float
) -> Transcript:
    """What a path through the frames says.

    Args:
        path: (frames,) columns of the scores, at least one frame. posterior: (frames,) the model's trust in each.
        alphabet, frame_seconds, offset, duration: as in `greedy`.
    """
    begins = np.flatnonzero(np.concatenate([[True], path[1:] != path[:-1]]))
    ends = np.append(begins[1:], len(path))
    surest = np.maximum.reduceat(posterior, begins)
    seconds = lambda frame: min(offset + float(frame) * frame_seconds, duration)  # noqa: E731
    characters = []
    for b, e, p, letters in zip(begins, ends, surest, alphabet.decode_each(path[begins] + alphabet.first), strict=True):
        share = (e - b) / max(len(letters), 1)  # the letters of one repetition symbol divide its frames
        characters += [
            Character(letter, seconds(b + i * share), seconds(b + (i + 1) * share), float(p))
            for i, letter in enumerate(letters)
        ]
    words = tuple(_words(tuple(characters), alphabet.separator))
    return Transcript(
        text=alphabet.separator.join(w.text for w in words) if alphabet.separator else " ".join(w.text for w in words),
        words=words,
        confidence=_geometric_mean([c.confidence for c in characters]),
        duration=duration,
        characters=tuple(characters),
    )


def _words(characters: tuple[Character, ...], separator: str) -> list[Word]:
    """Characters between spaces; with a separator every symbol is a word of its own."""
    words: list[Word] = []
    group: list[Character] = []
    for character in [*characters, None]:
        if character is not None and not separator and character.text != " ":
            group.append(character)
            continue
        if separator and character is not None:
            group = [character]
        if group:
            text = "".join(c.text for c in group)
            words.append(Word(text, group[0].start, group[-1].end, _geometric_mean([c.confidence for c in group])))
            group = []
    return words


def _geometric_mean(confidences: list[float]) -> float:
    """Geometric mean; 1 for none."""
    return float(np.exp(np.mean(np.log(confidences)))) if confidences else 1.0
