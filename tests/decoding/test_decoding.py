"""Beam search against enumeration, with a language model and without; settings that make no sense."""

import itertools
import sys

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.decoding import Alphabet, beam_search, greedy_decode, ngram_lm, prefix_beam_search
from kerasrecipes.decoding.decoders import choose_decoder
from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.decoding.lexicon_beam_search import LN10, LexiconDecoder, LexiconTrie, hotword_bonuses
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.prefix_search import NO_PRUNING, PruningThresholds
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.hub import manifest

ARPA = """\\data\\
ngram 1=6
ngram 2=4

\\1-grams:
-1.2\t<unk>\t0
0\t<s>\t-0.3
-0.9\t</s>\t0
-0.5\ta\t-0.2
-0.8\tab\t-0.1
-0.7\tba\t-0.25

\\2-grams:
-0.2\t<s> a
-0.4\ta ba
-0.3\tba ab
-0.6\tab </s>

\\end\\
"""
LETTERS = Alphabet(" ab")


@pytest.fixture(scope="module")
def arpa(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "tiny.arpa"
    path.write_text(ARPA)
    return path


def random_scores(frames, symbols, seed, scale=2.0):
    return scale * np.random.default_rng(seed).normal(size=(frames, symbols)).astype("float32")


def ctc_text(path):
    return tuple(s for s, _ in itertools.groupby(path) if s)


def asg_text(path):
    return tuple(s for s, _ in itertools.groupby(path))


@pytest.mark.parametrize("seed", range(6))
def test_an_endless_beam_sums_all_alignments(seed):
    log_p = log_softmax(random_scores(5, 3, seed))
    sums = {}
    for path in itertools.product(range(3), repeat=5):
        score = log_p[np.arange(5), path].sum()
        sums[ctc_text(path)] = np.logaddexp(sums.get(ctc_text(path), -np.inf), score)
    found = prefix_beam_search(log_p, 10**6, 10**6, NO_PRUNING)
    assert {h.labels: h.score for h in found} == pytest.approx(sums, abs=1e-9)
    assert [h.score for h in found] == pytest.approx(sorted(sums.values(), reverse=True))


def test_the_likeliest_text_is_not_the_best_path():
    # the blank is the best symbol of both frames, yet most of the probability lies on "a"
    log_p = np.log([[0.55, 0.45], [0.55, 0.45]])
    alphabet = Alphabet("a")
    assert greedy_decode(log_p, alphabet).text == "" and beam_search(log_p, alphabet).text == "a"


@pytest.mark.parametrize("seed", range(4))
def test_pruning_keeps_the_best_text(seed):
    logits = random_scores(60, 8, seed, 1.0)
    rng = np.random.default_rng(seed)
    logits[np.arange(60), np.where(rng.uniform(size=60) < 0.6, 0, rng.integers(1, 8, 60))] += 7  # as a trained net's
    exact = prefix_beam_search(logits, 2000, 1, NO_PRUNING)[0]
    quick = prefix_beam_search(logits, 20, 1, PruningThresholds(0.99, 1e-4, 15.0))[0]
    assert quick.labels == exact.labels
    assert quick.score <= exact.score + 1e-9


def test_a_beam_of_one_still_gives_a_text_and_times():
    found = beam_search(random_scores(20, 4, 3), Alphabet("abc"), 1, frame_seconds=0.04)
    assert found.text and all(0 <= w.start < w.end <= 0.8 + 1e-9 for w in found.words)


@pytest.mark.parametrize("criterion", ["ctc", "asg"])
@pytest.mark.parametrize("seed", range(4))
def test_the_lexicon_beam_finds_what_enumeration_finds(arpa, criterion, seed):
    import kenlm

    frames, weight, word_score = 6, 0.7, 0.4
    alphabet = LETTERS if criterion == "ctc" else Alphabet(" ab", num_repetition_symbols=1)
    logits = random_scores(frames, alphabet.vocab_size, seed, 1.5)
    transitions = None if criterion == "ctc" else random_scores(4, 4, seed + 100, 0.5)
    decoder = LexiconDecoder(
        LexiconTrie(arpa, alphabet), transitions, beam_size=10**4, beam_size_token=10, beam_threshold=1e9, lm_weight=weight,
        word_score=word_score
    )  # fmt: skip
    model, best = kenlm.Model(str(arpa)), (-np.inf, None)
    scores = log_softmax(logits) if criterion == "ctc" else logits
    for path in itertools.product(range(alphabet.vocab_size), repeat=frames):
        if criterion == "ctc":
            text = alphabet.decode(ctc_text(path))
        else:
            numbers = np.array(asg_text(path)) + 1
            text = alphabet.decode(numbers)
            core = numbers[int(numbers[0] == 1) :]
            core = core[: len(core) - int(len(core) > 0 and core[-1] == 1)]
            if alphabet.encode(text, surround=False).tolist() != core.tolist():
                continue  # a repetition symbol without a letter before it
        words = text.split()
        if not set(words) <= {"a", "ab", "ba"} or "  " in text:
            continue
        score = scores[np.arange(frames), path].sum() + word_score * len(words)
        if criterion == "asg":
            score += transitions[path[:-1], path[1:]].sum() + transitions[path[-1], 0]  # to the closing space
        score += weight * LN10 * sum(s for s, *_ in model.full_scores(" ".join(words)))
        if score > best[0] + 1e-6:
            best = (score, words)
    assert [w.text for w in decoder(logits).words] == best[1]


def test_hotwords_win_and_may_be_new(arpa):
    logits = np.full((9, 4), -3.0, "float32")
    for frame, symbol in enumerate([2, 0, 3, 0, 3, 1, 2, 0, 0]):  # "abb a", and "abb" is no word
        logits[frame, symbol] = 3.0
    plain = LexiconDecoder(LexiconTrie(arpa, LETTERS))(logits)
    assert "abb" not in plain.text
    boosted = LexiconDecoder(LexiconTrie(arpa, LETTERS, hotword_bonuses({"Abb": 8.0}, LETTERS, 0.5)), lm_weight=0.5)(
        logits
    )
    assert boosted.text == "abb a"
    with pytest.raises(DataError, match="outside the alphabet"):
        hotword_bonuses({"abc": 8.0}, LETTERS, 0.5)


def test_n_best_are_different_texts_best_first(arpa):
    found = LexiconDecoder(LexiconTrie(arpa, LETTERS), beam_size=100)(random_scores(12, 4, 5), 4, frame_seconds=0.1)
    texts = [found.text, *(a.text for a in found.alternatives)]
    assert len(set(texts)) == len(texts) == 4
    assert all(0 <= w.start < w.end <= 1.2 + 1e-9 for reading in (found, *found.alternatives) for w in reading.words)


def test_words_and_perplexity_are_those_of_the_file(arpa, tmp_path):
    import gzip

    assert ngram_lm.read_vocabulary(arpa) == ["a", "ab", "ba"]
    packed = tmp_path / "tiny.arpa.gz"
    packed.write_bytes(gzip.compress(ARPA.encode()))
    assert ngram_lm.read_vocabulary(packed) == ["a", "ab", "ba"]
    found = ngram_lm.perplexity(arpa, ["a ba"])  # -0.2 - 0.4 - (0.25 + 0.9), by hand
    assert found.all == pytest.approx(10 ** ((0.2 + 0.4 + 1.15) / 3), rel=1e-4) and found.unknown == 0
    assert ngram_lm.perplexity(arpa, ["a cab"]).unknown == 0.5


def test_bundled_models_know_their_words():
    for name, row in manifest.language_models().items():
        if "words" not in row.model:
            continue  # of phonemes
        words = ngram_lm.read_vocabulary(ngram_lm.ngram_path(name))
        assert len(words) == row.model["words"] and {"the", "don't"} <= set(words)


def test_files_that_are_no_language_models(tmp_path):
    with pytest.raises(DataError, match="There is no language model "):
        ngram_lm.ngram_path(tmp_path / "none.arpa")
    (tmp_path / "x.arpa").write_text("hello")
    with pytest.raises(DataError, match="neither an ARPA file"):
        ngram_lm.ngram_path(tmp_path / "x.arpa")
    (tmp_path / "unigrams.arpa").write_text(ARPA.split("\\2-grams")[0].replace("ngram 2=4\n", "") + "\\end\\\n")
    with pytest.raises(DataError, match="KenLM cannot read .* at least a bigram"):
        LexiconTrie(tmp_path / "unigrams.arpa", LETTERS)
    (tmp_path / "upper.arpa").write_text(ARPA.replace("\ta", "\tA").replace("\tba", "\tBA").replace("Ab", "AB"))
    with pytest.raises(DataError, match="another case"):
        LexiconTrie(tmp_path / "upper.arpa", LETTERS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "beam", "beam_size": 0}, "beam_size must be at least 1"),
        ({"decoder": "best"}, "no decoder 'best'"),
        ({"decoder": "greedy", "language_model": "x"}, 'language_model need decoder="beam" or "lexicon"'),
        ({"decoder": "greedy", "hotwords": ["kea"], "nbest": 2}, 'hotwords and nbest need decoder="beam" or "lexicon"'),
        ({"decoder": "lexicon"}, 'decoder="lexicon" needs a language_model'),
        ({"decoder": "beam", "hotwords": ["kea"]}, "hotwords needs a language_model"),
        ({"decoder": "beam", "lm_weight": 1.0}, "lm_weight needs a language_model"),
        ({"language_model": "x", "hotwords": "kea"}, "list of words"),
        ({"decoder": "beam", "nbest": 60, "beam_size": 50}, "nbest 60"),
    ],
)
def test_settings_that_make_no_sense(options, message, pretrained):
    with pytest.raises(KerasRecipesError, match=message):
        choose_decoder(pretrained, DecodingOptions(**options))


