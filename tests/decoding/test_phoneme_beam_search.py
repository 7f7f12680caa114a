"""Phoneme beam search and its language models: against all paths, KenLM, the Viterbi path, and on every form of recognizer."""

import functools
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

import kerasrecipes as kr
from kerasrecipes.audio import load_audio
from kerasrecipes.data.phone_alignments import alignments_from_lists
from kerasrecipes.decoding import phoneme_beam_search
from kerasrecipes.decoding.decoders import choose_decoder
from kerasrecipes.decoding.ngram_lm import ngram_path
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.phoneme_beam_search import HistoryTable, PhonemeBeamSearch
from kerasrecipes.decoding.phoneme_ngrams import read_phoneme_ngrams, save_phoneme_ngrams
from kerasrecipes.decoding.viterbi import best_path
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.training import tune_decoder

kenlm = pytest.importorskip("kenlm")

PHONEMES = kr.PhonemeSet(["A", "B", "C", "SIL"])
SPOKEN = ("A", "B", "C")


def write_arpa(path, order=3, seed=0):
    """Write a random model: all n-grams up to the order, but some of the longer ones."""
    rng = np.random.default_rng(seed)
    contexts, sections, ngrams = [()], [], {()}
    for length in range(1, order + 1):
        rows, next_contexts = [], []
        for context in contexts:
            for word in (*SPOKEN, "</s>", *(("<s>", "<unk>") if length == 1 else ())):
                ngram = (*context, word)
                if length > 1 and (ngram[1:] not in ngrams or rng.uniform() < 0.3):  # KenLM needs all ends of n-grams
                    continue
                ngrams.add(ngram)
                backoff = f"\t{rng.uniform(-1, 0):.4f}" if length < order and word not in ("</s>", "<unk>") else ""
                rows.append(f"{rng.uniform(-2, -0.1):.4f}\t{' '.join(ngram)}{backoff}")
                if backoff:
                    next_contexts.append(ngram)
        sections.append(rows)
        contexts = next_contexts
    counts = "\n".join(f"ngram {n}={len(rows)}" for n, rows in enumerate(sections, 1))
    body = "\n\n".join("\n".join([f"\\{n}-grams:", *rows]) for n, rows in enumerate(sections, 1))
    path.write_text(f"\\data\\\n{counts}\n\n{body}\n\n\\end\\\n")
    return path


@pytest.fixture(scope="module")
def arpa(tmp_path_factory):
    return write_arpa(tmp_path_factory.mktemp("lm") / "phonemes.arpa")


@functools.cache
def load_kenlm(path):
    return kenlm.Model(str(path))


def kenlm_scores(path, phonemes):
    """Return the natural log probability of each phoneme, by KenLM."""
    model, state, scores = load_kenlm(path), kenlm.State(), []
    model.BeginSentenceWrite(state)
    for phoneme in phonemes:
        following = kenlm.State()
        scores.append(model.BaseScore(state, phoneme, following) * math.log(10))
        state = following
    return scores


@pytest.mark.parametrize("order", [2, 3, 5])
def test_a_model_scores_as_kenlm_does(tmp_path, order):
    path = write_arpa(tmp_path / "x.arpa", order, seed=order)
    compact = tmp_path / "x.ngrams.npz"
    save_phoneme_ngrams(compact, read_phoneme_ngrams(path, PHONEMES))
    rng = np.random.default_rng(1)
    for file, tolerance in ((path, 1e-5), (compact, 0.2)):
        ngrams = read_phoneme_ngrams(file, PHONEMES)
        table = HistoryTable(ngrams)
        for _ in range(20):
            columns = rng.integers(0, 3, 12)
            row, scores = table.get_row(ngrams.start), []
            for column in columns:
                scores.append(table.log_probs[row, column])
                row = int(table.follow(np.array([row]), np.array([column]))[0])
            assert scores == pytest.approx(kenlm_scores(path, [SPOKEN[c] for c in columns]), abs=tolerance)


