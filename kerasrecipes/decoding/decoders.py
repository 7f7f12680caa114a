"""All ways from logits to text behind one interface: `transcribe(..., decoder="beam", language_model=...)`.

Recognizers of English search with their language model by default; `decoder="greedy"` is what the network alone hears. To
add a decoder, add an entry to `DECODERS`. The command line and the documentation read this table.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kerasrecipes.decoding import lexicon_beam_search, ngram_lm, word_beam_search
from kerasrecipes.decoding.alphabet import ENGLISH_SYMBOLS
from kerasrecipes.decoding.criteria import FramewiseCriterion
from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.pauses import mark_pauses
from kerasrecipes.decoding.phoneme_beam_search import make_phoneme_beam_decoder
from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.decoding.phrase_search import make_phrase_decoder
from kerasrecipes.decoding.prefix_search import beam_search
from kerasrecipes.decoding.rescoring import make_rescoring_decoder
from kerasrecipes.decoding.search_weights import choose_beam_size, choose_search_weights
from kerasrecipes.decoding.search_windows import windowed
from kerasrecipes.decoding.symbol_priors import divide_by_priors, get_log_priors, get_tuned_settings
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.results import Transcript

Decode = Callable[..., Transcript]  # decode(logits, frame_seconds=..., offset=..., duration=...)

LM_BEAM_THRESHOLD = 12.0  # nats
# weights with the fewest word errors on dev-mini-tune: alone, and with a word model, which already knows most of it
RESCORE_WEIGHT, RESCORE_WEIGHT_WITH_NGRAM = 0.5, 0.1


def make_greedy_decoder(model: Any, options: DecodingOptions) -> Decode:
    """Decode the best path. For phonemes, the best phoneme of each frame."""
    extra = {"greedy": True, "ipa": options.ipa} if isinstance(model.criterion, FramewiseCriterion) else {}
    return lambda logits, **times: model.criterion.decode(logits, model.alphabet, **extra, **times)


def make_crf_decoder(model: Any, options: DecodingOptions) -> Decode:
    """Decode the best path with the learned transitions between phonemes."""
    return lambda logits, **times: model.criterion.decode(logits, model.alphabet, ipa=options.ipa, **times)


def make_beam_decoder(model: Any, options: DecodingOptions) -> Decode:
    """Search for the best text, with or without a language model, and rank the best again with a rescorer.

    The model keeps the last search with a language model, some 30 MB.
    """
    if isinstance(model.criterion, FramewiseCriterion):
        return make_phoneme_beam_decoder(model, options)
    if options.rescorer is not None:
        return make_rescoring_decoder(make_beam_decoder, model, options)
    if not options.language_model:
        beam_size = choose_beam_size(model, options)
        return windowed(lambda logits, **times: beam_search(logits, model.alphabet, beam_size, options.nbest, **times), options.nbest)
    path, weights = ngram_lm.ngram_path(options.language_model, model.alphabet), choose_search_weights(model, options)
    bonuses = options.hotword_bonuses("beam")
    if len(set(bonuses.values())) > 1:
        raise KerasRecipesError('Hotwords with different bonuses need decoder="lexicon"')
    words = [word for phrase in bonuses for word in lexicon_beam_search.hotword_words(phrase, model.alphabet)]
    settings: dict[str, Any] = {
        "hotwords": tuple(words), "hotword_bonus": max(bonuses.values(), default=0.0),
        "beam_size": choose_beam_size(model, options), "log_priors": get_log_priors(model), **weights,
        "beam_threshold": options.beam_threshold or get_tuned_settings(model).get("beam_threshold", LM_BEAM_THRESHOLD),
    }  # fmt: skip
    key = (path, path.stat().st_mtime_ns, *settings.values())
    if getattr(model, "_word_search", (None,))[0] != key:
        model._word_search = (key, word_beam_search.WordBeamDecoder(path, model.alphabet, **settings))
    search = model._word_search[1]
    return lambda logits, **times: search(logits, options.nbest, **times)


def make_lexicon_decoder(model: Any, options: DecodingOptions) -> Decode:
    """Search over the words of a language model, and rank the best again with a rescorer. The model keeps the last lexicon."""
    if options.rescorer is not None:
        return make_rescoring_decoder(make_lexicon_decoder, model, options)
    weights, log_priors = choose_search_weights(model, options), get_log_priors(model)
    prior_weight = weights.pop("prior_weight")
    bonus = lexicon_beam_search.hotword_bonuses(
        options.hotword_bonuses("lexicon"), model.alphabet, weights["lm_weight"]
    )
    path = ngram_lm.ngram_path(options.language_model or "", model.alphabet)
    key = (path, path.stat().st_mtime_ns, tuple(sorted(bonus.items())))
    if getattr(model, "_lexicon", (None,))[0] != key:
        model._lexicon = (key, lexicon_beam_search.LexiconTrie(path, model.alphabet, bonus))
    search = lexicon_beam_search.LexiconDecoder(
        model._lexicon[1], model.criterion.transition_matrix(), beam_size=choose_beam_size(model, options),
        beam_size_token=options.beam_size_token, beam_threshold=options.beam_threshold or 20.0, **weights,
    )  # fmt: skip

    def decode(logits: np.ndarray, **times: Any) -> Transcript:
        divided = divide_by_priors(log_softmax(logits), log_priors, prior_weight) if log_priors and prior_weight else logits
        return search(divided, options.nbest, **times)

    return windowed(decode, options.nbest)


@dataclass(frozen=True)
class Decoder:
    """An entry of `DECODERS`.

    Args:
        make: `make(model, options)` returns `decode(logits, frame_seconds=, offset=, duration=) -> Transcript`.
        help: One line for `--help` and the documentation.
        criteria: Names of the criteria whose logits it decodes.
        options: Options of `DecodingOptions` that need this decoder.
        packages: Packages that it needs with a `language_model`.
    """

    make: Callable[[Any, DecodingOptions], Decode]
    help: str
    criteria: tuple[str, ...]
    options: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


DECODERS = {
    "greedy": Decoder(
        make_greedy_decoder, "the most likely symbol of each frame (ASG: the exact best path)", ("ctc", "asg", "frames", "crf")
    ),
    "beam": Decoder(
        make_beam_decoder, "the most likely text of a beam search; with a language model, new words are possible", ("ctc", "frames", "crf"),
        options=("language_model", "nbest", "hotwords", "rescorer"), packages=("ctc-beam-decoder",),
    ),
    "lexicon": Decoder(
        make_lexicon_decoder, "the most likely text of the words that a language model knows", ("ctc", "asg"),
        options=("language_model", "nbest", "hotwords", "rescorer"), packages=("flashlight-text", "kenlm"),
    ),
    "phrases": Decoder(
        make_phrase_decoder, "the phrases of a closed list, and nothing for other speech", ("ctc",), options=("phrases",)
    ),
    "crf": Decoder(make_crf_decoder, "phonemes: the best path with the learned transitions", ("crf",)),
}  # fmt: skip


def decoders_for(criterion: str) -> list[str]:
    """Return the names of the decoders for a criterion's logits."""
    return [name for name, entry in DECODERS.items() if criterion in entry.criteria]


