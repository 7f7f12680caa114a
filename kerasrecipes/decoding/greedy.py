"""Greedy decoding, and the step that every decoder ends with: from a path through the frames to a transcript."""

from collections.abc import Iterable

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.results import Character, Transcript, Word

BLOCK_FRAMES = 8192  # whose probabilities are computed at once, so that hours take little memory


def greedy_decode(
    logits: np.ndarray, alphabet: Alphabet, *, frame_seconds: float = 0.0, offset: float = 0.0, duration: float | None = None
) -> Transcript:  # fmt: skip
    """Decode one utterance of a CTC model: the most likely symbol of each frame, repeats merged, blanks dropped.

    Args:
        logits: (frames, symbols) logits or log probabilities. Symbol 0 is the blank.
        alphabet: Alphabet of the symbols.
        frame_seconds: Seconds between two frames.
        offset: Start of the first frame in seconds.
        duration: Length of the recording in seconds, which no time exceeds. Default: the length of the frames.

    Returns:
        A Transcript. A character lasts from the first to the last frame of its run, a word from its first character to
        its last. Confidences are the model's posteriors, not calibrated.

    Raises:
        ValueError: The logits are not (frames, alphabet.vocab_size).
        KerasRecipesError: A frame has no finite logit, so the model is broken.

    Example:
        >>> greedy_decode(np.eye(4)[[1, 1, 0, 1, 3]] * 9, Alphabet("abc")).text
        'aac'
    """
    frames = check_logits(logits, alphabet)
    path = np.argmax(logits, axis=1)
    highest = logits[np.arange(frames), path].astype("float64")
    blocks = [slice(start, start + BLOCK_FRAMES) for start in range(0, frames, BLOCK_FRAMES)]
    sums = [np.exp(logits[block] - highest[block, None]).sum(axis=1) for block in blocks]
    posterior = 1 / np.concatenate([np.zeros(0), *sums])
    return path_to_transcript(
        path, posterior, alphabet, frame_seconds=frame_seconds, offset=offset, duration=duration
    )  # fmt: skip


def log_softmax(logits: np.ndarray, dtype: str = "float64") -> np.ndarray:
    """Return the log probabilities (frames, symbols) of logits, computed in float64.

    Args:
        logits: (frames, symbols).
        dtype: Type of the result.
    """
    logits = np.asarray(logits)
    result = np.empty(logits.shape, dtype)
    for start in range(0, len(logits), BLOCK_FRAMES):
        block = logits[start : start + BLOCK_FRAMES]
        shifted = block - np.max(block, axis=1, keepdims=True).astype("float64")
        result[start : start + BLOCK_FRAMES] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def check_logits(logits: np.ndarray, alphabet: Alphabet) -> int:
    """Return the number of frames. Raises what `greedy_decode` raises."""
    if np.ndim(logits) != 2 or np.shape(logits)[1] != alphabet.vocab_size:
        raise ValueError(f"logits of shape {np.shape(logits)}: {alphabet} needs (frames, {alphabet.vocab_size})")
    num_broken = np.sum(~np.isfinite(np.max(logits, axis=1))) if len(logits) else 0
    if num_broken:
        raise KerasRecipesError(
            f"{num_broken} of {len(logits)} frames have no finite logit: check the model's weights (and its precision) before "
            "you trust any of its transcripts"
        )
    return len(logits)


def path_to_transcript(
    path: np.ndarray, posterior: np.ndarray, alphabet: Alphabet, *, frame_seconds: float = 0.0, offset: float = 0.0,
    duration: float | None = None,
) -> Transcript:  # fmt: skip
    """Turn a path through the frames into a transcript with times.

    Args:
        path: (frames,) logit columns.
        posterior: (frames,) probability of each frame's column.
        alphabet: Alphabet of the columns. With a separator, every symbol is a word.
        frame_seconds: As in `greedy_decode`.
        offset: As in `greedy_decode`.
        duration: As in `greedy_decode`.
    """
    latest = offset + len(path) * frame_seconds if duration is None else duration
    if not len(path):
        return Transcript("", duration=latest)
    starts = np.flatnonzero(np.concatenate([[True], path[1:] != path[:-1]]))
    ends = np.append(starts[1:], len(path))
    peaks = np.maximum.reduceat(posterior, starts)

    def seconds(frame: float) -> float:
        return min(offset + float(frame) * frame_seconds, latest)

    characters: list[Character] = []
    for start, end, peak, symbols in zip(
        starts, ends, peaks, alphabet.decode_each(path[starts] + alphabet.first_index), strict=True
    ):
        share = (end - start) / max(len(symbols), 1)  # the letters of one repetition symbol divide its frames
        characters += [
            Character(symbol, seconds(start + i * share), seconds(start + (i + 1) * share), float(peak))
            for i, symbol in enumerate(symbols)
        ]
    words = tuple(_group_words(characters, alphabet.separator))
    return Transcript(
        text=(alphabet.separator or " ").join(w.text for w in words),
        words=words,
        confidence=geometric_mean(c.confidence for c in characters),
        duration=latest,
        characters=tuple(characters),
    )


def _group_words(characters: list[Character], separator: str) -> list[Word]:
    """Group characters between spaces into words. With a separator every symbol is a word."""
    if separator:
        return [Word(c.text, c.start, c.end, c.confidence) for c in characters]
    words: list[Word] = []
    group: list[Character] = []
    for character in [*characters, None]:
        if character is not None and character.text != " ":
            group.append(character)
        elif group:
            text = "".join(c.text for c in group)
            words.append(Word(text, group[0].start, group[-1].end, geometric_mean(c.confidence for c in group)))
            group = []
    return words


def geometric_mean(confidences: Iterable[float]) -> float:
    """Return the geometric mean of probabilities, 1 for none."""
    values = list(confidences)
    return float(np.exp(np.mean(np.log(np.maximum(values, 1e-30))))) if values else 1.0
