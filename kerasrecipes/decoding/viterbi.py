"""Decoding scores with transitions (ASG): the best path of all, repeats merged, with times and confidences.

Wav2Letter, arXiv 1609.03193, section 3.2: without a blank and without a language model, the likeliest letters are those
of the path whose scores and transitions sum to the most.
"""

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import check_logits, path_to_transcript
from kerasrecipes.results import Transcript


def viterbi_decode(
    scores: np.ndarray, transitions: np.ndarray, alphabet: Alphabet, *, frame_seconds: float = 0.0,
    offset: float = 0.0, duration: float | None = None,
) -> Transcript:  # fmt: skip
    """Decode one utterance.

    Args:
        scores: (frames, letters), not normalised. transitions: (letters, letters) from row to column.
        alphabet: of the letters, without a blank.
        frame_seconds, offset, duration: in seconds, as in `decoding.greedy`.

    Returns:
        A Transcript, as `decoding.greedy` gives it. A confidence is the probability, over all paths, of the letter at
        the frame where it is surest.

    Raises:
        ValueError: the scores are not (frames, alphabet.size), or the transitions not (alphabet.size, alphabet.size).
        KerasRecipesError: a frame without a finite best score.

    Example:
        >>> viterbi(np.eye(5)[[0, 1, 1, 3]] * 9, np.zeros((5, 5)), Alphabet("abc", num_repetition_symbols=2)).text
        'abb'
    """
    if np.shape(transitions) != (alphabet.size, alphabet.size):
        raise ValueError(f"transitions of shape {np.shape(transitions)}; {alphabet} needs {(alphabet.size,) * 2}")
    frames = check_logits(scores, alphabet)
    duration = offset + frames * frame_seconds if duration is None else duration
    if frames == 0:
        return Transcript("", duration=duration)
    path = best_path(scores, transitions)
    trust = forward_backward(scores, transitions)[np.arange(frames), path]
    return path_to_transcript(path, trust, alphabet, frame_seconds, offset, duration)


def best_path(scores: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """(frames,) letters of the path whose scores (frames, letters) and transitions sum to the most."""
    into = np.ascontiguousarray(np.transpose(transitions), "float64")  # row: the later letter
    rows = np.arange(len(into))
    before = np.zeros(scores.shape, "int16")
    best = scores[0].astype("float64")
    for t in range(1, len(scores)):
        ways = into + best
        before[t] = ways.argmax(axis=1)
        best = ways[rows, before[t]] + scores[t]
    path = np.empty(len(scores), "int64")
    path[-1] = best.argmax()
    for t in range(len(scores) - 1, 0, -1):
        path[t - 1] = before[t, path[t]]
    return path


def forward_backward(scores: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """(frames, letters) share of each letter at each frame in the sum over all paths."""
    floor = 1e-100  # even what is forbidden keeps a little, so that nothing is divided by zero
    chance = np.maximum(np.exp(scores - scores.max(axis=1, keepdims=True), dtype="float64"), floor)
    matrix = np.maximum(np.exp(transitions - np.max(transitions), dtype="float64"), floor)
    shares = np.empty_like(chance)
    reached = np.ones(len(matrix))
    for t in range(len(chance)):
        shares[t] = reached * chance[t]
        shares[t] /= shares[t].sum()
        reached = shares[t] @ matrix
    later = np.ones(len(matrix))
    for t in range(len(chance) - 1, -1, -1):
        shares[t] *= later
        shares[t] /= shares[t].sum()
        later = matrix @ (chance[t] * later)
        later /= later.max()
    return shares
