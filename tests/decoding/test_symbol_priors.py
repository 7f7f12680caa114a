"""Priors of symbols: their measurement, their division, and the decoders and models that use them."""

import numpy as np
import pytest
from test_decoding import LETTERS, random_scores
from test_word_beam_search import arpa  # noqa: F401  a fixture

from kerasrecipes.decoding import Alphabet
from kerasrecipes.decoding.criteria import ASGCriterion, CTCCriterion
from kerasrecipes.decoding.decoders import choose_decoder, make_decoder
from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.symbol_priors import divide_by_priors, get_log_priors, measure_log_priors
from kerasrecipes.errors import KerasRecipesError


class Recognizer:
    """What the decoders read of a model."""

    name, stride, sample_rate = "letters", 160, 16000

    def __init__(self, settings, alphabet=LETTERS):
        self.decoder_settings, self.alphabet, self.criterion = settings, alphabet, CTCCriterion()
        if alphabet.num_repetition_symbols is not None:
            self.criterion = ASGCriterion(random_scores(alphabet.vocab_size, alphabet.vocab_size, 9, 0.5))


PRIORS = {"blank": -0.2, " ": -3.0, "a": -2.5, "b": -3.5}
ASG_LETTERS, ASG_PRIORS = Alphabet(" ab", num_repetition_symbols=1), {" ": -0.8, "a": -1.0, "b": -2.5, "repetition 1": -4.0}


def test_priors_are_mean_posteriors():
    clips = [random_scores(frames, LETTERS.vocab_size, frames) for frames in (3, 8)]
    posteriors = np.concatenate([np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in clips])
    priors = measure_log_priors(clips, LETTERS)
    assert list(priors) == ["blank", " ", "a", "b"]
    np.testing.assert_allclose(np.exp(list(priors.values())), posteriors.mean(axis=0), rtol=1e-3)


def test_dividing_posteriors_that_are_the_priors_leaves_nothing():
    log_priors = log_softmax(random_scores(1, 5, 1))[0]
    divided = divide_by_priors(np.tile(log_priors, (4, 1)), log_priors, 1.0)
    np.testing.assert_allclose(np.exp(divided), 0.2, rtol=1e-6)
    assert (divide_by_priors(log_priors[None], log_priors, 0.0) == log_priors).all()


@pytest.mark.parametrize(
    ("decoder", "alphabet", "priors"),
    [("beam", LETTERS, PRIORS), ("lexicon", LETTERS, PRIORS), ("lexicon", ASG_LETTERS, ASG_PRIORS)],
)
def test_a_row_s_priors_divide_the_posteriors_before_the_search(arpa, decoder, alphabet, priors):  # noqa: F811
    logits = random_scores(12, LETTERS.vocab_size, 5, 1.0)
    weights = {"lm_weight": 0.6, "word_score": 0.2}
    options = DecodingOptions(decoder=decoder, language_model=str(arpa), pause_seconds=0)
    divided = log_softmax(log_softmax(logits) - 0.5 * np.array(list(priors.values())))
    expected = make_decoder(Recognizer(weights, alphabet), options)(divided, frame_seconds=0.04)
    tuned = Recognizer(weights | {"prior_weight": 0.5, "log_priors": priors}, alphabet)
    result = make_decoder(tuned, options)(logits, frame_seconds=0.04)
    assert result.text == expected.text and result.score == pytest.approx(expected.score, abs=1e-4)
    plain = make_decoder(Recognizer(weights, alphabet), options)(logits, frame_seconds=0.04)
    assert result.score != pytest.approx(plain.score, abs=1e-2)
    off = make_decoder(tuned, DecodingOptions(decoder=decoder, language_model=str(arpa), pause_seconds=0, prior_weight=0.0))
    assert off(logits, frame_seconds=0.04).score == pytest.approx(plain.score, abs=1e-4)


def test_priors_of_other_symbols_are_left_out(arpa):  # noqa: F811
    settings = {"prior_weight": 0.5, "log_priors": PRIORS}
    assert get_log_priors(Recognizer(settings)) == tuple(PRIORS.values())
    assert get_log_priors(Recognizer(settings, Alphabet(" abc"))) is None
    assert get_log_priors(Recognizer({})) is None
    options = DecodingOptions(decoder="beam", language_model=str(arpa))
    make_decoder(Recognizer(settings, Alphabet(" abc")), options)(random_scores(5, 5, 1), frame_seconds=0.04)


def test_a_weight_without_priors_is_an_error(arpa):  # noqa: F811
    with pytest.raises(KerasRecipesError, match="no priors of its symbols"):
        make_decoder(Recognizer({}), DecodingOptions(decoder="beam", language_model=str(arpa), prior_weight=0.3))
    with pytest.raises(KerasRecipesError, match="prior_weight needs a language_model"):
        make_decoder(Recognizer({"log_priors": PRIORS}), DecodingOptions(decoder="beam", prior_weight=0.3))


def test_a_row_s_beam_threshold_is_the_default(arpa):  # noqa: F811
    models = [Recognizer({}), Recognizer({"beam_threshold": 9.0})]
    for model in models:
        make_decoder(model, DecodingOptions(decoder="beam", language_model=str(arpa)))
    assert [model._word_search[1].beam_threshold for model in models] == [12.0, 9.0]
    make_decoder(models[1], DecodingOptions(decoder="beam", language_model=str(arpa), beam_threshold=11.0))
    assert models[1]._word_search[1].beam_threshold == 11.0


def test_a_row_s_beam_size_is_the_default_of_searches_with_a_language_model(arpa):  # noqa: F811
    model, lm = Recognizer({"beam_size": 800}), {"decoder": "beam", "language_model": str(arpa)}
    for options, size in ((lm, 800), (lm | {"beam_size": 20}, 20)):
        make_decoder(model, DecodingOptions(**options))
        assert model._word_search[1].beam_size == size == choose_decoder(model, DecodingOptions(**options)).beam_size
    assert choose_decoder(model, DecodingOptions(decoder="beam")).beam_size == 50
    assert choose_decoder(Recognizer({}), DecodingOptions(**lm)).beam_size == 500
