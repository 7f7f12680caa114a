"""All ways from logits to text behind one interface: `transcribe(..., decoder="beam", language_model=...)`.

To add a decoder, add an entry to `DECODERS`. The command line and the documentation read this table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kerasrecipes.decoding import lexicon_beam_search, ngram_lm
from kerasrecipes.decoding.criteria import FramewiseCriterion
from kerasrecipes.decoding.prefix_search import beam_search
from kerasrecipes.decoding.rescoring import rescore
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.results import Transcript

Decode = Callable[..., Transcript]  # decode(logits, frame_seconds=..., offset=..., duration=...)

RESCORE_TOP_N = 20  # hypotheses that a rescorer ranks again
# weights with the fewest word errors on dev-mini-tune: alone, and with a word model, which already knows most of it
RESCORE_WEIGHT, RESCORE_WEIGHT_WITH_NGRAM = 0.5, 0.1
DEFAULT_HOTWORD_BONUS = 5.0  # nats: what one letter costs that is hard to hear
DEFAULT_LM_WEIGHTS = {"lm_weight": 0.5, "word_score": 0.5}  # where nothing was tuned for the recipe


@dataclass(frozen=True)
class DecodingOptions:
    """Settings of a decoder.

    Args:
        decoder: A name in `DECODERS`. Default: "beam" if a `language_model` is given, else "greedy".
        language_model: Word n-gram model: a bundled name ("librispeech_small") or the path of an ARPA or KenLM file.
        beam_size: Number of texts that survive a frame.
        lm_weight: Weight of the language model's log probability. Default: tuned for the recipe (its manifest row).
        word_score: Nats added for every word. Default: tuned for the recipe.
        nbest: Number of hypotheses to return: the best, and `nbest - 1` more in its `alternatives`.
        hotwords: Expected words: a list, or a mapping to the nats (default 5) that each adds. Needs a language model.
            Words that it does not know are added.
        rescorer: A loaded character language model that ranks the best 20 hypotheses again.
        rescore_weight: Weight of its log probability. Default: 0.5, with a `language_model` 0.1.
        beam_size_token: Number of symbols tried at every frame with a language model.
        beam_threshold: Nats below the best within which a text is followed with a language model.
        ipa: Write the International Phonetic Alphabet. Phoneme recognizers only.

    Raises:
        KerasRecipesError: The combination makes no sense. The message says why.
    """

    decoder: str | None = None
    language_model: str | None = None
    beam_size: int = 50
    lm_weight: float | None = None
    word_score: float | None = None
    nbest: int = 1
    hotwords: Mapping[str, float] | Sequence[str] = ()
    rescorer: Any = None
    rescore_weight: float | None = None
    beam_size_token: int = 12
    beam_threshold: float = 20.0
    ipa: bool = False

    def __post_init__(self):
        object.__setattr__(self, "decoder", self.decoder or ("beam" if self.language_model else "greedy"))
        if self.rescore_weight is None:
            weight = RESCORE_WEIGHT_WITH_NGRAM if self.language_model else RESCORE_WEIGHT
            object.__setattr__(self, "rescore_weight", weight)
        if not isinstance(self.hotwords, Mapping):
            if isinstance(self.hotwords, str):
                raise KerasRecipesError(f"hotwords is a list of words, or a mapping to nats: [{self.hotwords!r}]")
            object.__setattr__(self, "hotwords", dict.fromkeys(self.hotwords, DEFAULT_HOTWORD_BONUS))
        if self.decoder not in DECODERS:
            raise KerasRecipesError(f"There is no decoder {self.decoder!r}: choose one of {', '.join(DECODERS)}")
        for name in ("beam_size", "nbest", "beam_size_token"):
            if getattr(self, name) < 1:
                raise KerasRecipesError(f"{name} must be at least 1, is {getattr(self, name)}")
        if self.nbest > self.beam_size:
            raise KerasRecipesError(f"nbest {self.nbest} needs a beam_size of at least that, is {self.beam_size}")
        requested = [n for n in ("language_model", "hotwords", "rescorer") if getattr(self, n)] + ["nbest"] * (
            self.nbest > 1
        )
        if unused := [name for name in requested if name not in DECODERS[self.decoder].options]:
            able = [f'"{name}"' for name, entry in DECODERS.items() if set(unused) <= set(entry.options)]
            raise KerasRecipesError(f"{' and '.join(unused)} need decoder={' or '.join(able)}, not {self.decoder!r}")
        if not self.language_model:
            for name in ("lm_weight", "word_score", "hotwords"):
                if getattr(self, name):
                    raise KerasRecipesError(f'{name} needs a language_model, for instance "librispeech_small"')
        if self.rescorer is not None and not hasattr(self.rescorer, "log_probabilities"):
            example = 'load("char_rnn_small"); kerasrecipes list "char*" names the others'
            name = getattr(self.rescorer, "name", repr(self.rescorer))
            raise KerasRecipesError(f"rescorer={name}: only a loaded language model can rank texts: {example}")

    @property
    def name(self) -> str:
        """Label for tables: "greedy", "beam 50", "beam 50 + librispeech_small"."""
        if self.decoder != "beam":
            return str(self.decoder)
        models = [str(getattr(m, "name", m)) for m in (self.language_model, self.rescorer) if m]
        return " + ".join([f"beam {self.beam_size}", *models])


def make_greedy_decoder(model: Any, options: DecodingOptions) -> Decode:
    """Decode the best path. For phonemes, the best phoneme of each frame."""
    extra = {"greedy": True, "ipa": options.ipa} if isinstance(model.criterion, FramewiseCriterion) else {}
    return lambda logits, **times: model.criterion.decode(logits, model.alphabet, **extra, **times)


def make_crf_decoder(model: Any, options: DecodingOptions) -> Decode:
    """Decode the best path with the learned transitions between phonemes."""
    return lambda logits, **times: model.criterion.decode(logits, model.alphabet, ipa=options.ipa, **times)


def make_beam_decoder(model: Any, options: DecodingOptions) -> Decode:
    """Search for the best text, with or without a word language model, and rank the best again with a rescorer."""
    if options.rescorer is not None:
        nbest = min(max(options.nbest, RESCORE_TOP_N), options.beam_size)
        decode = make_beam_decoder(model, replace(options, rescorer=None, nbest=nbest))
        return lambda logits, **times: rescore(
            decode(logits, **times), options.rescorer, options.rescore_weight or 0.0, options.nbest
        )  # fmt: skip
    transitions = model.criterion.transition_matrix()
    if options.language_model:
        decoder = make_lexicon_decoder(model, options, transitions)
        return lambda logits, **times: decoder(logits, options.nbest, **times)
    if transitions is not None:
        raise KerasRecipesError(
            f"{model.name} has transitions instead of a blank: its best path is exact (greedy), and a beam search needs a "
            'language_model, for instance "librispeech_small"'
        )
    return lambda logits, **times: beam_search(logits, model.alphabet, options.beam_size, options.nbest, **times)


def make_lexicon_decoder(model: Any, options: DecodingOptions, transitions: np.ndarray | None) -> Any:
    """Return the `LexiconDecoder` of the options. The model keeps the last lexicon, a hundred megabytes."""
    weights = DEFAULT_LM_WEIGHTS | dict(getattr(model, "decoder_settings", None) or {})
    weights = {
        name: weights[name] if getattr(options, name) is None else getattr(options, name) for name in DEFAULT_LM_WEIGHTS
    }  # fmt: skip
    hotwords = options.hotwords if isinstance(options.hotwords, Mapping) else {}  # always a mapping after __post_init__
    bonus = lexicon_beam_search.hotword_bonuses(hotwords, model.alphabet, weights["lm_weight"])
    path = ngram_lm.ngram_path(options.language_model or "")
    key = (path, path.stat().st_mtime_ns, tuple(sorted(bonus.items())))
    if getattr(model, "_lexicon", (None,))[0] != key:
        model._lexicon = (key, lexicon_beam_search.LexiconTrie(path, model.alphabet, bonus))
    return lexicon_beam_search.LexiconDecoder(
        model._lexicon[1], transitions, beam_size=options.beam_size, beam_size_token=options.beam_size_token,
        beam_threshold=options.beam_threshold, **weights,
    )  # fmt: skip


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
        make_beam_decoder, "the most likely text of a beam search, with or without a word language model", ("ctc", "asg"),
        options=("language_model", "nbest", "hotwords", "rescorer"), packages=("flashlight-text", "kenlm"),
    ),
    "crf": Decoder(make_crf_decoder, "phonemes: the best path with the learned transitions", ("crf",)),
}  # fmt: skip


def decoders_for(criterion: str) -> list[str]:
    """Return the names of the decoders for a criterion's logits."""
    return [name for name, entry in DECODERS.items() if criterion in entry.criteria]


def make_decoder(model: Any, options: DecodingOptions) -> Decode:
    """Return `decode(logits, frame_seconds=..., offset=..., duration=...) -> Transcript` for a recognizer's logits.

    Raises:
        KerasRecipesError: The decoder does not fit the model's criterion, or a package is missing.
        DataError: The language model cannot be read.
    """
    criterion = model.criterion
    if criterion.name not in DECODERS[options.decoder or ""].criteria:
        names = " or ".join(decoders_for(criterion.name))
        hint = "; language models are for recognizers of words" if options.language_model else ""
        raise KerasRecipesError(f"{model.name} decodes with {names}, not {options.decoder!r}{hint}")
    if options.ipa and not isinstance(criterion, FramewiseCriterion):
        raise KerasRecipesError(f"ipa is for phoneme recognizers, {model.name} writes words")
    return DECODERS[options.decoder or ""].make(model, options)
