"""Settings of the decoders that turn logits into text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerasrecipes.decoding.pauses import PAUSE_SECONDS
from kerasrecipes.errors import KerasRecipesError

REJECTION_COST = 2.0  # nats
HOTWORD_BONUS = {"beam": 10.0, "lexicon": 5.0}  # nats. In "beam" a word that the language model does not know costs 10


@dataclass(frozen=True)
class DecodingOptions:
    """Settings of a decoder.

    Args:
        decoder: A name in `DECODERS`. Default: the recipe's language model decides, see `choose_decoder`.
        language_model: N-gram model of words: a bundled name ("librispeech_small") or the path of an ARPA or KenLM file. Phoneme
            recognizers take one of phonemes: "phonemes_small" or the path of an ARPA file.
        beam_size: Number of texts that survive a frame. Default: with a language model the recipe's, else 500; without one 50.
        lm_weight: Weight of the language model's log probability. Default: tuned for the recipe (its manifest row).
        word_score: Nats added for every word, or for every phoneme of a phoneme recognizer. Default: tuned for the recipe.
        prior_weight: Power of the symbols' priors that divides the network's posteriors before the search with a language
            model. Default: tuned for the recipe.
        nbest: Number of hypotheses to return: the best, and `nbest - 1` more in its `alternatives`.
        hotwords: Expected words: a list, or a mapping to the nats that each adds (default 10, with decoder="lexicon" 5).
            Needs a language model. Words that it does not know are added. Different bonuses need decoder="lexicon".
        rescorer: A loaded character language model that ranks the best 20 hypotheses again.
        rescore_weight: Weight of its log probability. Default: 0.5, with a `language_model` 0.1.
        beam_size_token: Number of symbols that decoder="lexicon" tries at every frame.
        beam_threshold: Nats below the best within which a text is followed with a language model. Default: the recipe's, else 12.
            With decoder="lexicon" 20.
        pause_seconds: So many seconds without a letter end a word, with every decoder. 0 lets words span pauses.
        phrases: Closed list of phrases. The transcript holds those that were said, and nothing else.
        rejection_cost: Nats that each frame of a letter outside the phrases pays (see `decode_phrases`). Default 2. More of
            it writes more phrases that were not said, less of it misses more. Infinity takes all speech for phrases.
        ipa: Write the International Phonetic Alphabet. Phoneme recognizers only.

    Raises:
        KerasRecipesError: The combination makes no sense. The message says why.
    """

    decoder: str | None = None
    language_model: str | None = None
    beam_size: int | None = None
    lm_weight: float | None = None
    word_score: float | None = None
    prior_weight: float | None = None
    nbest: int = 1
    hotwords: Mapping[str, float | None] | Sequence[str] = ()
    rescorer: Any = None
    rescore_weight: float | None = None
    beam_size_token: int = 12
    beam_threshold: float | None = None
    pause_seconds: float = PAUSE_SECONDS
    phrases: Sequence[str] = ()
    rejection_cost: float = REJECTION_COST
    ipa: bool = False

    def __post_init__(self):
        if not isinstance(self.hotwords, Mapping):
            if isinstance(self.hotwords, str):
                raise KerasRecipesError(f"hotwords is a list of words, or a mapping to nats: [{self.hotwords!r}]")
            object.__setattr__(self, "hotwords", dict.fromkeys(self.hotwords))
        for name in ("beam_size", "nbest", "beam_size_token"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise KerasRecipesError(f"{name} must be at least 1, is {getattr(self, name)}")
        for name in ("pause_seconds", "rejection_cost"):
            if not getattr(self, name) >= 0:
                raise KerasRecipesError(f"{name} must be 0 or more, is {getattr(self, name)}")
        if isinstance(self.phrases, str):
            raise KerasRecipesError(f"phrases is a list: [{self.phrases!r}]")

    def hotword_bonuses(self, decoder: str) -> dict[str, float]:
        """Return the nats that each hotword adds in a decoder."""
        pairs = self.hotwords.items() if isinstance(self.hotwords, Mapping) else ()  # always a mapping after __post_init__
        return {word: HOTWORD_BONUS[decoder] if nats is None else nats for word, nats in pairs}

    @property
    def name(self) -> str:
        """Label for tables: "greedy", "beam 50", "beam 500 + librispeech_small"."""
        if self.decoder not in ("beam", "lexicon"):
            return str(self.decoder)
        models = [str(getattr(m, "name", m)) for m in (self.language_model, self.rescorer) if m]
        return " + ".join([f"{self.decoder} {self.beam_size}", *models])