def test_without_the_extra_it_says_what_to_install(arpa, monkeypatch):
    from kerasrecipes.decoding import lexicon_beam_search

    lexicon_beam_search.import_flashlight.cache_clear()
    monkeypatch.setitem(sys.modules, "flashlight.lib.text.decoder", None)
    with pytest.raises(KerasRecipesError, match=r"pip install \"kerasrecipes\[lm\]\""):
        LexiconTrie(arpa, LETTERS)
    lexicon_beam_search.import_flashlight.cache_clear()


def test_jitter_averages_probabilities_of_the_shifted_audio(pretrained):
    from kerasrecipes.audio import load_audio
    from kerasrecipes.inference.transcribe import logits_of

    wave = load_audio("kerasrecipes/assets/demo.mp3")[:32000]
    left, right = np.append(wave[80:], np.zeros(80)), np.append(np.zeros(80), wave[:-80])
    ways = [np.exp(log_softmax(logits_of(pretrained, w.astype("float32")))) for w in (wave, left, right)]
    found = np.exp(logits_of(pretrained, wave, shift_average_seconds=0.005))
    np.testing.assert_allclose(found, np.mean(ways, axis=0), atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    one, many = (
        pretrained.transcribe(wave, 16000, shift_average_seconds=0.005),
        pretrained.transcribe([wave, wave], 16000, shift_average_seconds=0.005),
    )
    assert [t.text for t in many] == [one.text] * 2
    with pytest.raises(KerasRecipesError, match="positive shift"):
        pretrained.transcribe(wave, 16000, shift_average_seconds=-1.0)


def test_rescoring_ranks_by_the_sum_of_both_scores(pretrained):
    from kerasrecipes.audio import load_audio

    class Judge:  # likes short texts
        name, alphabet = "judge", Alphabet()

        def log_probabilities(self, texts):
            return np.array([-float(len(t)) for t in texts])

    wave = load_audio("kerasrecipes/assets/demo.mp3")
    plain = pretrained.transcribe(wave, 16000, decoder="beam", nbest=20)
    readings = [plain, *plain.alternatives]
    wanted = sorted(readings, key=lambda r: -(r.score - 0.7 * len(r.text)))[:3]
    found = pretrained.transcribe(wave, 16000, decoder="beam", nbest=3, rescorer=Judge(), rescore_weight=0.7)
    assert [r.text for r in (found, *found.alternatives)] == [r.text for r in wanted]
    assert found.score == pytest.approx(wanted[0].score - 0.7 * len(wanted[0].text))
    same = pretrained.transcribe(wave, 16000, decoder="beam", rescorer=Judge(), rescore_weight=0.0)
    assert same.text == plain.text and not same.alternatives
    for other in (pretrained, "char_rnn_small"):
        with pytest.raises(KerasRecipesError, match="only a loaded language model"):
            pretrained.transcribe(wave, 16000, decoder="beam", rescorer=other)


def test_tuning_walks_to_no_worse_settings_and_records_them(pretrained, clips, arpa, tmp_path, monkeypatch):
    from kerasrecipes.training import tune_decoder

    tried = []
    utterances = kr.data.librispeech(clips)
    text = "\n".join(sorted({w for u in utterances for w in pretrained.alphabet.normalize(u.text).split()}))
    lines = [f"-3\t{word}\t0" for word in text.split("\n")]
    path = tmp_path / "words.arpa"
    path.write_text(
        f"\\data\\\nngram 1={len(lines) + 3}\nngram 2=1\n\n\\1-grams:\n-9\t<unk>\t0\n0\t<s>\t0\n-1\t</s>\t0\n"
        + "\n".join(lines) + "\n\n\\2-grams:\n-0.1\t<s> the\n\n\\end\\\n"
    )  # fmt: skip
    own_settings = dict(pretrained.decoder_settings)
    best = tune_decoder.tune_decoder(pretrained, utterances, str(path), beam_size=20, progress=tried.append)
    assert pretrained.decoder_settings == own_settings  # the recipe's row is for others, too
    monkeypatch.setattr(pretrained, "decoder_settings", own_settings | {"log_priors": best.log_priors})
    assert len(tried) == len({(t.lm_weight, t.word_score, t.prior_weight) for t in tried}) >= 7
    assert min(t.prior_weight for t in tried) >= 0
    assert tune_decoder.sort_key(best) == min(map(tune_decoder.sort_key, tried))
    again = pretrained.transcribe(
        [u.path for u in utterances], language_model=str(path), beam_size=20, lm_weight=best.lm_weight, word_score=best.word_score,
        prior_weight=best.prior_weight,
    )  # fmt: skip
    references = [pretrained.alphabet.normalize(u.text) for u in utterances]
    assert kr.metrics.word_error_rate(references, [t.text for t in again]).rate == pytest.approx(best.error_rates["wer"])
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "schema.json").write_text((manifest.manifest_folder() / "schema.json").read_text())
    manifest.write_entry(manifest.get_entry("deepspeech2_small"), tmp_path / "rows" / "deepspeech2_small.json")
    monkeypatch.setattr(manifest, "manifest_folder", lambda: tmp_path / "rows")
    tune_decoder.save_tuned_weights("deepspeech2_small", best)
    settings = kr.load("deepspeech2_small", compile=False).decoder_settings
    monkeypatch.undo()
    manifest.entries.cache_clear()
    assert all(settings[name] == getattr(best, name) for name in ("lm_weight", "word_score", "prior_weight", "log_priors"))


