"""One interface to all ways from scores to text: `transcribe(..., decoder="beam", language_model=...)` of every recogniser."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.forced_alignment import ctc_alignment_graph, viterbi_align
from kerasrecipes.decoding.greedy import check_logits, log_softmax, path_to_transcript
from kerasrecipes.decoding.prefix_search import prefix_beam_search
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest
from kerasrecipes.results import Transcript

DECODERS = ("greedy", "beam")
RESCORE_TOP_N = 20  # readings that a second language model ranks again
# its weight, with the fewest word errors on dev-mini-tune: alone, and beside a model of words that already knows most of it
RESCORE_WEIGHT, RESCORE_WEIGHT_WITH_NGRAM = 0.5, 0.1
DEFAULT_HOTWORD_BONUS = 5.0  # nats that a hotword gets where none are said: what one letter that is hard to hear costs


@dataclass(frozen=True)
class DecodingOptions:
    """How scores become text.

    Args:
        decoder: "greedy", the best path; "beam", the best text, with a language model or without. Default: "beam" where
            `language_model` is given, else "greedy".
        language_model: of words: a bundled one's name ("librispeech_small") or the path of an ARPA or KenLM file.
        beam_size: texts followed at once.
        lm_weight: of the language model's log probability beside the recogniser's; word_score: nats for every word.
            Default: the best on a tuning set, from the recipe's manifest row.
        n_best: readings to return: the best, and `n_best - 1` in its `alternatives`.
        hotwords: words that are expected: a list, or a mapping to nats (default 5) that each gets more. With a language
            model only. Words that it does not know are added.
        rescore: a character language model, by name or loaded ("char_rnn_small"): the best `RESCORED` readings are ranked
            again with `rescore_weight` times its log probability added; default 0.5, with a `language_model` 0.1.
        token_beam: symbols tried at every frame. threshold: nats below the best within which a text is followed. Both with a
            language model.

    Raises:
        KerasRecipesError: a combination that makes no sense; says which.
    """

    decoder: str | None = None
    language_model: str | None = None
    beam_size: int = 50
    lm_weight: float | None = None
    word_score: float | None = None
    n_best: int = 1
    hotwords: Mapping[str, float] | Sequence[str] = ()
    rescore: Any = None
    rescore_weight: float | None = None
    token_beam: int = 12
    threshold: float = 20.0

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
            raise KerasRecipesError(f"There is no decoder {self.decoder!r}; there are {', '.join(DECODERS)}")
        for name in ("beam_size", "n_best", "token_beam"):
            if getattr(self, name) < 1:
                raise KerasRecipesError(f"{name} must be at least 1, is {getattr(self, name)}")
        if self.n_best > self.beam_size:
            raise KerasRecipesError(f"n_best {self.n_best} needs a beam_size of at least that, is {self.beam_size}")
        if self.decoder == "greedy" and (self.language_model or self.n_best > 1 or self.hotwords or self.rescore):
            raise KerasRecipesError('language_model, n_best, hotwords and rescore need decoder="beam"')
        if not self.language_model:
            for name in ("lm_weight", "word_score", "hotwords"):
                if getattr(self, name):
                    raise KerasRecipesError(f'{name} needs a language_model, for instance "librispeech_small"')

    @property
    def name(self) -> str:
        """For tables: "greedy", "beam 50", "beam 50 + librispeech_small"."""
        if self.decoder == "greedy":
            return "greedy"
        helpers = [str(getattr(h, "name", h)) for h in (self.language_model, self.rescore) if h]
        return " + ".join([f"beam {self.beam_size}", *helpers])

    def filled(self, recipe: str, tuned: Mapping[str, Any] | None = None) -> "DecodingOptions":
        """With the weights that a recipe's manifest row names, or `tuned` in its place, where none are given."""
        if tuned is None:
            row = manifest.entries().get(recipe)
            tuned = row.decoder if row else {}
        tuned = {"lm_weight": 0.5, "word_score": 0.5} | dict(tuned)
        names = [n for n in ("lm_weight", "word_score") if getattr(self, n) is None]
        return replace(self, **{n: tuned[n] for n in names}) if self.language_model else self


