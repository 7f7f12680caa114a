"""Beam search with a word language model over an open vocabulary, and the default decoder of recognizers."""

import itertools
import sys

import numpy as np
import pytest
from test_decoding import ARPA, LETTERS, ctc_text, random_scores

import kerasrecipes as kr
from kerasrecipes.decoding import Alphabet, decoders, ngram_lm, word_beam_search
from kerasrecipes.decoding.decoders import choose_decoder
from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.decoding.lexicon_beam_search import LN10
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.word_beam_search import WordBeamDecoder, align_text, align_words
from kerasrecipes.errors import DataError, KerasRecipesError

DEMO = "kerasrecipes/assets/demo.mp3"


@pytest.fixture(scope="module")
def arpa(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "tiny.arpa"
    path.write_text(ARPA)
    return path


@pytest.mark.parametrize("prior_weight", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(8))
def test_the_search_ranks_texts_as_enumeration_does(arpa, seed, prior_weight, monkeypatch):
    import kenlm

    monkeypatch.setattr(word_beam_search, "MIN_SYMBOL_LOG_PROB", -30.0)
    frames, weight, word_score = 6, 0.7, 0.4
    logits = random_scores(frames, LETTERS.vocab_size, seed, 1.0)
    log_priors = np.log(np.random.default_rng(seed).dirichlet(np.ones(LETTERS.vocab_size)))
    ratios = np.exp(log_softmax(logits)) / np.exp(log_priors) ** prior_weight
    log_probs, scores = np.log(ratios / ratios.sum(axis=1, keepdims=True)), {}
    for path in itertools.product(range(LETTERS.vocab_size), repeat=frames):
        text = " ".join(LETTERS.decode(ctc_text(path)).split())
        scores[text] = np.logaddexp(scores.get(text, -np.inf), log_probs[np.arange(frames), path].sum())
    model = kenlm.Model(str(arpa))
    for text in scores:
        words = text.split()
        scores[text] += weight * LN10 * sum(s for s, *_ in model.full_scores(text)) + word_score * len(words)
        scores[text] += sum(word_beam_search.UNKNOWN_WORD_SCORE for w in words if w not in ("a", "ab", "ba"))
    best = sorted(scores, key=lambda text: -scores[text])[:6]
    search = WordBeamDecoder(
        arpa, LETTERS, lm_weight=weight, word_score=word_score, beam_size=10**4, beam_threshold=1e9,
        prior_weight=prior_weight, log_priors=log_priors.tolist(),
    )  # fmt: skip
    result = search(logits, 6)
    hypotheses = [result, *result.alternatives]
    assert [h.text for h in hypotheses] == best
    offsets = [h.score - scores[h.text] for h in hypotheses]  # the end of the sentence, the same for all
    np.testing.assert_allclose(offsets, offsets[0], atol=1e-4)


def test_hotwords_win_and_may_be_new(arpa):
    logits = np.full((9, 4), -3.0, "float32")
    for frame, symbol in enumerate([2, 0, 3, 0, 3, 1, 2, 0, 0]):  # "abb a", and "abb" is no word
        logits[frame, symbol] = 1.0
    weights = {"lm_weight": 0.5, "word_score": 0.5, "beam_threshold": 20.0}
    assert "abb" not in WordBeamDecoder(arpa, LETTERS, **weights)(logits).text
    assert WordBeamDecoder(arpa, LETTERS, hotwords=["abb"], hotword_bonus=10.0, **weights)(logits).text == "abb a"


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_words_in_blocks_align_as_the_whole_text(size, monkeypatch):
    monkeypatch.setattr(word_beam_search, "WORDS_IN_BLOCK", size)
    rng, words = np.random.default_rng(size), ["ab", "ba", "abba", "a", "bb", "aab"]
    columns, word_frames = [], []
    for word in words:
        columns += [0, 0, 1][: 2 + bool(columns)]
        start = len(columns)
        for letter in word:
            columns += [LETTERS.symbols.index(letter) + 1, 0]
        word_frames.append((word, (start, len(columns) - 1)))
    logits = rng.normal(size=(len(columns), 4)).astype("float32")
    logits[np.arange(len(columns)), columns] += 5
    log_probs = log_softmax(logits)
    whole = align_text(log_probs, " ".join(words), LETTERS)
    np.testing.assert_array_equal(align_words(log_probs, word_frames, LETTERS), whole)
    wrong = [(word, (0, 1)) for word in words]  # no block has enough frames
    np.testing.assert_array_equal(align_words(log_probs, wrong, LETTERS), whole)


def test_recognizers_of_english_search_with_their_language_model(pretrained):
    result = pretrained.transcribe(DEMO)
    assert result.decoder == "beam 500 + librispeech_small" == result.to_dict()["decoder"]
    assert result.text == " ".join(w.text for w in result.words)
    assert all(0 <= a.start < a.end <= b.end <= result.duration + 1e-6 for a, b in itertools.pairwise(result.words))
    assert result.text == pretrained.transcribe(DEMO, language_model="librispeech_small").text
    known = set(ngram_lm.read_vocabulary(ngram_lm.ngram_path("librispeech_small")))
    greedy = pretrained.transcribe(DEMO, decoder="greedy")
    assert greedy.decoder == "greedy" and pretrained.transcribe(DEMO, decoder="beam").decoder == "beam 50"
    count = sum(w in known for w in result.text.split()) / len(result.words)
    assert count > sum(w in known for w in greedy.text.split()) / len(greedy.words)


def test_hotwords_and_alternatives_need_no_further_option(pretrained):
    result = pretrained.transcribe(DEMO, hotwords=["sufficiently"], nbest=4)
    texts = [result.text, *(a.text for a in result.alternatives)]
    assert "sufficiently" in result.text and len(set(texts)) == 4
    assert [a.score for a in result.alternatives] == sorted((a.score for a in result.alternatives), reverse=True)
    with pytest.raises(KerasRecipesError, match='different bonuses need decoder="lexicon"'):
        pretrained.transcribe(DEMO, hotwords={"kea": 3.0, "ngaio": 4.0})


def test_a_text_is_the_same_alone_and_in_a_batch(pretrained, clips):
    paths = [u.path for u in kr.data.librispeech(clips)][:3]
    assert [t.text for t in pretrained.transcribe(paths)] == [pretrained.transcribe(p).text for p in paths]


def test_the_default_needs_the_english_alphabet_and_the_packages(pretrained, monkeypatch, recwarn):
    class Model:
        name, criterion, alphabet = "mine", pretrained.criterion, Alphabet("ab ")
        decoder_settings = pretrained.decoder_settings

    assert choose_decoder(Model(), DecodingOptions()).name == "greedy"
    Model.alphabet = pretrained.alphabet
    assert choose_decoder(Model(), DecodingOptions()).name == "beam 500 + librispeech_small"
    monkeypatch.setattr(word_beam_search, "is_installed", lambda: False)
    assert choose_decoder(Model(), DecodingOptions()).name == "lexicon 500 + librispeech_small"
    monkeypatch.setattr(decoders.lexicon_beam_search, "is_installed", lambda: False)
    assert not recwarn.list
    with pytest.warns(UserWarning, match="mine decodes without its language model: ctc-beam-decoder has wheels"):
        assert choose_decoder(Model(), DecodingOptions()).name == "greedy"
    monkeypatch.undo()

    def fail(name):
        raise DataError("no network")

    monkeypatch.setattr(ngram_lm, "ngram_path", fail)
    with pytest.warns(UserWarning, match="without its language model: no network"):
        assert choose_decoder(Model(), DecodingOptions()).name == "greedy"


def test_files_that_are_no_language_models(tmp_path):
    weights = {"lm_weight": 0.5, "word_score": 0.5}
    (tmp_path / "unigrams.arpa").write_text(ARPA.split("\\2-grams")[0].replace("ngram 2=4\n", "") + "\\end\\\n")
    with pytest.raises(DataError, match="KenLM cannot read "):
        WordBeamDecoder(tmp_path / "unigrams.arpa", LETTERS, **weights)
    (tmp_path / "upper.arpa").write_text(ARPA.replace("\ta", "\tA").replace("\tba", "\tBA").replace("Ab", "AB"))
    with pytest.raises(DataError, match="another case"):
        WordBeamDecoder(tmp_path / "upper.arpa", LETTERS, **weights)


def test_without_the_package_it_says_what_to_do(arpa, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctc_beam_decoder", None)
    with pytest.raises(KerasRecipesError, match='cannot be imported .*decoder="lexicon" searches'):
        WordBeamDecoder(arpa, LETTERS, lm_weight=0.5, word_score=0.5)
