"""Alphabets, greedy decoding, transcripts and error rates."""

import itertools
import json

import numpy as np
import pytest

from kerasrecipes import metrics
from kerasrecipes.decoding import Alphabet, greedy_decode
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.results import Transcript, Word

rng = np.random.default_rng(0)


def test_english_has_29_symbols_and_round_trips():
    a = Alphabet()
    assert a.vocab_size == 29 and a.encode("it's me").min() > 0
    assert a.decode(a.encode("it's me")) == "it's me"
    assert Alphabet.from_value(a.get_config()) == a and Alphabet.from_value(json.loads(json.dumps(a.get_config()))) == a


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AUTHOR of the trail, Philip Steels; etc.", "author of the trail philip steels etc"),
        ("Don\u2019t  stop\u2014now", "don't stop now"),
        ("Caf\u00e9 na\u00efve", "cafe naive"),
        ("well-known", "well known"),
        ("Kleenex\u2122 \ufb01le", "kleenextm file"),  # compatibility characters unfold to capitals and to letters
        ("", ""),
    ],
)
def test_normalize(text, expected):
    assert Alphabet().normalize(text) == expected


def test_outside_characters_are_named():
    with pytest.raises(DataError, match="'1', '9'.*spell it out"):
        Alphabet().encode("in 1991")


def test_phones_have_a_separator():
    a = Alphabet(["aa", "b", "sil"])
    assert a.decode(a.encode("b aa  sil")) == "b aa sil"
    assert greedy_decode(np.eye(4)[[2, 2, 0, 1]] * 9, a).text == "b aa"


def test_upper_case_and_bad_alphabets():
    assert Alphabet(" ABC").normalize("cab") == "CAB"
    with pytest.raises(DataError, match="distinct"):
        Alphabet("abca")


@pytest.mark.parametrize("spelling", ["caf\u00e9", "cafe\u0301", "CAFE\u0301"])
def test_an_accent_that_the_alphabet_has_stays_however_it_is_spelt(spelling):
    assert Alphabet("acef\u00e9").normalize(spelling) == "caf\u00e9"


@pytest.mark.parametrize(
    ("symbols", "separator"), [(("ab", "c"), ""), ((" ", "a"), None), (("a|b", "c"), "|"), (("",), "")]
)
def test_symbols_that_a_text_cannot_be_cut_into_are_refused(symbols, separator):
    with pytest.raises(DataError, match="told apart"):
        Alphabet(symbols, separator)


def test_blanks_and_padding_are_not_decoded():
    assert Alphabet("abc").decode([0, 3, 0, 1, 1, -1, -1]) == "caa"


def collapse(path, symbols):
    return "".join(symbols[s - 1] for i, s in enumerate(path) if s and (i == 0 or s != path[i - 1]))


def test_greedy_collapses_every_path_as_ctc_does():
    a = Alphabet("ab ")
    for path in itertools.product(range(4), repeat=4):
        found = greedy_decode(np.eye(4)[list(path)] * 8, a, frame_seconds=0.1)
        assert "".join(c.text for c in found.characters) == collapse(path, a.symbols)
        assert found.text == " ".join(collapse(path, a.symbols).split())


def test_greedy_times_and_confidences():
    a = Alphabet(" ab")
    path = [0, 2, 2, 3, 0, 1, 2, 0]
    logits = np.eye(4)[path] * 5
    t = greedy_decode(logits, a, frame_seconds=0.5, duration=3.9)
    assert [w.text for w in t.words] == ["ab", "a"]
    assert (t.words[0].start, t.words[0].end) == (0.5, 2.0) and (t.words[1].start, t.words[1].end) == (3.0, 3.5)
    p = np.exp(5) / (np.exp(5) + 3)
    assert t.confidence == pytest.approx(p) and not t.calibrated
    assert greedy_decode(np.zeros((0, 4)), a).text == "" and greedy_decode(np.zeros((9, 4)), a).text == ""


