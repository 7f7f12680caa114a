"""Decoding restricted to phrases: an exhaustive search over all paths, portions of any size, and what a user can get wrong."""

import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.criteria import CTCCriterion
from kerasrecipes.decoding.decoders import make_decoder
from kerasrecipes.decoding.greedy import log_softmax, path_to_transcript
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.phrase_search import PhraseSearch, PhraseTree, decode_phrases, join_paths
from kerasrecipes.errors import DataError, KerasRecipesError

ALPHABET = Alphabet("ab ")
BLANK, A, B, SPACE = range(4)
COST = 0.7
MODEL = SimpleNamespace(name="tiny", criterion=CTCCriterion(), alphabet=ALPHABET)


def write_path(*columns):
    """Return sure logits of a path, 9 nats above all others."""
    return np.eye(4)[list(columns)] * 9


def find_best_texts(log_probs, phrases, cost):
    """Return the texts of the best path, and its score, from all sequences of frame labels that a regular expression allows.

    Frame labels: _ blank and s space in a gap, m a blank in place of a missing space, X a letter and x a blank of other speech,
    and in phrases the letters, - the blank and = the space or a blank in its place.
    """
    def pattern(phrase):
        letters = []
        for i, letter in enumerate(phrase.replace(" ", "=")):
            between = "-+" if i and phrase[i - 1] == letter else "-*"
            letters.append((between if i else "") + f"{letter}+")
        return "".join(letters) + "-*"

    anything = "|".join(["X[Xx]*", *map(pattern, phrases)])
    allowed = re.compile(f"[_s]*(({anything})[sm][_s]*)*({anything})?")
    best = (-np.inf, "")
    scores = [
        {
            "_": f[BLANK], "s": f[SPACE], "m": f[BLANK] - 3 * cost, "X": max(f[A], f[B]) - cost, "x": f[BLANK],
            "a": f[A], "b": f[B], "-": f[BLANK], "=": max(f[SPACE], f[BLANK]),
        }
        for f in log_probs
    ]  # fmt: skip
    for labels in itertools.product("_smXxab-=", repeat=len(log_probs)):
        if allowed.fullmatch(text := "".join(labels)):
            score = sum(frame[label] for frame, label in zip(scores, labels, strict=True))
            best = max(best, (score, text))
    runs = re.sub(r"([ab=])\1*", r"\1", re.sub("[Xx_sm]+", "  ", best[1]).replace("--", "-"))
    return " ".join(runs.replace("-", "").replace("=", " ").split()), best[0]


@pytest.mark.parametrize("phrases", [["a", "ab"], ["aa", "b a"], ["ba"]])
@pytest.mark.parametrize("seed", range(4))
def test_the_path_is_the_best_of_all(phrases, seed):
    log_probs = log_softmax(np.random.RandomState(seed).normal(scale=2.0, size=(5, 4)))
    text, score = find_best_texts(log_probs, phrases, COST)
    search = PhraseSearch(PhraseTree(phrases, ALPHABET), ALPHABET, COST, pause_frames=100)
    search.advance(log_probs)
    assert max(search._best_end()[0], search._gap, search._other) == pytest.approx(score)
    assert decode_phrases(log_probs, ALPHABET, phrases, COST).text == text


def test_phrases_and_other_speech():
    logits = write_path(B, B, SPACE, A, BLANK, A, SPACE, B, A, SPACE, A, A, BLANK, A)
    transcript = decode_phrases(logits, ALPHABET, ["aa"], COST, frame_seconds=0.1)
    assert transcript.text == "aa aa"
    assert np.allclose([(w.start, w.end) for w in transcript.words], [(0.3, 0.6), (1.0, 1.4)])
    assert decode_phrases(logits, ALPHABET, ["bb"], COST).text == ""


def test_a_part_of_a_word_is_no_phrase():
    logits = write_path(A, B, A, SPACE, B, BLANK, A, A)
    assert decode_phrases(logits, ALPHABET, ["ab", "b"], 2.0).text == ""
    assert decode_phrases(logits, ALPHABET, ["ab", "ba"], 2.0).text == "ba"


def test_rejection_costs_from_nothing_to_everything():
    logits = write_path(A, B, B, SPACE, BLANK)
    logits[1, A] = 8  # "ab" is a bit better than "a"
    texts = [decode_phrases(logits, ALPHABET, ["a"], cost).text for cost in (0.0, 0.2, np.inf)]
    assert texts == ["", "", "a"]


@pytest.mark.parametrize("size", [1, 3, 7, 400])
def test_portions_of_any_size_give_the_same_words(size):
    rng = np.random.RandomState(1)
    logits = rng.normal(scale=3.0, size=(400, 4)) + np.array([2, 0, 0, 0])
    log_probs = log_softmax(logits)
    phrases, paths = ["ab", "b a", "aa"], []
    whole = decode_phrases(logits, ALPHABET, phrases, 2.0, frame_seconds=0.25)
    search = PhraseSearch(PhraseTree(phrases, ALPHABET), ALPHABET, 2.0, pause_frames=4)
    for begin in range(0, len(log_probs), size):
        search.advance(log_probs[begin : begin + size])
        paths.append(search.take_final_path())
        assert len(search._frames) < 120
    path = join_paths(*paths, search.best_path())
    transcript = path_to_transcript(*path, ALPHABET, frame_seconds=0.25)
    assert transcript == whole and len(whole.words) > 20
    assert re.fullmatch("(ab|b a|aa| )+", whole.text)


def test_no_frames_and_silence():
    assert decode_phrases(np.zeros((0, 4)), ALPHABET, ["a"]).text == ""
    assert decode_phrases(write_path(*200 * [BLANK]), ALPHABET, ["a"], np.inf).text == ""


@pytest.mark.parametrize(
    ("phrases", "error", "message"),
    [
        ([], KerasRecipesError, "1 to 10000"), ("lights on", KerasRecipesError, "list"), (["a", "?!"], KerasRecipesError, "no letters"),
        (["abc"], DataError, "outside the alphabet"), (["a"] * 10_001, KerasRecipesError, "1 to 10000"),
    ],
)  # fmt: skip
def test_wrong_phrases(phrases, error, message):
    with pytest.raises(error, match=message):
        PhraseTree(phrases, ALPHABET)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "phrases"}, "needs phrases"), ({"phrases": ["a"], "decoder": "greedy"}, 'need decoder="phrases"'),
        ({"phrases": ["a"], "nbest": 2}, "nbest"), ({"phrases": ["a"], "rejection_cost": -1.0}, "0 or more"),
        ({"phrases": "a"}, "is a list"),
    ],
)  # fmt: skip
def test_wrong_options(options, message):
    with pytest.raises(KerasRecipesError, match=message):
        make_decoder(MODEL, DecodingOptions(**options))


def test_phrases_choose_their_decoder():
    decode = make_decoder(MODEL, DecodingOptions(phrases=["A", "b"]))
    transcript = decode(write_path(A, SPACE, B), frame_seconds=0.1)
    assert (transcript.text, transcript.decoder) == ("a b", "phrases")
