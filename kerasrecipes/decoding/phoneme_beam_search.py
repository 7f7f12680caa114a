r"""Beam search for phonemes with a phoneme language model.

The search maximizes, over the paths through all frames,

    sum of logits + sum of transitions + lm_weight * log p(phonemes) + word_score * phonemes

where a run of one phoneme counts as one phoneme. Logits and transitions are those of the CRF (`losses/crf.py`). With a
frame-wise softmax, the transitions are zero. Silence belongs to no history of the language model and adds nothing to the last
two terms. Without them and with a wide beam, the path is the Viterbi path.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasrecipes.decoding.greedy import check_logits
from kerasrecipes.decoding.ngram_lm import ngram_path
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.phoneme_ngrams import PhonemeNgrams, drop_first, read_phoneme_ngrams
from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.decoding.phoneme_transcript import phoneme_transcript
from kerasrecipes.decoding.search_weights import choose_beam_size, choose_search_weights
from kerasrecipes.decoding.symbol_priors import get_tuned_settings
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.results import Transcript

BEAM_THRESHOLD = 12.0  # nats
UNSUPPORTED_OPTIONS = ("nbest", "hotwords", "rescorer")
FIRST_CAPACITY = 1024  # histories for which a table has room at first
MAX_HISTORIES = 1 << 17  # that are kept from frame to frame, in some 40 MB
SETTLE_FRAMES = 1000  # after so many frames, the path that all hypotheses share is settled, so that hours take little memory
SMALLEST = -20.0  # log probability of a phoneme that the language model lacks

Survivors = list[tuple[np.ndarray, np.ndarray]]  # columns and parents of the hypotheses of each frame


class HistoryTable:
    """Histories of a language model as row numbers, which the search meets one after another.

    Attributes:
        log_probs: (capacity, phonemes) float32, the log probability of each phoneme after each history.
        followers: (capacity, phonemes) int32, the row after one more phoneme. -1 until it is needed.
    """

    def __init__(self, ngrams: PhonemeNgrams):
        self.ngrams = ngrams
        self.clear()

    def clear(self) -> None:
        """Forget all histories."""
        ngrams = self.ngrams
        self.histories: list[int] = []
        self.rows: dict[int, int] = {}
        self.log_probs = np.empty((FIRST_CAPACITY, len(ngrams.symbols)), "float32")
        self.followers = np.full((FIRST_CAPACITY, len(ngrams.symbols)), -1, "int32")

    def get_row(self, history: int) -> int:
        """Return the row of a history, which is added if it is new."""
        if history in self.rows:
            return self.rows[history]
        if history:  # its values are those of the history without its first phoneme, where nothing else is listed
            shorter = self.get_row(drop_first(history))
            values = self.log_probs[shorter] + self.ngrams.get_backoff(history)
        else:
            values = np.full(self.log_probs.shape[1], SMALLEST, "float32")
        columns, log_probs = self.ngrams.get_listed(history)
        values[columns] = log_probs
        row = self.rows[history] = len(self.histories)
        self.histories.append(history)
        if row == len(self.log_probs):
            self.log_probs = np.concatenate([self.log_probs, np.empty_like(self.log_probs)])
            self.followers = np.concatenate([self.followers, np.full_like(self.followers, -1)])
        self.log_probs[row] = values
        return row

    def keep(self, rows: np.ndarray) -> np.ndarray:
        """Forget all histories but those of some rows, and return their new rows."""
        histories = [self.histories[row] for row in rows]
        self.clear()
        return np.array([self.get_row(history) for history in histories])

    def follow(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the rows after one more phoneme each."""
        for i in np.flatnonzero(self.followers[rows, columns] < 0):
            row, column = int(rows[i]), int(columns[i])
            target = self.get_row(self.ngrams.extend(self.histories[row], column))  # may replace `followers`
            self.followers[row, column] = target
        return self.followers[rows, columns]


