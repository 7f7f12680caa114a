"""Viterbi decoding of logits with transitions (ASG), with times and confidences.

Wav2Letter, arXiv 1609.03193, section 3.2: without a blank and without a language model, the most likely letters are those
of the path whose logits and transitions have the largest sum.
"""

from typing import Any

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import check_logits, path_to_transcript
from kerasrecipes.results import Transcript


def viterbi_decode(logits: np.ndarray, transitions: np.ndarray, alphabet: Alphabet, **times: Any) -> Transcript:
    """Decode one utterance: the best of all paths, repeats merged.

    Args:
        logits: (frames, letters), not normalized.
        transitions: (letters, letters) scores from row to column.
        alphabet: Alphabet of the letters, without a blank.
        **times: `frame_seconds`, `offset` and `duration` as in `greedy_decode`.

    Returns:
        A Transcript as `greedy_decode` returns it. A confidence is the letter's highest probability, over all paths,
        within the frames of its run.

    Raises:
        ValueError: The logits are not (frames, alphabet.vocab_size), or the transitions not
            (alphabet.vocab_size, alphabet.vocab_size).
        KerasRecipesError: A frame has no finite logit.

    Example:
        >>> logits = np.eye(5)[[0, 1, 1, 3]] * 9
        >>> viterbi_decode(logits, np.zeros((5, 5)), Alphabet("abc", num_repetition_symbols=2)).text
        'abb'
    """
    size = alphabet.vocab_size
    if np.shape(transitions) != (size, size):
        raise ValueError(f"transitions of shape {np.shape(transitions)}: {alphabet} needs {(size, size)}")
    frames = check_logits(logits, alphabet)
    path = best_path(logits, transitions)
    posterior = forward_backward(logits, transitions)[np.arange(frames), path]
    return path_to_transcript(path, posterior, alphabet, **times)


def best_path(logits: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """Return the letters (frames,) of the path with the largest sum of logits (frames, letters) and transitions."""
    path = np.zeros(len(logits), "int64")
    if not len(logits):
        return path
    transitions_into = np.ascontiguousarray(np.transpose(transitions), "float64")  # row: the later letter
    rows = np.arange(len(transitions_into))
    previous = np.zeros(logits.shape, "int16")
    best = logits[0].astype("float64")
    for t in range(1, len(logits)):
        candidates = transitions_into + best
        previous[t] = candidates.argmax(axis=1)
        best = candidates[rows, previous[t]] + logits[t]
    path[-1] = best.argmax()
    for t in range(len(logits) - 1, 0, -1):
        path[t - 1] = previous[t, path[t]]
    return path


def forward_backward(logits: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """Return the posterior (frames, letters) of each letter at each frame over all paths."""
    floor = 1e-100  # forbidden transitions keep a little probability, so that nothing is divided by zero
    emission = np.maximum(np.exp(logits - logits.max(axis=1, keepdims=True), dtype="float64"), floor)
    matrix = np.maximum(np.exp(transitions - np.max(transitions), dtype="float64"), floor)
    posterior = np.empty_like(emission)
    forward = np.ones(len(matrix))
    for t in range(len(emission)):
        posterior[t] = forward * emission[t]
        posterior[t] /= posterior[t].sum()
        forward = posterior[t] @ matrix
    backward = np.ones(len(matrix))
    for t in range(len(emission) - 1, -1, -1):
        posterior[t] *= backward
        posterior[t] /= posterior[t].sum()
        backward = matrix @ (emission[t] * backward)
        backward /= backward.max()
    return posterior
