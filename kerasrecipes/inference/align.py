"""When was each word of a known text said? Forced alignment of audio of any length, and the words that do not fit it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes import audio as sound
from kerasrecipes.decoding.forced_alignment import asg_alignment_graph, ctc_alignment_graph, viterbi_align
from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.errors import DataError
from kerasrecipes.inference.transcribe import logits_of
from kerasrecipes.results import Character, Transcript, Word

MISMATCH_THRESHOLD_NATS = 4.0  # nats per letter: of 41 clips of dev-mini-tune with one word replaced, 93 % found and 2 % of right words doubted


@dataclass(frozen=True)
class Alignment(Transcript):
    """The given text with times.

    Args:
        doubtful: words for which the audio speaks much less than for what it is likeliest to hold.
        others: as in `Transcript`.
    """

    doubtful: tuple[Word, ...] = ()


def align(
    model: Any, audio: Any, text: str, sample_rate: int | None = None, *, doubt: float = MISMATCH_THRESHOLD_NATS, progress: Any = None
) -> Alignment:  # fmt: skip
    """Times of a known text's words: the best way through the frames that spells it, exact for an hour as for a second.

    Args:
        model: a recogniser with an alphabet of characters.
        audio: what `transcribe` takes for one recording. sample_rate: Hz of an array.
        text: what is said; words keep their case and punctuation in the answer.
        doubt: a word is `doubtful` where the way loses more than so many nats per letter against the best path.
        progress: called with (frames done, frames in all).

    Returns:
        An Alignment; a word's confidence is the geometric mean of its letters' posteriors.

    Raises:
        DataError: the text holds no words, has characters outside the alphabet, or is too long for the audio.
        AudioError: the audio cannot be read.
    """
    alphabet = model.alphabet
    shown, written = split_words(text, alphabet)
    if not written:
        raise DataError("There is no word to align")
    numbers = alphabet.encode(" ".join(written), normalise=False)
    wave = sound.load_audio(audio, sample_rate=sample_rate, target=model.sample_rate)
    scores = logits_of(model, wave)
    transitions = model.criterion.transitions()
    lattice = ctc_alignment_graph(numbers) if transitions is None else asg_alignment_graph(numbers, transitions)
    log_p = log_softmax(scores)
    try:
        states = viterbi_align(log_p if transitions is None else scores, lattice, progress)
    except ValueError as error:
        raise DataError(
            f"{len(written)} words do not fit into {len(wave) / model.sample_rate:.1f} s of audio: {error}. "
            "Is it the text of this recording?"
        ) from None
    path = lattice.columns[states]
    chosen = log_p[np.arange(len(path)), path]
    lost = log_p.max(axis=1) - chosen
    seconds, end = model.stride / model.sample_rate, len(wave) / model.sample_rate
    per_state = 1 if transitions is not None else 2
    # frames of each symbol, in the order of the text; a blank belongs to none
    first = np.searchsorted(states, per_state * np.arange(len(numbers)) + per_state - 1, "left")
    last = np.searchsorted(states, per_state * np.arange(len(numbers)) + per_state - 1, "right")
    words, characters, doubtful = [], [], []
    for word, plain, places in zip(shown, written, word_symbol_positions(numbers, written, alphabet), strict=True):
        letters = plain.replace(" ", "")
        peaks = [float(np.exp(chosen[first[i] : last[i]].max())) for i in places]
        begin, stop = first[places[0]], last[places[-1]]
        made = Word(
            word, min(begin * seconds, end), min(stop * seconds, end), float(np.exp(np.mean(np.log(np.maximum(peaks, 1e-30)))))
        )  # fmt: skip
        words.append(made)
        if len(places) == len(letters):
            characters += [
                Character(c, min(first[i] * seconds, end), min(last[i] * seconds, end), p)
                for c, i, p in zip(letters, places, peaks, strict=True)
            ]
        if lost[begin:stop].sum() > doubt * len(letters):
            doubtful.append(made)
    confidence = float(np.exp(np.mean([np.log(max(w.confidence, 1e-30)) for w in words])))
    return Alignment(
        " ".join(shown), tuple(words), confidence, end, characters=tuple(characters), doubtful=tuple(doubtful)
    )


def split_words(text: str, alphabet: Any) -> tuple[list[str], list[str]]:
    """The words as they stand in a text, and as the alphabet writes them; what it cannot write at all joins the word before."""
    shown: list[str] = []
    written: list[str] = []
    for token in text.split():
        plain = alphabet.normalise(token)
        if plain:
            shown.append(token)
            written.append(plain)
        elif shown:
            shown[-1] += f" {token}"
    return shown, written


def word_symbol_positions(numbers: np.ndarray, written: list[str], alphabet: Any) -> list[list[int]]:
    """The places of the symbols of each of `written`, which may hold several words, in the text's numbers."""
    space = int(alphabet.encode(" ", normalise=False, surround=False)[0])
    groups: list[list[int]] = [[]]
    for place, number in enumerate(numbers.tolist()):
        if number == space:
            groups.append([])
        else:
            groups[-1].append(place)
    words = iter([g for g in groups if g])
    return [[place for _ in part.split() for place in next(words)] for part in written]
