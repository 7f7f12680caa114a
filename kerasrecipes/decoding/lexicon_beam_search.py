"""Beam search over the words of a language model: flashlight's lexicon decoder with KenLM scores.

It maximizes log p(text | audio) + lm_weight * log p(text) + word_score * words (Deep Speech, arXiv 1412.5567, section 2.2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes._lazy import silent_libraries
from kerasrecipes.decoding import ngram_lm
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import check_logits, log_softmax, path_to_transcript
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.results import Transcript

LN10 = float(np.log(10))  # KenLM's logarithms are to base 10
FORBIDDEN_LOG_PROB = -30.0  # of all symbols but the space in the closing frame


class LexiconTrie:
    """The words of a language model as a tree of letters with their scores. Building it takes a second or two.

    Args:
        path: Path of the language model.
        alphabet: The recognizer's alphabet, with a space.
        bonus: Bonus of words, as a power of ten. Words that the model does not know are added, with the probability of
            its <unk>.

    Raises:
        KerasRecipesError: flashlight-text or kenlm is missing, or the alphabet has no space.
        DataError: KenLM cannot read the file, or the alphabet can write no word of the model or not a word of `bonus`.
    """

    def __init__(self, path: Path, alphabet: Alphabet, bonus: dict[str, float] | None = None):
        if " " not in alphabet.symbols:
            raise KerasRecipesError(f"A word language model needs an alphabet with a space, {alphabet} has none")
        flashlight, bonus = import_flashlight(), bonus or {}
        self.alphabet = alphabet
        self.space = int(alphabet.encode(" ", normalize=False, surround=False)[0]) - alphabet.first_index
        vocabulary, spellings = lexicon_spellings(path, path.stat().st_mtime_ns, alphabet, tuple(sorted(bonus)))
        self.dictionary = flashlight.make_dictionary(vocabulary)
        try:
            self.model = silent_libraries()(flashlight.KenLM)(str(path), self.dictionary)
        except RuntimeError as error:
            raise DataError(f"KenLM cannot read {path}: {str(error).splitlines()[-1].strip()}") from None
        if bonus:
            self.model = flashlight.BonusLM(self.model, {self.dictionary.get_index(w): b for w, b in bonus.items()})
        self.trie = flashlight.Trie(alphabet.vocab_size, self.space)
        start = self.model.start(False)
        for index, spelling in enumerate(spellings):
            self.trie.insert(spelling, index, self.model.score(start, index)[1])
        self.trie.smear(flashlight.SmearingMode.MAX)


class LexiconDecoder:
    """The search with one set of weights.

    Args:
        lexicon: The words.
        transitions: (symbols, symbols) scores from row to column for ASG. None for CTC.
        beam_size: Number of hypotheses that survive a frame.
        beam_size_token: Number of symbols tried at every frame.
        beam_threshold: Nats below the best within which a hypothesis is followed.
        lm_weight: Weight of the language model's log probability.
        word_score: Nats added for every word.
    """

    def __init__(
        self, lexicon: LexiconTrie, transitions: np.ndarray | None = None, *, beam_size: int = 50, beam_size_token: int = 12,
        beam_threshold: float = 20.0, lm_weight: float = 0.5, word_score: float = 0.5,
    ):  # fmt: skip
        flashlight, size = import_flashlight(), lexicon.alphabet.vocab_size
        self.lexicon, self.alphabet, self.space = lexicon, lexicon.alphabet, lexicon.space
        self._is_ctc = transitions is None
        options = flashlight.LexiconDecoderOptions(
            beam_size=beam_size, beam_size_token=min(beam_size_token, size), beam_threshold=beam_threshold,
            lm_weight=lm_weight * LN10, word_score=word_score, unk_score=-np.inf, sil_score=0.0, log_add=False,
            criterion_type=flashlight.CriterionType.CTC if self._is_ctc else flashlight.CriterionType.ASG,
        )  # fmt: skip
        # flashlight reads transitions as to * symbols + from
        flat = [] if transitions is None else np.asarray(transitions, "float32").T.ravel().tolist()
        blank = 0 if self._is_ctc else -1
        self._decoder = flashlight.LexiconDecoder(
            options, lexicon.trie, lexicon.model, self.space, blank, -1, flat, False
        )  # fmt: skip

    def __call__(self, logits: np.ndarray, nbest: int = 1, **times: Any) -> Transcript:
        """Return the best hypothesis of one utterance, with `nbest - 1` more in `alternatives`.

        Args:
            logits: (frames, symbols).
            nbest: Number of hypotheses.
            **times: `frame_seconds`, `offset` and `duration` as in `greedy_decode`.
        """
        empty = Transcript("", duration=times.get("duration") or 0.0)
        frames = check_logits(logits, self.alphabet)
        if frames == 0:
            return empty
        log_probs = log_softmax(logits)
        is_space = log_probs[:, self.space] == 0.0  # certain, as in pauses
        # words end at a space: one more frame, all space, closes the last word at no cost
        closing = np.full((1, self.alphabet.vocab_size), FORBIDDEN_LOG_PROB)
        closing[0, self.space] = 0.0
        emissions = np.ascontiguousarray(np.concatenate([log_probs if self._is_ctc else logits, closing]), "float32")
        results = self._decoder.decode(emissions.ctypes.data, len(emissions), self.alphabet.vocab_size)
        transcripts: dict[str, Transcript] = {}
        for result in results:
            path = np.array(result.tokens[1 : frames + 1])
            path[path < 0] = 0
            path[is_space] = self.space  # also within a word, if every hypothesis was in the middle of one
            posterior = np.exp(log_probs[np.arange(frames), path])
            transcript = path_to_transcript(path, posterior, self.alphabet, **times)
            transcripts.setdefault(transcript.text, replace(transcript, score=float(result.score)))
            if len(transcripts) == nbest:
                break
        best, *others = list(transcripts.values()) or [empty]
        return replace(best, alternatives=tuple(others))


def hotword_bonuses(hotwords: Mapping[str, float], alphabet: Alphabet, lm_weight: float) -> dict[str, float]:
    """Return the `bonus` of `LexiconTrie` for phrases whose words each add a number of nats.

    Raises:
        DataError: As `hotword_words`.
        KerasRecipesError: `lm_weight` is 0, so that a bonus in the language model has no effect.
    """
    if hotwords and lm_weight <= 0:
        raise KerasRecipesError(f"hotwords need an lm_weight above 0, it is {lm_weight}")
    return {w: nats / LN10 / lm_weight for phrase, nats in hotwords.items() for w in hotword_words(phrase, alphabet)}


def hotword_words(phrase: str, alphabet: Alphabet) -> list[str]:
    """Return the words of a phrase, normalized to the alphabet.

    Raises:
        DataError: There is no word, or it has characters outside the alphabet.
    """
    words = alphabet.normalize(phrase).split()
    if not words:
        raise DataError(f"The hotword {phrase!r} has no letter of {alphabet}")
    for word in words:
        alphabet.encode(word, normalize=False, surround=False)
    return words


@lru_cache(4)
def lexicon_spellings(
    path: Path, modified: int, alphabet: Alphabet, extra_words: Sequence[str] = ()
) -> tuple[list[str], list[list[int]]]:
    """Return the words of `lexicon_words`, and each word's logit columns with a space at the end.

    `modified` is the time of the file's last change, so that a changed file is read again.
    """
    vocabulary = lexicon_words(path, alphabet, extra_words)
    spellings = [
        (alphabet.encode(f"{word} ", normalize=False, surround=False) - alphabet.first_index).tolist()
        for word in vocabulary
    ]
    return vocabulary, spellings


def lexicon_words(path: Path, alphabet: Alphabet, extra_words: Sequence[str] = ()) -> list[str]:
    """Return the words that the alphabet can write.

    Args:
        path: Path of the language model.
        alphabet: The recognizer's alphabet.
        extra_words: Words that are added to those of the model.

    Raises:
        DataError: There is no such word, or the words are in another case.
    """
    letters, words = set(alphabet.symbols), ngram_lm.read_vocabulary(path)
    vocabulary = [word for word in words if letters.issuperset(word)]
    if 10 * len(vocabulary) < len(words):
        check_case(path, words, alphabet, len(vocabulary))
    return list(dict.fromkeys((*vocabulary, *(word for word in extra_words if letters.issuperset(word)))))


def check_case(path: Path, words: Sequence[str], alphabet: Alphabet, num_writable: int) -> None:
    """Check that an alphabet writes any of a model's words, and not ten times as many of them in another case.

    Raises:
        DataError: It does not. The message says how to change the case.
    """
    letters = set(alphabet.symbols)
    for change, name in ((str.lower, "lower"), (str.upper, "upper")):
        if sum(letters.issuperset(change(word)) for word in words) > 10 * num_writable:
            raise DataError(
                f"The words of {path} are in another case than {alphabet}: write its ARPA file in {name} case and pass that file, or "
                f"the binary that `build_binary {name}.arpa {name}.kenlm` makes of it"
            )
    if not num_writable:
        raise DataError(f"No word of {path} can be written with {alphabet}: is it the model of another language?")


def is_installed() -> bool:
    """Return True if flashlight-text and kenlm can be imported."""
    return all(find_spec(name) for name in ("flashlight", "kenlm"))


@lru_cache(1)
def import_flashlight() -> Any:
    """Import the classes of flashlight-text that are used here into one namespace.

    Raises:
        KerasRecipesError: It is not installed.
    """
    from types import SimpleNamespace

    try:
        import flashlight.lib.text.decoder as decoder
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary
    except ImportError:
        raise KerasRecipesError(f"A beam search with a language model: {ngram_lm.INSTALL_HINT}") from None

    class BonusLM(decoder.LM):
        """A language model that adds a bonus to the scores of some words."""

        def __init__(self, model: Any, bonus: dict[int, float]):
            super().__init__()
            self.model, self.bonus = model, bonus

        def start(self, start_with_nothing: bool) -> Any:
            return self.model.start(start_with_nothing)

        def score(self, state: Any, index: int) -> tuple[Any, float]:
            next_state, score = self.model.score(state, index)
            return next_state, score + self.bonus.get(index, 0.0)

        def finish(self, state: Any) -> tuple[Any, float]:
            return self.model.finish(state)

    def make_dictionary(vocabulary: Sequence[str]) -> Any:
        dictionary = Dictionary()
        for word in vocabulary:
            dictionary.add_entry(word)
        return dictionary

    names = ("CriterionType", "LexiconDecoder", "LexiconDecoderOptions", "SmearingMode", "Trie")
    return SimpleNamespace(
        **{n: getattr(decoder, n) for n in names}, KenLM=KenLM, BonusLM=BonusLM, make_dictionary=make_dictionary
    )