def path_score(path, logits, transitions, arpa, lm_weight, word_score):
    score = sum(logits[t, c] for t, c in enumerate(path)) + sum(transitions[a, b] for a, b in itertools.pairwise(path))
    spoken = [PHONEMES.symbols[c] for c, _ in itertools.groupby(path) if PHONEMES.symbols[c] != "SIL"]
    return score + lm_weight * sum(kenlm_scores(arpa, spoken)) + word_score * len(spoken)


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_all_paths(arpa, seed):
    rng = np.random.default_rng(seed)
    logits, transitions = rng.normal(size=(5, 4)), rng.normal(size=(4, 4))
    scores = {p: path_score(p, logits, transitions, arpa, 0.7, 0.9) for p in itertools.product(range(4), repeat=5)}
    search = PhonemeBeamSearch(
        read_phoneme_ngrams(arpa, PHONEMES), PHONEMES, lm_weight=0.7, word_score=0.9, beam_size=500, beam_threshold=99.0
    )
    path = search(logits, transitions)
    assert scores[tuple(path.tolist())] == pytest.approx(max(scores.values()), abs=1e-5)


def test_without_a_language_model_it_is_the_viterbi_path(arpa):
    rng = np.random.default_rng(0)
    logits, transitions = 2 * rng.normal(size=(60, 4)), rng.normal(size=(4, 4))
    settings = {"lm_weight": 0.0, "word_score": 0.0, "beam_size": 200, "beam_threshold": 99.0}
    search = PhonemeBeamSearch(read_phoneme_ngrams(arpa, PHONEMES), PHONEMES, **settings)
    assert search(logits, transitions).tolist() == best_path(logits, transitions).tolist()
    assert search(logits).tolist() == logits.argmax(axis=1).tolist()  # a softmax for each frame
    assert len(search(logits[:0], transitions)) == 0


def test_forgotten_histories_and_settled_parts_change_nothing(arpa, monkeypatch):
    rng = np.random.default_rng(2)
    logits, transitions = 4 * rng.normal(size=(400, 4)), rng.normal(size=(4, 4))
    settings = {"lm_weight": 0.7, "word_score": 0.9, "beam_size": 30, "beam_threshold": 20.0}
    ngrams = read_phoneme_ngrams(arpa, PHONEMES)
    whole = PhonemeBeamSearch(ngrams, PHONEMES, **settings)(logits, transitions)
    monkeypatch.setattr(phoneme_beam_search, "MAX_HISTORIES", 4)
    monkeypatch.setattr(phoneme_beam_search, "SETTLE_FRAMES", 5)
    assert PhonemeBeamSearch(ngrams, PHONEMES, **settings)(logits, transitions).tolist() == whole.tolist()


def test_silence_is_not_part_of_the_history(arpa):
    """The score of phonemes is the same with a pause between them."""
    logits = np.full((7, 4), -20.0)
    for t, column in enumerate((0, 0, 3, 3, 1, 1, 2)):
        logits[t, column] = 0.0
    search = PhonemeBeamSearch(
        read_phoneme_ngrams(arpa, PHONEMES), PHONEMES, lm_weight=1.0, word_score=0.0, beam_size=50, beam_threshold=99.0
    )
    assert search(logits).tolist() == [0, 0, 3, 3, 1, 1, 2]
    rows = [search.table.get_row(search.table.ngrams.start)]
    for column in (0, 1, 2):
        rows.append(int(search.table.follow(np.array(rows[-1:]), np.array([column]))[0]))
    assert [search.table.log_probs[r, c] for r, c in zip(rows, (0, 1, 2), strict=False)] == pytest.approx(
        kenlm_scores(arpa, SPOKEN), abs=1e-5
    )