def test_greedy_spans_are_in_order_and_confidences_are_the_softmax_of_the_surest_frame():
    a = Alphabet(" abc")
    for _ in range(20):
        logits = rng.normal(size=(50, a.vocab_size)) * 3
        t = greedy_decode(logits, a, frame_seconds=0.04, offset=1.0)
        p = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).max(1)
        best = logits.argmax(1)
        assert t.duration == pytest.approx(3.0)
        edges = [1.0, *itertools.chain.from_iterable((c.start, c.end) for c in t.characters), t.duration]
        assert edges == sorted(edges)
        for c in t.characters:
            run = slice(round((c.start - 1) / 0.04), round((c.end - 1) / 0.04))
            assert {a.symbols[i - 1] for i in best[run]} == {c.text} and c.confidence == pytest.approx(p[run].max())
        assert greedy_decode(logits + 100, a).text == t.text  # scores need not be normalized


def test_scores_that_say_nothing_are_refused():
    logits = np.zeros((3, 4))
    logits[1, 2] = np.nan
    with pytest.raises(KerasRecipesError, match="1 of 3 frames have no finite logit"):
        greedy_decode(logits, Alphabet("abc"))
    for shape in ((3, 5), (3, 3), (1, 3, 4)):
        with pytest.raises(ValueError, match=r"needs \(frames, 4\)"):
            greedy_decode(np.zeros(shape), Alphabet("abc"))
    certain = np.where(np.eye(4)[[1, 0, 2]] > 0, 0, -np.inf)  # log probabilities may hold a zero probability
    assert (
        greedy_decode(certain, Alphabet("abc")).text == "ab" and greedy_decode(certain, Alphabet("abc")).confidence == 1
    )


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


def test_cues_hold_every_word_in_order_and_keep_their_limits():
    for _ in range(30):
        edges = np.cumsum(rng.exponential(0.4, 80)).reshape(40, 2)
        words = tuple(Word("x" * int(rng.integers(1, 80)), float(a), float(b), 0.9) for a, b in edges)
        cues = Transcript("", words).subtitle_cues()
        assert " ".join(text for _, _, text in cues).split() == [w.text for w in words]
        assert all(b <= a for (_, b, _), (a, _, _) in itertools.pairwise(cues))
        for a, b, text in cues:
            assert " " not in text or (b - a <= 6 and len(text) <= 64)
            inside = [w for w in words if a <= w.start < b]
            assert all(v.start - w.end <= 0.8 for w, v in itertools.pairwise(inside))


def test_alternatives_are_plain_in_json():
    t = Transcript("a", alternatives=(Transcript("b", (Word("b", 0.0, 1 / 3, 0.5),), 0.5, 1.0),))
    assert json.loads(t.to_json())["alternatives"][0]["words"][0]["end"] == 0.333


def test_json_and_str():
    assert str(T) == T.text == json.loads(T.to_json())["text"]
    assert json.loads(T.to_json())["words"][1] == {"text": "big", "start": 0.6, "end": 0.9, "confidence": 0.8}
    with pytest.raises(AttributeError):
        T.text = "other"


def alignments(a, b):
    """(substitutions, deletions, insertions) of every alignment."""
    if not a and not b:
        yield 0, 0, 0
    if a and b:
        yield from ((s + (a[0] != b[0]), d, i) for s, d, i in alignments(a[1:], b[1:]))
    if a:
        yield from ((s, d + 1, i) for s, d, i in alignments(a[1:], b))
    if b:
        yield from ((s, d, i + 1) for s, d, i in alignments(a, b[1:]))


def test_edits_are_the_best_of_all_alignments():
    for _ in range(60):
        a, b = (rng.integers(0, 3, rng.integers(0, 6)).tolist() for _ in range(2))
        assert metrics.edit_counts(a, b) == min(alignments(a, b), key=lambda e: (sum(e), -e[0]))
    assert metrics.edit_counts("aba", "bcab") == (2, 0, 1)  # 0 + 1 + 2 is as short