def choose_decoder(model: Any, options: DecodingOptions) -> DecodingOptions:
    """Return the options with the decoder and the defaults that follow from it.

    Without a `decoder`, `phrases` are searched by "phrases". Else a recognizer of English searches with `language_model`, by
    default that of its recipe: by "beam" with CTC and for phonemes, by "lexicon" with ASG or where ctc-beam-decoder is missing.
    If neither package is installed or the language model cannot be fetched, the decoder is "greedy", with a warning. Other
    recognizers have the decoder of their criterion.

    Raises:
        KerasRecipesError: The decoder does not exist or does not take the options.
    """
    if options.decoder is None and options.phrases:
        options = replace(options, decoder="phrases")
    elif options.decoder is None:
        name = options.language_model or default_language_model(model)
        decoder = search_decoder(model) if name else model.criterion.default_decoder
        options = replace(options, decoder=decoder, language_model=name)
    check_options(options)
    return replace(
        options,
        beam_size=choose_beam_size(model, options),
        rescore_weight=(RESCORE_WEIGHT_WITH_NGRAM if options.language_model else RESCORE_WEIGHT)
        if options.rescore_weight is None else options.rescore_weight,
    )  # fmt: skip


def search_decoder(model: Any) -> str:
    """Return the name of the decoder that searches with a language model."""
    if isinstance(model.criterion, FramewiseCriterion):
        return "beam"
    return "beam" if model.criterion.name == "ctc" and word_beam_search.is_installed() else "lexicon"