class PhonemeBeamSearch:
    """The search with one language model and one set of weights, for one thread.

    Args:
        ngrams: Language model.
        phonemes: Phonemes of the logits' columns.
        lm_weight: Weight of the language model's log probability.
        word_score: Nats added for every phoneme.
        beam_size: Number of hypotheses that survive a frame.
        beam_threshold: Nats below the best within which a hypothesis survives.
    """

    def __init__(
        self, ngrams: PhonemeNgrams, phonemes: PhonemeSet, *, lm_weight: float, word_score: float, beam_size: int,
        beam_threshold: float,
    ):  # fmt: skip
        self.table = HistoryTable(ngrams)
        self.is_spoken = np.array([symbol not in phonemes.silences for symbol in phonemes.symbols])
        self.lm_weight, self.word_score = lm_weight, word_score
        self.beam_size, self.beam_threshold = beam_size, beam_threshold

    def __call__(self, logits: np.ndarray, transitions: Any = None) -> np.ndarray:
        """Return the columns (frames,) of the best path.

        Args:
            logits: (frames, phonemes).
            transitions: (phonemes, phonemes) scores from row to column. Default: zeros.
        """
        frames, size = logits.shape
        if not frames:
            return np.zeros(0, "int64")
        transitions = np.zeros((size, size)) if transitions is None else np.asarray(transitions, "float64")
        rows = np.array([self.table.get_row(self.table.ngrams.start)])
        columns, scores = np.array([-1]), np.zeros(1)  # one hypothesis before the first frame, without a phoneme
        survivors: Survivors = []
        settled: list[np.ndarray] = []  # parts of the path that all hypotheses share
        for frame in logits.astype("float64"):
            new_phonemes = self.lm_weight * self.table.log_probs[rows] + self.word_score
            candidates = scores[:, None] + frame + np.where(self.is_spoken, new_phonemes, 0.0)
            if survivors:
                candidates += transitions[columns]
                stay = np.arange(len(columns)), columns
                candidates[stay] = scores + frame[columns] + transitions[columns, columns]
            rows, columns, scores, parents = self.select_survivors(candidates, rows, columns)
            survivors.append((columns.astype("int16"), parents.astype("int32")))
            if len(self.table.histories) > MAX_HISTORIES:
                rows = self.table.keep(rows)
            if len(survivors) % SETTLE_FRAMES == 0:
                count, ancestor = find_common_ancestor(survivors)
                settled.append(trace_path(survivors[:count], ancestor))
                del survivors[:count]
        return np.concatenate([*settled, trace_path(survivors, int(scores.argmax()))])

    def select_survivors(
        self, candidates: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return rows, columns, scores and parents of the hypotheses that survive a frame, the best first.

        Of hypotheses with the same history and phoneme only the best survives.

        Args:
            candidates: (hypotheses, phonemes) scores of each hypothesis with each next phoneme.
            rows: (hypotheses,) rows of their histories.
            columns: (hypotheses,) their phonemes.
        """
        size, flat = candidates.shape[1], candidates.ravel()
        places = np.flatnonzero(flat >= flat.max() - self.beam_threshold)
        if len(places) > 2 * self.beam_size:  # few are the same hypothesis, and each needs a row
            places = places[np.argpartition(-flat[places], 2 * self.beam_size)[: 2 * self.beam_size]]
        places = places[np.argsort(-flat[places], kind="stable")]
        parents, new_columns = places // size, places % size
        new_rows = rows[parents]
        begins = (new_columns != columns[parents]) & self.is_spoken[new_columns]
        new_rows[begins] = self.table.follow(new_rows[begins], new_columns[begins])
        _, firsts = np.unique(new_rows.astype("int64") * size + new_columns, return_index=True)
        kept = np.sort(firsts)[: self.beam_size]
        return new_rows[kept], new_columns[kept], flat[places[kept]], parents[kept]


def find_common_ancestor(survivors: Survivors) -> tuple[int, int]:
    """Return the number of first frames that all hypotheses share, and their hypothesis at the last of these frames."""
    hypotheses = np.arange(len(survivors[-1][0]))
    for frame in range(len(survivors) - 1, 0, -1):
        hypotheses = np.unique(survivors[frame][1][hypotheses])
        if len(hypotheses) == 1:
            return frame, int(hypotheses[0])
    return 0, 0


def trace_path(survivors: Survivors, hypothesis: int) -> np.ndarray:
    """Return the columns (frames,) of the path that ends in a hypothesis of the last frame."""
    path = np.empty(len(survivors), "int64")
    for frame in range(len(survivors) - 1, -1, -1):
        columns, parents = survivors[frame]
        path[frame], hypothesis = columns[hypothesis], int(parents[hypothesis])
    return path


def make_phoneme_beam_decoder(model: Any, options: DecodingOptions) -> Callable[..., Transcript]:
    """Search for phonemes with a phoneme language model, which the model keeps. Two threads have a search each.

    Raises:
        KerasRecipesError: There is no language model, or an option is for recognizers of words.
        DataError: The language model cannot be read, or has other phonemes.
    """
    defaults = DecodingOptions()
    if words_only := [name for name in UNSUPPORTED_OPTIONS if getattr(options, name) != getattr(defaults, name)]:
        raise KerasRecipesError(f"{' and '.join(words_only)}: for recognizers of words, {model.name} writes phonemes")
    if not options.language_model:
        raise KerasRecipesError(
            f'decoder="beam" of {model.name} needs a language_model, for instance "phonemes_small"; without one, '
            f'decoder="{model.criterion.default_decoder}" finds the best phonemes'
        )
    path = ngram_path(options.language_model)
    weights = choose_search_weights(model, options)
    settings: dict[str, Any] = {
        "lm_weight": weights["lm_weight"], "word_score": weights["word_score"], "beam_size": choose_beam_size(model, options),
        "beam_threshold": options.beam_threshold or get_tuned_settings(model).get("beam_threshold", BEAM_THRESHOLD),
    }  # fmt: skip
    key = (path, path.stat().st_mtime_ns)
    if getattr(model, "_phoneme_ngrams", (None,))[0] != key:
        model._phoneme_ngrams = (key, read_phoneme_ngrams(path, model.alphabet))
    search = PhonemeBeamSearch(model._phoneme_ngrams[1], model.alphabet, **settings)

    def decode(logits: np.ndarray, **times: Any) -> Transcript:
        check_logits(logits, model.alphabet)
        path = search(logits, model.criterion.transition_matrix())
        return phoneme_transcript(path, model.criterion.posteriors(logits), model.alphabet, ipa=options.ipa, **times)

    return decode
