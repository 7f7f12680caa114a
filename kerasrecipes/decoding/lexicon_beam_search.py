"""Beam search over the words of a language model: flashlight's lexicon decoder with KenLM scores.

What is sought (Deep Speech, arXiv 1412.5567, section 2.2): log p(text | audio) + lm_weight log p(text) + word_score words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.decoding import ngram_lm
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import check_logits, log_softmax, path_to_transcript
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.results import Transcript

LN10 = float(np.log(10))  # KenLM counts in powers of ten
FORBIDDEN_LOG_PROB = -30.0  # log probability of what the closing frame forbids


class LexiconTrie:
    """The words that may be said, as a tree of letters, and their scores. It takes a second or two to build.

    Args:
        path: of the language model. alphabet: of the recogniser's symbols, with a space.
        bonus: word -> what its score gets more, in powers of ten. Words that the model does not know are added, with
            its <unk>'s probability.

    Raises:
        KerasRecipesError: flashlight-text or kenlm is missing; the alphabet has no space.
        DataError: KenLM cannot read the file; no word of the model can be written with the alphabet, or a word of `bonus` cannot.
    """

    def __init__(self, path: Path, alphabet: Alphabet, bonus: dict[str, float] | None = None):
        if " " not in alphabet.symbols:
            raise KerasRecipesError(f"A language model of words needs an alphabet with a space; {alphabet} has none")
        parts, bonus = import_flashlight(), bonus or {}
        self.alphabet = alphabet
        self.space = int(alphabet.encode(" ", normalise=False, surround=False)[0]) - alphabet.first
        vocabulary, spellings = lexicon_spellings(path, path.stat().st_mtime_ns, alphabet, tuple(sorted(bonus)))
        self.dictionary = parts.dictionary(vocabulary)
        try:
            self.model = parts.KenLM(str(path), self.dictionary)
        except RuntimeError as error:
            raise DataError(f"KenLM cannot read {path}: {str(error).splitlines()[-1].strip()}") from None
        if bonus:
            self.model = parts.boosted(self.model, {self.dictionary.get_index(w): b for w, b in bonus.items()})
        self.trie = parts.Trie(alphabet.size, self.space)
        start = self.model.start(False)
        for number, spelling in enumerate(spellings):
            self.trie.insert(spelling, number, self.model.score(start, number)[1])
        self.trie.smear(parts.SmearingMode.MAX)


class LexiconDecoder:
    """The search with one set of weights.

    Args:
        lexicon: the words. transitions: (symbols, symbols) from row to column for ASG; None for CTC.
        beam_size: hypotheses kept after every frame. token_beam: symbols tried at every frame.
        threshold: nats below the best within which a hypothesis is followed.
        lm_weight: of the language model's log probability, in nats per nat. word_score: nats for every word.
    """

    def __init__(
        self, lexicon: LexiconTrie, transitions: np.ndarray | None = None, *, beam_size: int = 50, token_beam: int = 12,
        threshold: float = 20.0, lm_weight: float = 0.5, word_score: float = 0.5,
    ):  # fmt: skip
        parts, size = import_flashlight(), lexicon.alphabet.size
        self.lexicon, self.alphabet, self.space = lexicon, lexicon.alphabet, lexicon.space
        self._ctc = transitions is None
        options = parts.LexiconDecoderOptions(
            beam_size=beam_size, beam_size_token=min(token_beam, size), beam_threshold=threshold,
            lm_weight=lm_weight * LN10, word_score=word_score, unk_score=-np.inf, sil_score=0.0, log_add=False,
            criterion_type=parts.CriterionType.CTC if self._ctc else parts.CriterionType.ASG,
        )  # fmt: skip
        # flashlight reads transitions as to * symbols + from
        moves = [] if transitions is None else np.asarray(transitions, "float32").T.ravel().tolist()
        blank = 0 if self._ctc else -1
        self._decoder = parts.LexiconDecoder(
            options, lexicon.trie, lexicon.model, self.space, blank, -1, moves, False
        )  # fmt: skip

    def __call__(self, logits: np.ndarray, n_best: int = 1, **times: Any) -> Transcript:
        """The best reading of one utterance, with `n_best - 1` more in `alternatives`.

        Args:
            logits: (frames, symbols). times: `frame_seconds`, `offset`, `duration` as in `decoding.greedy`.
        """
        frames = check_logits(logits, self.alphabet)
        if frames == 0:
            return Transcript("", duration=times.get("duration") or 0.0)
        probable = log_softmax(logits)
        # words end at a space: one more frame, all space, closes the last word without a cost that others escape
        closing = np.full((1, self.alphabet.size), FORBIDDEN_LOG_PROB)
        closing[0, self.space] = 0.0
        emissions = np.ascontiguousarray(np.concatenate([probable if self._ctc else logits, closing]), "float32")
        found = self._decoder.decode(emissions.ctypes.data, len(emissions), self.alphabet.size)
        readings: dict[str, Transcript] = {}
        for result in found:
            path = np.array(result.tokens[1 : frames + 1])
            path[path < 0] = 0
            trust = np.exp(probable[np.arange(frames), path])
            reading = best_path_transcript(path, trust, self.alphabet, **times)
            readings.setdefault(reading.text, replace(reading, score=float(result.score)))
            if len(readings) == n_best:
                break
        first, *others = list(readings.values()) or [Transcript("", duration=times.get("duration") or 0.0)]
        return replace(first, alternatives=tuple(others))


def best_path_transcript(
    path: np.ndarray, trust: np.ndarray, alphabet: Alphabet, *, frame_seconds: float = 0.0, offset: float = 0.0,
    duration: float | None = None,
) -> Transcript:  # fmt: skip
    """The transcript of a path through all frames; arguments as in `decoding.greedy`."""
    duration = offset + len(path) * frame_seconds if duration is None else duration
    return path_to_transcript(path, trust, alphabet, frame_seconds, offset, duration)


def hotword_bonuses(phrases: Mapping[str, float], alphabet: Alphabet, lm_weight: float) -> dict[str, float]:
    """The bonus that `Lexicon` takes for phrases that shall get so many nats a word.

    Raises:
        DataError: as `words_of`; KerasRecipesError: the language model has no weight, and a bonus in it none either.
    """
    if phrases and lm_weight <= 0:
        raise KerasRecipesError(f"hotwords need an lm_weight above 0, it is {lm_weight}")
    return {w: nats / LN10 / lm_weight for phrase, nats in phrases.items() for w in hotword_words(phrase, alphabet)}


def hotword_words(phrase: str, alphabet: Alphabet) -> list[str]:
    """The words of a phrase in the alphabet's writing.

    Raises:
        DataError: there is none, or it has characters outside the alphabet.
    """
    found = alphabet.normalise(phrase).split()
    if not found:
        raise DataError(f"The hotword {phrase!r} has no letter of {alphabet}")
    for word in found:
        alphabet.encode(word, normalise=False, surround=False)
    return found


@lru_cache(4)
def lexicon_spellings(
    path: Path, changed: int, alphabet: Alphabet, more: Sequence[str] = ()
) -> tuple[list[str], list[list[int]]]:
    """Words of a language model, as it was when it was `changed` last, that the alphabet can write, and each one's columns of the
    scores, a space last.

    Raises:
        DataError: there is none: the model is in another writing, upper case for instance.
    """
    vocabulary, spellings = [], []
    letters = set(alphabet.symbols)
    for word in dict.fromkeys((*ngram_lm.read_vocabulary(path), *more)):
        if letters.issuperset(word):
            vocabulary.append(word)
            spelling = alphabet.encode(f"{word} ", normalise=False, surround=False) - alphabet.first
            spellings.append(spelling.tolist())
    if not vocabulary:
        raise DataError(f"No word of {path} can be written with {alphabet}: is the model in another case?")
    return vocabulary, spellings


@lru_cache(1)
def import_flashlight() -> Any:
    """The parts of flashlight-text that are used here, in one place.

    Raises:
        KerasRecipesError: it is not installed.
    """
    from types import SimpleNamespace

    try:
        import flashlight.lib.text.decoder as decoder
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary
    except ImportError:
        raise KerasRecipesError(f"A beam search with a language model: {ngram_lm.INSTALL_HINT}") from None

    class Boosted(decoder.LM):
        """A language model that gives some words a bonus."""

        def __init__(self, inner: Any, bonus: dict[int, float]):
            super().__init__()
            self.inner, self.bonus = inner, bonus

        def start(self, start_with_nothing: bool) -> Any:
            return self.inner.start(start_with_nothing)

        def score(self, state: Any, number: int) -> tuple[Any, float]:
            after, score = self.inner.score(state, number)
            return after, score + self.bonus.get(number, 0.0)

        def finish(self, state: Any) -> tuple[Any, float]:
            return self.inner.finish(state)

    def dictionary(vocabulary: Sequence[str]) -> Any:
        made = Dictionary()
        for word in vocabulary:
            made.add_entry(word)
        return made

    names = ("CriterionType", "LexiconDecoder", "LexiconDecoderOptions", "SmearingMode", "Trie")
    return SimpleNamespace(
        **{n: getattr(decoder, n) for n in names}, KenLM=KenLM, boosted=Boosted, dictionary=dictionary
    )
