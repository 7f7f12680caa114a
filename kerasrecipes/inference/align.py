"""Forced alignment of a known text: the time of each word in audio of any length, and the words that do not fit the audio."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.audio import open_recording
from kerasrecipes.decoding.forced_alignment import asg_alignment_graph, ctc_alignment_graph, viterbi_align
from kerasrecipes.decoding.greedy import geometric_mean, log_softmax
from kerasrecipes.decoding.pauses import PAUSE_SECONDS, mark_pauses
from kerasrecipes.errors import DataError
from kerasrecipes.inference.transcribe import CHUNKING_THRESHOLD_SECONDS, audio_reference, logits_of
from kerasrecipes.results import Character, Transcript, Word

# nats per letter; with one word replaced in each of 41 clips of dev-mini-tune, 93 % of these are reported, and 2 % of the others
MISMATCH_THRESHOLD_NATS = 4.0


@dataclass(frozen=True, repr=False)
class Alignment(Transcript):
    """A known text with times. The other fields are those of `Transcript`.

    Args:
        mismatched_words: Words whose alignment scores much worse than the unconstrained best path.
    """

    mismatched_words: tuple[Word, ...] = ()


def align(
    model: Any, audio: Any, text: str, sample_rate: int | None = None, *,
    mismatch_threshold: float = MISMATCH_THRESHOLD_NATS, pause_seconds: float = PAUSE_SECONDS,
    progress: Callable[[int, int], Any] | None = None,
) -> Alignment:  # fmt: skip
    """Return the times of a known text's words: the exact best path through all frames, for an hour as for a second.

    Args:
        model: A recognizer with an alphabet of characters.
        audio: One input of `transcribe`.
        text: The text of the recording. Words keep their case and punctuation in the result.
        sample_rate: Hz of an array.
        mismatch_threshold: A word is in `mismatched_words` if its path loses more than this many nats per letter
            against the best path.
        pause_seconds: So many seconds without a letter are between two words, as in `transcribe`. 0 lets words span pauses.
        progress: Called with (frames done, frames in all).

    Returns:
        An Alignment. A word's confidence is the geometric mean of its letters' posteriors.

    Raises:
        DataError: The text holds no words, has characters outside the alphabet, or is too long for the audio.
        AudioError: The audio cannot be read.
    """
    alphabet = model.alphabet
    words_in_text, normalized = split_words(text, alphabet)
    if not normalized:
        raise DataError("There is no word to align")
    labels = alphabet.encode(" ".join(normalized), normalize=False)
    recording = open_recording(
        audio, sample_rate=sample_rate, target=model.sample_rate, keep_seconds=CHUNKING_THRESHOLD_SECONDS
    )
    logits = logits_of(model, recording)
    log_probs = log_softmax(logits)
    transitions = model.criterion.transition_matrix()
    graph = ctc_alignment_graph(labels) if transitions is None else asg_alignment_graph(labels, transitions)
    frame_seconds, duration = model.stride / model.sample_rate, len(recording) / model.sample_rate
    scores = log_probs if transitions is None else logits
    scores = mark_pauses(scores, alphabet, frame_seconds, pause_seconds, transitions=transitions, settle_spaces=True)
    try:
        states = viterbi_align(scores, graph, progress)
    except ValueError as error:
        raise DataError(
            f"{len(normalized)} words do not fit into {duration:.1f} s of audio: {error}. "
            "Is it the text of this recording?"
        ) from None
    path = graph.columns[states]
    path_log_probs = log_probs[np.arange(len(path)), path]
    loss = log_probs.max(axis=1) - path_log_probs
    # first and last frame of each symbol; with CTC every second state is a blank, which belongs to no symbol
    states_per_symbol = 1 if transitions is not None else 2
    symbol_states = states_per_symbol * np.arange(len(labels)) + states_per_symbol - 1
    first, last = np.searchsorted(states, symbol_states, "left"), np.searchsorted(states, symbol_states, "right")
    words, characters, mismatched = [], [], []
    for word_text, plain, positions in zip(
        words_in_text, normalized, word_symbol_positions(labels, normalized, alphabet), strict=True
    ):
        letters = plain.replace(" ", "")
        peaks = [float(np.exp(path_log_probs[first[i] : last[i]].max())) for i in positions]
        start, end = first[positions[0]], last[positions[-1]]
        word = Word(
            word_text, min(start * frame_seconds, duration), min(end * frame_seconds, duration), geometric_mean(peaks)
        )
        words.append(word)
        if len(positions) == len(letters):
            characters += [
                Character(c, min(first[i] * frame_seconds, duration), min(last[i] * frame_seconds, duration), peak)
                for c, i, peak in zip(letters, positions, peaks, strict=True)
            ]
        if loss[start:end].sum() > mismatch_threshold * len(letters):
            mismatched.append(word)
    return Alignment(
        " ".join(words_in_text), tuple(words), geometric_mean(w.confidence for w in words), duration,
        characters=tuple(characters), mismatched_words=tuple(mismatched), audio=audio_reference(audio, sample_rate),
    )  # fmt: skip


def split_words(text: str, alphabet: Any) -> tuple[list[str], list[str]]:
    """Return the words of a text as they are and as the alphabet writes them.

    A token without any symbol of the alphabet joins the word before it.
    """
    words: list[str] = []
    normalized: list[str] = []
    for token in text.split():
        plain = alphabet.normalize(token)
        if plain:
            words.append(token)
            normalized.append(plain)
        elif words:
            words[-1] += f" {token}"
    return words, normalized


def word_symbol_positions(labels: np.ndarray, normalized: list[str], alphabet: Any) -> list[list[int]]:
    """Return the positions in `labels` of each entry's symbols. An entry of `normalized` may hold several words."""
    space = int(alphabet.encode(" ", normalize=False, surround=False)[0])
    groups: list[list[int]] = [[]]
    for position, label in enumerate(labels.tolist()):
        if label == space:
            groups.append([])
        else:
            groups[-1].append(position)
    words = iter([g for g in groups if g])
    return [[position for _ in entry.split() for position in next(words)] for entry in normalized]