def make_decoder(model: Any, settings: DecodingOptions) -> Callable[..., Transcript]:
    """`decode(scores, frame_seconds=..., offset=..., duration=...) -> Transcript` for a recogniser's scores.

    Raises:
        KerasRecipesError, DataError: as `Decoding` and `LexiconDecoder` do, and for a beam without a language model where
            the criterion has transitions.
    """
    if settings.decoder == "greedy":
        return lambda scores, **times: model.criterion.decode(scores, model.alphabet, **times)
    if settings.rescore:
        from kerasrecipes.decoding.rescoring import rescore

        judge = get_rescorer(settings.rescore)
        many = replace(settings, rescore=None, n_best=min(max(settings.n_best, RESCORE_TOP_N), settings.beam_size))
        decode = make_decoder(model, many)
        return lambda scores, **times: rescore(
            decode(scores, **times), judge, settings.rescore_weight or 0.0, settings.n_best
        )  # fmt: skip
    transitions = model.criterion.transitions()
    if settings.language_model:
        settings = settings.filled(model.recipe.name, getattr(model, "decoder_settings", None))
        decoder = lexicon_decoder(model, settings, transitions)
        return lambda scores, **times: decoder(scores, settings.n_best, **times)
    if transitions is not None:
        raise KerasRecipesError(
            f"{model.name} has transitions instead of a blank: its best path is exact (greedy); a beam search needs a "
            'language_model, for instance "librispeech_small"'
        )
    return lambda scores, **times: beam_search(scores, model.alphabet, settings.beam_size, settings.n_best, **times)


def get_rescorer(named: Any) -> Any:
    """The language model that a name means, or the loaded one itself.

    Raises:
        KerasRecipesError: it is of another task.
    """
    judge = load_rescorer(named) if isinstance(named, str) else named
    if not hasattr(judge, "log_probabilities"):
        raise KerasRecipesError(
            f"rescore={judge.name}: only a language model can rank texts (kerasrecipes list 'char*')"
        )
    return judge


@lru_cache(1)
def load_rescorer(name: str) -> Any:
    """The recipe with its weights; kept here, for an attribute of the recogniser would become part of its network."""
    from kerasrecipes import loading

    return loading.load(name, compile=False, engine="auto")


def lexicon_decoder(model: Any, settings: DecodingOptions, transitions: np.ndarray | None) -> Any:
    """The `LexiconDecoder` of settings; the model keeps the last lexicon, a hundred megabytes."""
    from kerasrecipes.decoding import lexicon_beam_search, ngram_lm

    weights = {"lm_weight": settings.lm_weight or 0.0, "word_score": settings.word_score or 0.0}
    hot = settings.hotwords if isinstance(settings.hotwords, Mapping) else {}  # always: made so when they were given
    bonus = lexicon_beam_search.hotword_bonuses(hot, model.alphabet, weights["lm_weight"])
    path = ngram_lm.ngram_path(settings.language_model or "")
    key = (path, path.stat().st_mtime_ns, tuple(sorted(bonus.items())))
    if getattr(model, "_lexicon", (None,))[0] != key:
        model._lexicon = (key, lexicon_beam_search.LexiconTrie(path, model.alphabet, bonus))
    return lexicon_beam_search.LexiconDecoder(
        model._lexicon[1], transitions, beam_size=settings.beam_size, token_beam=settings.token_beam,
        threshold=settings.threshold, **weights,
    )  # fmt: skip


def beam_search(
    logits: np.ndarray, alphabet: Alphabet, beam_size: int = 50, n_best: int = 1, *, frame_seconds: float = 0.0,
    offset: float = 0.0, duration: float | None = None,
) -> Transcript:  # fmt: skip
    """The likeliest text without a language model; times are those of its best alignment.

    Args:
        logits, alphabet, frame_seconds, offset, duration: as in `decoding.greedy`.
        beam_size, n_best: of `prefix_beam_search`.

    Returns:
        The best, with the others in `alternatives`.
    """
    frames = check_logits(logits, alphabet)
    duration = offset + frames * frame_seconds if duration is None else duration
    if frames == 0:
        return Transcript("", duration=duration)
    log_p = log_softmax(logits)
    readings: dict[str, Transcript] = {}  # some hypotheses differ in spaces alone, which no text shows
    for hypothesis in prefix_beam_search(log_p, beam_size, beam_size if n_best > 1 else 1):
        if len(readings) == n_best:
            break
        lattice = ctc_alignment_graph(np.array(hypothesis.numbers, "int64"))
        path = lattice.columns[viterbi_align(log_p, lattice)]
        trust = np.exp(log_p[np.arange(frames), path])
        said = path_to_transcript(path, trust, alphabet, frame_seconds, offset, duration)
        readings.setdefault(said.text, replace(said, score=hypothesis.score))
    first, *others = readings.values()
    return replace(first, alternatives=tuple(others))