def test_readings_that_differ_in_spaces_alone_are_one():
    scores = np.log([[0.02, 0.02, 0.94, 0.02], [0.5, 0.46, 0.02, 0.02], [0.94, 0.02, 0.02, 0.02]])
    found = beam_search(scores, LETTERS, nbest=3)
    texts = [found.text, *(a.text for a in found.alternatives)]
    assert texts[0] == "a" and len(texts) == len(set(texts)) == 3
    assert beam_search(scores, LETTERS).text == "a"


def test_apostrophes_of_the_alphabet_stay():
    assert Alphabet("abl\u2019 ").normalize("l\u2019a") == "l\u2019a" and Alphabet("abl\u2019 ").encode(
        "l\u2019a"
    ).tolist() == [3, 4, 1]
    assert Alphabet("abl\u02bc").normalize("l\u02bca") == "l\u02bca"
    assert Alphabet("abl'").normalize("l\u2019a l`a") == "l'a l'a"


def test_a_rewritten_language_model_has_its_new_words(tmp_path):
    import os

    path = tmp_path / "own.arpa"
    path.write_text(ARPA)
    before = LexiconTrie(path, LETTERS)
    path.write_text(ARPA.replace("\tba\t", "\tbb\t").replace("a ba", "a bb").replace("ba ab", "bb ab"))
    os.utime(path, ns=(1, 1))
    after = LexiconTrie(path, LETTERS)
    assert [[x.dictionary.contains(w) for w in ("ba", "bb")] for x in (before, after)] == [[True, False], [False, True]]