def default_language_model(model: Any) -> str | None:
    """Return the name of the recipe's language model if the model writes English and the search is installed, else None."""
    name = get_tuned_settings(model).get("language_model")
    is_phonemes = isinstance(model.criterion, FramewiseCriterion)
    if not name or set(model.alphabet.symbols) != set(PhonemeSet().symbols if is_phonemes else ENGLISH_SYMBOLS):
        return None
    if search_decoder(model) == "lexicon" and not lexicon_beam_search.is_installed():
        if model.criterion.name == "ctc":
            warnings.warn(f"{model.name} decodes without its language model: {word_beam_search.INSTALL_HINT}", stacklevel=5)
        return None
    try:
        ngram_lm.ngram_path(name)
    except KerasRecipesError as error:
        warnings.warn(f"{model.name} decodes without its language model: {error}", stacklevel=5)
        return None
    return str(name)


def check_options(options: DecodingOptions) -> None:
    """Check that a decoder exists and takes the options.

    Raises:
        KerasRecipesError: It does not. The message says which decoder does.
    """
    decoder = options.decoder
    if decoder not in DECODERS:
        raise KerasRecipesError(f"There is no decoder {decoder!r}: choose one of {', '.join(DECODERS)}")
    if options.beam_size and options.nbest > options.beam_size:
        raise KerasRecipesError(f"nbest {options.nbest} needs a beam_size of at least that, is {options.beam_size}")
    names = [n for n in ("language_model", "hotwords", "rescorer", "phrases") if getattr(options, n)]
    names += ["nbest"] * (options.nbest > 1)
    if unsupported := [name for name in names if name not in DECODERS[decoder].options]:
        able = [f'"{name}"' for name, entry in DECODERS.items() if set(unsupported) <= set(entry.options)]
        raise KerasRecipesError(f"{' and '.join(unsupported)} need decoder={' or '.join(able)}, not {decoder!r}")
    if options.language_model:
        return
    if decoder == "phrases" and not options.phrases:
        raise KerasRecipesError('decoder="phrases" needs phrases, for instance ["lights on", "lights off"]')
    if decoder == "lexicon":
        raise KerasRecipesError('decoder="lexicon" needs a language_model, for instance "librispeech_small"')
    for name in ("lm_weight", "word_score", "prior_weight", "hotwords"):
        if getattr(options, name):
            raise KerasRecipesError(f'{name} needs a language_model, for instance "librispeech_small"')


def make_decoder(model: Any, options: DecodingOptions) -> Decode:
    """Return `decode(logits, frame_seconds=..., offset=..., duration=...) -> Transcript` for a recognizer's logits.

    Raises:
        KerasRecipesError: The decoder does not fit the model's criterion, or a package is missing.
        DataError: The language model cannot be read.
    """
    criterion, options = model.criterion, choose_decoder(model, options)
    entry = DECODERS[str(options.decoder)]
    if criterion.name not in entry.criteria:
        names = " or ".join(decoders_for(criterion.name))
        raise KerasRecipesError(f"{model.name} decodes with {names}, not {options.decoder!r}")
    if options.ipa and not isinstance(criterion, FramewiseCriterion):
        raise KerasRecipesError(f"ipa is for phoneme recognizers, {model.name} writes words")
    decode = entry.make(model, options)
    if options.decoder == "phrases":  # its pauses are its own
        return lambda logits, **times: replace(decode(logits, **times), decoder=options.name)
    transitions, is_search = criterion.transition_matrix(), options.decoder in ("beam", "lexicon")

    def decode_marked(logits: Any, **times: Any) -> Transcript:
        logits = mark_pauses(
            logits, model.alphabet, times.get("frame_seconds", 0.0), options.pause_seconds, transitions=transitions,
            settle_spaces=is_search,
        )  # fmt: skip
        return replace(decode(logits, **times), decoder=options.name)

    return decode_marked
