"""Long audio is searched in windows: the words of a search over the whole, whatever happens at the ends of the windows."""

import numpy as np
import pytest

from kerasrecipes.decoding import search_windows, word_beam_search
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.registry import ASSETS
from kerasrecipes.results import Character, Transcript, Word

FRAME = 0.04
LANGUAGE_MODEL = ASSETS.parents[1] / "weights" / "librispeech_small.kenlm"


def make_words(frames: int, seed: int = 0) -> list[Word]:
    rng, words, start = np.random.default_rng(seed), [], 3.0
    while start + 40 < frames:
        end = start + float(rng.integers(2, 30))
        words.append(Word(f"w{rng.integers(50)}", start, end, float(rng.uniform(0.1, 1))))
        start = end + float(rng.integers(1, 9)) + 400.0 * (rng.random() < 0.01)  # pauses of 16 s
    return words


@pytest.mark.parametrize("frames", [3001, 9000, 15030])
def test_words_at_the_ends_of_windows_do_not_count(frames):
    words, calls = make_words(frames), []

    def search(logits, frame_seconds, offset):
        calls.append(len(logits))
        inside = [w for w in words if offset <= w.start and w.end <= offset + len(logits)]
        if offset:  # without what was said before, the first words are others
            inside[:3] = [Word("wrong", w.start, w.end - 1, 0.5) for w in inside[:3]]
        if offset + len(logits) < frames:
            inside[-3:] = [Word("wrong", w.start, w.end - 1, 0.5) for w in inside[-3:]]
        return Transcript("", tuple(inside), characters=tuple(Character(w.text[0], w.start, w.end, w.confidence) for w in inside))

    decode = search_windows.windowed(search, nbest=1, long_seconds=120.0)
    found = decode(np.zeros((frames, 3)), frame_seconds=FRAME, duration=frames * FRAME - 0.01)
    assert [(w.text, w.start, w.end, w.confidence) for w in found.words] == [
        (w.text, w.start * FRAME, w.end * FRAME, w.confidence) for w in words
    ]
    assert found.text == " ".join(w.text for w in words) and len(found.characters) == len(words)
    assert found.duration == frames * FRAME - 0.01 and found.score is None
    assert max(calls) < 2200  # a minute, and more after a long pause
    whole = search_windows.windowed(lambda logits, **times: Transcript(str(len(logits))), nbest=2)
    assert whole(np.zeros((frames, 3)), frame_seconds=FRAME).text == str(frames)


def test_windows_that_disagree_are_cut_in_a_pause():
    left = [Word("a", 0.0, 5.0, 1.0), Word("b", 8.0, 14.0, 1.0), Word("x", 16.0, 19.0, 1.0)]
    right = [Word("c", 12.0, 13.0, 1.0), Word("d", 15.0, 19.0, 1.0)]
    assert search_windows.find_cut(left, right, 10) == 14.0
    assert search_windows.find_cut([], right, 10) == 10


def test_the_search_with_a_language_model_gives_the_words_of_the_whole(monkeypatch):
    if not word_beam_search.is_installed() or not LANGUAGE_MODEL.is_file():
        pytest.skip("ctc-beam-decoder or the language model is missing")
    alphabet, rng = Alphabet.from_value(None), np.random.default_rng(0)
    sentence = "the old man went down to the sea and looked at the ships that came home from far away "
    text = (sentence * 30).strip()
    path = [label for symbol in text for label in (int(alphabet.encode(symbol, normalize=False, surround=False)[0]), 0)]
    logits = rng.normal(0, 1, size=(len(path), alphabet.vocab_size)).astype("float32")
    logits[np.arange(len(path)), path] += rng.uniform(2, 7, size=len(path))
    search = word_beam_search.WordBeamDecoder(LANGUAGE_MODEL, alphabet, lm_weight=0.5, word_score=0.5)
    found = search(logits, frame_seconds=FRAME)
    monkeypatch.setattr(search_windows, "LONG_SECONDS", 1e9)
    whole = search(logits, frame_seconds=FRAME)
    assert len(path) * FRAME > 150 and len(whole.words) > 400
    assert found.words == whole.words and found.text == whole.text and found.confidence == whole.confidence
    assert found.score is None and whole.score is not None
