"""Pauses end words: every decoder, alone, in batches, chunks and streams, in silence and in noise."""

from types import SimpleNamespace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.audio import load_audio
from kerasrecipes.decoding import Alphabet
from kerasrecipes.decoding.criteria import ASGCriterion, CTCCriterion
from kerasrecipes.decoding.decoders import make_decoder
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.pauses import ctc_pause_frames, mark_pauses
from kerasrecipes.errors import KerasRecipesError

ARPA = """\\data\\
ngram 1=6
ngram 2=1

\\1-grams:
-1.2\t<unk>\t0
0\t<s>\t0
-0.9\t</s>\t0
-1.5\tabba\t0
-0.9\tab\t0
-0.9\tba\t0

\\2-grams:
-0.8\t<s> ab

\\end\\
"""
FRAME = 0.04
BLANK, SPACE, A, B = range(4)
DECODERS = ["greedy", "beam", "beam+lm", "lexicon"]
RECOGNIZERS = [
    "deepspeech2_streaming_small",
    "wav2letter_small",
    *(
        pytest.param(n, marks=pytest.mark.slow)
        for n in ("deepspeech1_small", "deepspeech2_small", "wav2letter_raw_small", "wav2letter_small_asg")
    ),
]


@pytest.fixture(scope="module")
def arpa(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "tiny.arpa"
    path.write_text(ARPA)
    return path


def make_options(decoder, arpa, **options):
    name, _, model = decoder.partition("+")
    if model or name == "lexicon":
        options["language_model"] = str(arpa)
    return DecodingOptions(decoder=name, **options)


def decode_ctc(path, decoder, arpa, **options):
    model = SimpleNamespace(alphabet=Alphabet(" ab"), criterion=CTCCriterion(), name="fake")
    logits = np.where(np.arange(4) == np.array(path)[:, None], 9.0, -3.0).astype("float32")
    return make_decoder(model, make_options(decoder, arpa, **options))(logits, frame_seconds=FRAME)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("seconds", [0.6, 1, 3, 30])
def test_a_pause_ends_a_word_with_every_ctc_decoder(decoder, seconds, arpa):
    path = [A, B, *[BLANK] * round(seconds / FRAME), B, A, SPACE, A, B]
    result = decode_ctc(path, decoder, arpa)
    assert result.text == "ab ba ab" == " ".join(w.text for w in result.words)
    assert all(w.end - w.start < 0.2 for w in result.words)
    assert decode_ctc(path, decoder, arpa, pause_seconds=0).text == "abba ab"
    assert decode_ctc(path, decoder, arpa, pause_seconds=seconds + 0.1).text == "abba ab"


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("seconds", [0.04, 0.2, 0.5])
def test_a_short_gap_ends_no_word(decoder, seconds, arpa):
    path = [A, B, *[BLANK] * round(seconds / FRAME), B, A]
    assert decode_ctc(path, decoder, arpa).text == "abba"


def test_a_late_last_letter_stays_with_its_word_unless_the_pause_is_long(arpa):
    def text(seconds, *after):
        return decode_ctc([A, B, A, *[BLANK] * round(seconds / FRAME), *after], "greedy", arpa).text

    assert text(1, B, SPACE, A) == "abab a"
    assert text(1, B) == text(1, B, B, BLANK) == "abab"
    assert text(1, B, BLANK, B, SPACE) == "aba bb"
    assert text(1, SPACE, B) == "aba b"
    assert text(1.8, B, SPACE, A) == "aba b a" and text(30, B) == "aba b"


def test_searches_do_not_join_what_a_space_in_a_pause_parts(arpa):
    """The best symbol of one frame is a space, but a word without it is more likely."""
    path = np.array([A, B, *[BLANK] * 10, SPACE, *[BLANK] * 10, B, A])
    logits = np.where(np.arange(4) == path[:, None], 4.0, -1.0).astype("float32")
    logits[12, BLANK] = 3.9
    model = SimpleNamespace(alphabet=Alphabet(" ab"), criterion=CTCCriterion(), name="fake")
    for decoder in ("beam+lm", "lexicon"):
        for pause, text in ((0.6, "ab ba"), (0, "abba")):
            options = make_options(decoder, arpa, lm_weight=1.0, word_score=0.0, pause_seconds=pause)
            assert make_decoder(model, options)(logits, frame_seconds=FRAME).text == text


def test_the_lexicon_ends_even_a_word_that_it_does_not_know(arpa):
    path = [A, A, *[BLANK] * 40, B, B, BLANK, A]
    result = decode_ctc(path, "lexicon", arpa)
    assert " " in result.text and all(w.end - w.start < 0.6 for w in result.words)


@pytest.mark.parametrize("decoder", ["greedy", "lexicon"])
@pytest.mark.parametrize("seconds", [0.8, 3, 30])
def test_a_held_letter_is_a_pause_without_a_blank(decoder, seconds, arpa):
    alphabet = Alphabet(" ab", num_repetition_symbols=2)
    columns = [0, 0, 1, *[2] * round(seconds / FRAME), 3, 1, 0, 0]  # " ab", held, then "b" once more and "a"
    logits = np.where(np.arange(5) == np.array(columns)[:, None], 4.0, -1.0).astype("float32")
    model = SimpleNamespace(alphabet=alphabet, criterion=ASGCriterion(np.zeros((5, 5))), name="fake")

    def decode(pause):
        options = make_options(decoder, arpa, pause_seconds=pause)
        return make_decoder(model, options)(logits, frame_seconds=FRAME)

    assert decode(0).text == "abba"
    result = decode(0.6)
    assert result.words[0].text == "ab" and result.words[0].end < 0.5
    assert result.text == " ".join(w.text for w in result.words) and len(result.words) > 1


@pytest.mark.parametrize("seed", range(3))
def test_a_decision_never_changes_when_more_frames_arrive(seed):
    rng = np.random.default_rng(seed)
    path, previous = rng.choice(4, 400, p=[0.75, 0.09, 0.08, 0.08]), set()
    for frames in range(1, len(path) + 1):
        current = set(ctc_pause_frames(path[:frames], SPACE, 3, False).tolist())
        assert previous <= current
        previous = current
    assert len(previous) > 3


def test_what_is_left_alone(arpa):
    logits = np.where(np.arange(4) == np.array([A, *[BLANK] * 90, B])[:, None], 4.0, -1.0).astype("float32")
    before = logits.copy()
    assert mark_pauses(logits, Alphabet("abc"), FRAME) is logits  # no space
    assert mark_pauses(logits, Alphabet(["a", "b", "c"], " "), FRAME) is logits  # phonemes
    assert (
        mark_pauses(logits, Alphabet(" ab"), 0.0) is logits
        and mark_pauses(logits[:0], Alphabet(" ab"), FRAME).size == 0
    )
    marked = mark_pauses(logits, Alphabet(" ab"), FRAME)
    assert np.array_equal(logits, before) and (marked != logits).any(axis=1).sum() == 1
    for bad in (-1, float("nan")):
        with pytest.raises(KerasRecipesError, match="pause_seconds must be"):
            DecodingOptions(pause_seconds=bad)


@pytest.fixture(scope="module", params=RECOGNIZERS)
def recognizer(request):
    return kr.load(request.param, compile=False)


def join_clips(clips, seconds, noise):
    speech = [load_audio(path, target=16000) for path in sorted(clips.rglob("*.mp3"))[:2]]
    audio = np.concatenate([speech[0], np.zeros(round(16000 * seconds), "float32"), speech[1]])
    audio = audio + noise * np.random.default_rng(0).normal(size=len(audio)).astype("float32")
    return audio, len(speech[0]) / 16000


@pytest.mark.parametrize(("seconds", "noise"), [(3, 0.0), (30, 0.0), (30, 1e-3)])
def test_released_recognizers_write_no_word_across_a_pause(recognizer, seconds, noise, clips):
    model = recognizer
    audio, end = join_clips(clips, seconds, noise)
    for options in ({"decoder": "greedy"}, *([{}] if seconds == 30 and not noise else [])):
        result = model.transcribe(audio, 16000, **options)
        assert result.text == " ".join(w.text for w in result.words)
        assert len([w for w in result.words if w.end < end + 1]) > 3
        assert not [w for w in result.words if w.start < end and w.end > end + seconds - 0.5]
        cues = result.subtitle_cues()
        assert not [cue for cue in cues if cue[0] < end and cue[1] > end + seconds - 0.5]
    alone = model.transcribe(audio, 16000, decoder="greedy")
    batch = model.transcribe([audio, audio], 16000, decoder="greedy", batch_seconds=1000)
    chunks = model.transcribe(audio, 16000, decoder="greedy", chunk_threshold_seconds=5)
    assert batch[0].text == batch[1].text == alone.text
    if model.name == "deepspeech2_small":  # chunks of a bidirectional network are an approximation
        assert not [w for w in chunks.words if w.start < end and w.end > end + seconds - 0.5]
    else:
        assert chunks.text == alone.text
    aligned = model.align(audio, alone.text, 16000)
    assert not [w for w in aligned.words if w.start < end and w.end > end + seconds - 0.5]
    if "streaming" in model.name:
        stream = model.stream()
        for start in range(0, len(audio), 5000):
            stream.feed(audio[start : start + 5000])
        assert stream.finish().text == alone.text
        assert [w.text for w in stream.finish().words] == [w.text for w in alone.words]