def test_edits_are_a_metric():
    for _ in range(100):
        a, b, c = (rng.integers(0, 4, rng.integers(0, 30)).tolist() for _ in range(3))
        s, d, i = metrics.edit_counts(a, b)
        assert metrics.edit_counts(b, a) == (s, i, d) and metrics.edit_counts(a, a) == (0, 0, 0)
        assert (s + d + i == 0) == (a == b)
        assert sum(metrics.edit_counts(a, c)) <= s + d + i + sum(metrics.edit_counts(b, c))


def test_memory_of_long_texts_is_that_of_a_row():
    import tracemalloc

    a = rng.integers(0, 28, 3000).tolist()
    tracemalloc.start()
    assert metrics.edit_counts(a, a[:1000] + a[1300:]) == (0, 300, 0)
    rate = metrics.word_error_rate(["a b c"] * 5000, ["a b c", "a b"] * 2500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rate.ci_low < 1 / 6 < rate.ci_high
    assert peak < 8e6  # a whole table, or all resamples at once, hold over 70 MB


def test_hand_cases_and_corpus_sum():
    rate = metrics.word_error_rate(["the cat sat", "a"], ["the bat sat down", "a"])
    assert (rate.substitutions, rate.deletions, rate.insertions, rate.total) == (1, 0, 1, 4) and rate.rate == 0.5
    assert metrics.character_error_rate(["abc"], [""]).rate == 1.0
    assert metrics.phone_error_rate(["aa b"], ["aa d"]).rate == 0.5
    with pytest.raises(ValueError, match="no token"):
        metrics.word_error_rate([""], [""])
    with pytest.raises(ValueError, match="2 references, but 1 speakers"):
        metrics.word_error_rate(["a", "b"], ["a", "b"], ["1"])


def test_rounding_of_published_counts():
    for wrong, total, shown in ((2886, 52576, 5.49), (2665, 54402, 4.90), (7311, 52343, 13.97)):  # Kaldi's LibriSpeech
        assert round(100 * wrong / total, 2) == shown


def test_interval_is_over_speakers():
    references = ["a b c d"] * 40
    hypotheses = ["a b c d"] * 20 + ["x x x x"] * 20
    by_clip = metrics.word_error_rate(references, hypotheses)
    by_speaker = metrics.word_error_rate(references, hypotheses, ["1"] * 20 + ["2"] * 20)
    assert by_clip.rate == by_speaker.rate == 0.5
    assert (by_speaker.ci_low, by_speaker.ci_high) == (0.0, 1.0) and 0.3 < by_clip.ci_low < by_clip.ci_high < 0.7
    alone = metrics.word_error_rate(references, hypotheses, ["1"] * 40)
    assert np.isnan(alone.ci_low) and str(alone) == "50.0 % (one speaker: no interval)"
    assert metrics.word_error_rate(references, hypotheses, [""] * 40) == by_clip  # unknown speakers are not one speaker
    mixed = metrics.word_error_rate(references[::-1], hypotheses[::-1], ["2"] * 20 + ["1"] * 20)
    assert mixed == by_speaker  # whatever the order of the utterances


def test_buckets_are_few_and_waste_little():
    from kerasrecipes.inference.compiled import pad_to_bucket

    sizes = {pad_to_bucket(np.ones((1, n))).shape[1] for n in range(8000, 1_000_000, 997)}
    assert len(sizes) < 30
    for n in (8000, 12345, 99_999):
        x = pad_to_bucket(np.ones((3, n)))
        assert x.shape[0] == 4 and n <= x.shape[1] < 1.25 * n and x[:, n:].sum() == 0 and x[3].sum() == n
    assert pad_to_bucket(np.array([5, 6, 7])).tolist() == [5, 6, 7, 5]