def test_files_that_do_not_fit(tmp_path, arpa):
    words = tmp_path / "words.arpa"
    words.write_text(arpa.read_text().replace("A", "the"))
    cut = tmp_path / "cut.arpa"
    cut.write_text("\n".join(arpa.read_text().splitlines()[:-6]))
    swapped = tmp_path / "swapped.arpa"
    swapped.write_text(arpa.read_text().replace("\\2-grams:", "\\2-grams:\n-1\tA"))
    number = tmp_path / "number.arpa"
    number.write_text(arpa.read_text().replace("\tB\t", "x\tB\t"))
    compact, damaged = tmp_path / "ok.ngrams.npz", tmp_path / "damaged.ngrams.npz"
    save_phoneme_ngrams(compact, read_phoneme_ngrams(arpa, PHONEMES))
    damaged.write_bytes(compact.read_bytes()[:-200])
    for path, message in (
        (words, "'the' is outside the phonemes A B C"), (cut, "cut off"), (swapped, "no 2-gram"), (number, "no line of an ARPA file"),
        (damaged, "damaged.ngrams.npz"), (ngram_path("librispeech_small"), "is a KenLM binary"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            read_phoneme_ngrams(path, PHONEMES)
    with pytest.raises(DataError, match="of the phonemes A B C SIL; the recognizer has AA"):
        read_phoneme_ngrams(compact, kr.PhonemeSet())


# ---------------------------------------------------------------- on recognizers


@pytest.fixture(scope="module")
def model():
    return kr.load("palaz_raw_small", compile=False)


@pytest.fixture(scope="module")
def wave():
    return load_audio(Path(kr.__file__).parent / "assets" / "demo.mp3")


def test_the_default_is_the_search_with_the_bundled_model(model, wave):
    default, network = model.transcribe(wave, 16000), model.transcribe(wave, 16000, decoder="crf")
    assert default.decoder == "beam 100 + phonemes_small" and network.decoder == "crf"
    assert default.text != network.text and "S AH F IH SH AH" in default.text  # "sufficiently"
    assert default == model.transcribe(wave, 16000, decoder="beam", language_model="phonemes_small", beam_size=100)
    assert default.words[0].start < default.words[-1].end <= default.duration
    assert model.transcribe(wave, 16000, ipa=True).text.split() == [kr.PhonemeSet().ipa(p) for p in default.text.split()]
    heavier = model.transcribe(wave, 16000, lm_weight=1.5, word_score=0.0)
    assert len(heavier.words) < len(default.words)


def test_alone_is_as_in_a_list_and_as_exported(model, wave):
    short = wave[: 16000 * 2]
    alone, together = model.transcribe(short, 16000), model.transcribe([wave, short], 16000)[1]
    assert alone.text == together.text
    engine = kr.load("palaz_raw_small", engine="onnxruntime")
    assert engine.transcribe(short, 16000).text == alone.text
    assert engine.transcribe(short, 16000).decoder == alone.decoder


def test_threads_do_not_disturb_each_other(model, wave):
    parts = [wave[start : start + 24000] for start in (0, 8000, 16000, 24000)]
    alone = [model.transcribe(part, 16000).text for part in parts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda part: model.transcribe(part, 16000).text, parts)) == alone


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "beam"}, "needs a language_model, for instance \"phonemes_small\"; without one, decoder=\"crf\""),
        ({"language_model": "phonemes_small", "lm_weight": 1.0, "decoder": "crf"}, "language_model need decoder"),
        ({"language_model": "none.arpa"}, "There is no language model none.arpa"),
        ({"language_model": "librispeech_small"}, "is a KenLM binary"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(model, wave, options, message):
    with pytest.raises(KerasRecipesError, match=message):
        model.transcribe(wave[:8000], 16000, **options)


def test_other_phonemes_have_no_default_language_model():
    recipe = kr.get_recipe("palaz_raw_small")
    timit = kr.load("palaz_raw_small", weights=None, alphabet="timit61", **recipe.tiny_config)
    timit.decoder_settings = {"language_model": "phonemes_small"}
    assert choose_decoder(timit, DecodingOptions()).decoder == "crf"
    frames = kr.load("palaz_raw_small_frames", weights=None, **recipe.tiny_config)
    assert choose_decoder(frames, DecodingOptions()).decoder == "greedy"
    result = frames.transcribe(np.random.default_rng(0).normal(size=8000).astype("float32"), 16000, language_model="phonemes_small")
    assert result.decoder == "beam 500 + phonemes_small"


def test_word_recognizers_say_what_they_need(wave):
    words = kr.load("wav2letter_small", compile=False)
    with pytest.raises(KerasRecipesError, match=r"phonemes_small.* is a language model of phonemes"):
        words.transcribe(wave, 16000, language_model="phonemes_small")


def test_tuning_by_phoneme_errors(model, wave, tmp_path):
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    labels = [("SIL", 0.0), *((w.text, w.start) for w in model.transcribe(wave, 16000).words)]
    clips = alignments_from_lists([tmp_path / "a.wav"], [labels])
    tried = []
    best = tune_decoder.tune_decoder(model, clips, beam_size=20, start=(0.6, 1.5), progress=tried.append)
    assert best.language_model == "phonemes_small" and best.prior_weight == 0 and not best.log_priors
    assert best.error_rates["per"] == min(t.error_rates["per"] for t in tried) < 0.2 and "phoneme errors" in str(best)
    with pytest.raises(KerasRecipesError, match="has no aligned phonemes"):
        tune_decoder.tune_decoder(model, kr.data.utterances.check_utterances([]), beam_size=20)
