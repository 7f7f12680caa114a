"""Alphabets, greedy decoding, transcripts and error rates."""

import itertools
import json

import numpy as np
import pytest

from kerasrecipes import metrics
from kerasrecipes.decoding import Alphabet, greedy
from kerasrecipes.errors import DataError
from kerasrecipes.results import Transcript, Word

rng = np.random.default_rng(0)


def test_english_has_29_symbols_and_round_trips():
    a = Alphabet()
    assert a.size == 29 and a.encode("it's me").min() > 0
    assert a.decode(a.encode("it's me")) == "it's me"
    assert Alphabet.of(a.get_config()) == a and Alphabet.of(json.loads(json.dumps(a.get_config()))) == a


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AUTHOR of the trail, Philip Steels; etc.", "author of the trail philip steels etc"),
        ("Don\u2019t  stop\u2014now", "don't stop now"),
        ("Caf\u00e9 na\u00efve", "cafe naive"),
        ("well-known", "well known"),
        ("", ""),
    ],
)
def test_normalise(text, expected):
    assert Alphabet().normalise(text) == expected


def test_outside_characters_are_named():
    with pytest.raises(DataError, match="'1', '9'.*spell it out"):
        Alphabet().encode("in 1991")


def test_phones_have_a_separator():
    a = Alphabet(["aa", "b", "sil"])
    assert a.decode(a.encode("b aa  sil")) == "b aa sil"
    assert greedy(np.eye(4)[[2, 2, 0, 1]] * 9, a).text == "b aa"


def test_upper_case_and_bad_alphabets():
    assert Alphabet(" ABC").normalise("cab") == "CAB"
    with pytest.raises(DataError, match="distinct"):
        Alphabet("abca")


def collapse(path, symbols):
    return "".join(symbols[s - 1] for i, s in enumerate(path) if s and (i == 0 or s != path[i - 1]))


def test_greedy_collapses_every_path_as_ctc_does():
    a = Alphabet("ab ")
    for path in itertools.product(range(4), repeat=4):
        found = greedy(np.eye(4)[list(path)] * 8, a, frame_seconds=0.1)
        assert "".join(c.text for c in found.characters) == collapse(path, a.symbols)
        assert found.text == " ".join(collapse(path, a.symbols).split())


def test_greedy_times_and_confidences():
    a = Alphabet(" ab")
    path = [0, 2, 2, 3, 0, 1, 2, 0]
    logits = np.eye(4)[path] * 5
    t = greedy(logits, a, frame_seconds=0.5, duration=3.9)
    assert [w.text for w in t.words] == ["ab", "a"]
    assert (t.words[0].start, t.words[0].end) == (0.5, 2.0) and (t.words[1].start, t.words[1].end) == (3.0, 3.5)
    p = np.exp(5) / (np.exp(5) + 3)
    assert t.confidence == pytest.approx(p) and not t.calibrated
    assert greedy(np.zeros((0, 4)), a).text == "" and greedy(np.zeros((9, 4)), a).text == ""


def test_one_hour_decodes_in_well_under_a_second():
    import time

    begin = time.process_time()
    greedy(rng.normal(size=(90_000, 29)), Alphabet(), frame_seconds=0.04)
    assert time.process_time() - begin < 5  # a loop over frames in Python takes a minute


T = Transcript(
    "hello big world", (Word("hello", 0.0, 0.5, 0.9), Word("big", 0.6, 0.9, 0.8), Word("world", 3661.5, 3662.25, 0.7)),
    0.8, 3663.0,
)  # fmt: skip


def test_subtitles():
    assert T.to_srt() == (
        "1\n00:00:00,000 --> 00:00:00,900\nhello big\n\n2\n01:01:01,500 --> 01:01:02,250\nworld\n"
    )  # fmt: skip
    assert T.to_vtt().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nhello big\n")
    assert Transcript("").to_srt() == ""


def test_json_and_str():
    assert str(T) == T.text == json.loads(T.to_json())["text"]
    assert json.loads(T.to_json())["words"][1] == {"text": "big", "start": 0.6, "end": 0.9, "confidence": 0.8}
    with pytest.raises(AttributeError):
        T.text = "other"


def brute(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(brute(a[1:], b[1:]) + (a[0] != b[0]), brute(a[1:], b) + 1, brute(a, b[1:]) + 1)


def test_edits_equal_the_recursion():
    for _ in range(60):
        a, b = (rng.integers(0, 3, rng.integers(0, 6)).tolist() for _ in range(2))
        s, d, i = metrics.edits(a, b)
        assert s + d + i == brute(a, b)
        assert len(a) - d + i == len(b)
        assert sum(metrics.edits(b, a)) == s + d + i


def test_hand_cases_and_corpus_sum():
    rate = metrics.word_errors(["the cat sat", "a"], ["the bat sat down", "a"])
    assert (rate.substitutions, rate.deletions, rate.insertions, rate.total) == (1, 0, 1, 4) and rate.rate == 0.5
    assert metrics.character_errors(["abc"], [""]).rate == 1.0
    assert metrics.phone_errors(["aa b"], ["aa d"]).rate == 0.5
    with pytest.raises(ValueError, match="no token"):
        metrics.word_errors([""], [""])


def test_rounding_of_published_counts():
    for wrong, total, shown in ((2886, 52576, 5.49), (2665, 54402, 4.90), (7311, 52343, 13.97)):  # Kaldi's LibriSpeech
        assert round(100 * wrong / total, 2) == shown


def test_interval_is_over_speakers():
    references = ["a b c d"] * 40
    hypotheses = ["a b c d"] * 20 + ["x x x x"] * 20
    by_clip = metrics.word_errors(references, hypotheses)
    by_speaker = metrics.word_errors(references, hypotheses, ["1"] * 20 + ["2"] * 20)
    assert by_clip.rate == by_speaker.rate == 0.5
    assert (by_speaker.low, by_speaker.high) == (0.0, 1.0) and 0.3 < by_clip.low < by_clip.high < 0.7
    assert np.isnan(metrics.word_errors(references, hypotheses, ["1"] * 40).low)
