"""CTC beam search with a word language model over an open vocabulary: ctc-beam-decoder with KenLM inside.

It maximizes log p(text | audio) + lm_weight * log p(text) + word_score * words (Deep Speech, arXiv 1412.5567, section 2.2),
where p(text | audio) sums the alignments of the text. With priors, a symbol of an alignment counts
p(symbol | frame) / p(symbol) ** prior_weight (`symbol_priors`). A word that the language model does not know costs 10 nats more
than its <unk>.

ctc-beam-decoder 0.2.0 scores a text with a space at its end as if an unknown word followed, so two frames are appended:
a space, and the end of the sentence as a symbol of its own. All texts then end alike, and the sum above is exact.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes._lazy import silent_libraries
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.forced_alignment import ctc_alignment_graph, viterbi_align
from kerasrecipes.decoding.greedy import check_logits, log_softmax, path_to_transcript
from kerasrecipes.decoding.lexicon_beam_search import lexicon_words
from kerasrecipes.decoding.search_windows import is_long, join_windows
from kerasrecipes.decoding.symbol_priors import divide_by_priors
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.results import Transcript, Word

UNKNOWN_WORD_SCORE = -10.0  # nats
END = "</s>"
NEVER = -40.0  # log probability of symbols that are not tried
MIN_SYMBOL_LOG_PROB = -6.0  # less likely symbols of a frame are not tried
WORDS_IN_BLOCK = 32  # words that are aligned at once, so that an hour takes linear time
INSTALL_HINT = (
    "ctc-beam-decoder has wheels for Linux on x86-64 with glibc 2.35, macOS on ARM and Windows on x86-64; elsewhere "
    'decoder="lexicon" searches with flashlight-text and kenlm: pip install "kerasrecipes[lm]"'
)


def is_installed() -> bool:
    """Return True if ctc-beam-decoder can be imported."""
    return find_spec("ctc_beam_decoder") is not None


class WordBeamDecoder:
    """The search with one language model and one set of weights. Building it takes some 0.2 s.

    Args:
        path: Path of the language model.
        alphabet: The recognizer's alphabet, with a blank and a space.
        lm_weight: Weight of the language model's log probability.
        word_score: Nats added for every word.
        prior_weight: Power of the symbols' priors that divides the posteriors.
        log_priors: Logarithms of these priors (symbols,). Default: no division.
        hotwords: Expected words. Their beginnings cost nothing, also if the model does not know the words.
        hotword_bonus: Nats added for each of them. A beginning of a hotword gets its share.
        beam_size: Number of texts that survive a frame.
        beam_threshold: Nats below the best within which a text is followed.

    Raises:
        KerasRecipesError: ctc-beam-decoder is missing or cannot be loaded, or the alphabet has no space.
        DataError: KenLM cannot read the file, or the alphabet can write no word of it.
    """

    def __init__(
        self, path: Path, alphabet: Alphabet, *, lm_weight: float, word_score: float, hotwords: Sequence[str] = (),
        hotword_bonus: float = 0.0, beam_size: int = 500, beam_threshold: float = 12.0, prior_weight: float = 0.0,
        log_priors: Sequence[float] | None = None,
    ):  # fmt: skip
        if " " not in alphabet.symbols:
            raise KerasRecipesError(f"A word language model needs an alphabet with a space, {alphabet} has none")
        self.alphabet, self.beam_size, self.beam_threshold = alphabet, beam_size, beam_threshold
        self.hotwords, self.hotword_bonus = list(hotwords), hotword_bonus
        self.prior_weight, self.log_priors = (prior_weight, log_priors) if log_priors else (0.0, ())
        vocabulary = lexicon_words(path, alphabet, sorted(hotwords))
        try:
            from ctc_beam_decoder import build_ctcdecoder

            with silent_libraries():
                self._decoder = build_ctcdecoder(
                    ["", *alphabet.symbols, END], kenlm_model_path=str(path), unigrams=[*vocabulary, END], alpha=lm_weight,
                    beta=word_score, unk_score_offset=UNKNOWN_WORD_SCORE,
                )  # fmt: skip
        except (ImportError, OSError) as error:  # OSError: the library does not fit the system
            raise KerasRecipesError(f"ctc-beam-decoder cannot be imported ({error}): {INSTALL_HINT}") from None
        except (RuntimeError, ValueError) as error:
            raise DataError(f"KenLM cannot read {path}: {str(error).splitlines()[-1].strip()}") from None

    def __call__(self, logits: np.ndarray, nbest: int = 1, **times: Any) -> Transcript:
        """Return the best hypothesis of one utterance, with `nbest - 1` more in `alternatives`.

        Args:
            logits: (frames, symbols). Symbol 0 is the blank.
            nbest: Number of hypotheses.
            **times: `frame_seconds`, `offset` and `duration` as in `greedy_decode`.
        """
        frames = check_logits(logits, self.alphabet)
        if frames == 0:
            return Transcript("", duration=times.get("duration") or 0.0)
        log_probs = log_softmax(logits, "float32")
        if nbest == 1 and is_long(frames, times.get("frame_seconds", 0.0)):
            words, _ = join_windows(self._find_words, log_probs, times["frame_seconds"])
            return align_to_transcript(log_probs, [(w.text, (int(w.start), int(w.end))) for w in words], self.alphabet, **times)
        transcripts: dict[str, Transcript] = {}
        for text, _, word_frames, _, score in self._search(log_probs, prune_history=nbest == 1):
            if text in transcripts:
                continue
            transcripts[text] = replace(align_to_transcript(log_probs, word_frames[:-1], self.alphabet, **times), score=score)
            if len(transcripts) == nbest:
                break
        best, *others = transcripts.values()
        return replace(best, alternatives=tuple(others))

    def _search(self, log_probs: np.ndarray, prune_history: bool) -> Any:
        """Return the hypotheses of ctc-beam-decoder, the best first."""
        frames, log_probs = len(log_probs), divide_by_priors(log_probs, self.log_priors, self.prior_weight)
        emissions = np.full((frames + 2, self.alphabet.vocab_size + 1), NEVER, "float32")
        emissions[:frames, :-1] = log_probs
        emissions[frames, 1 + self.alphabet.symbols.index(" ")] = emissions[frames + 1, -1] = 0.0
        return self._decoder.decode_beams(
            emissions, self.beam_size, -self.beam_threshold, MIN_SYMBOL_LOG_PROB, prune_history=prune_history,
            hotwords=self.hotwords, hotword_weight=self.hotword_bonus,
        )  # fmt: skip

    def _find_words(self, log_probs: np.ndarray, offset: float, frame_seconds: float) -> Transcript:
        """Return the words of one window, whose times are frames."""
        word_frames = self._search(log_probs, prune_history=True)[0][2][:-1]
        words = (Word(text, offset + frame_seconds * a, offset + frame_seconds * b, 1.0) for text, (a, b) in word_frames)
        return Transcript("", tuple(words))


def align_to_transcript(
    log_probs: np.ndarray, word_frames: Sequence[tuple[str, tuple[int, int]]], alphabet: Alphabet, **times: Any
) -> Transcript:
    """Return the transcript of the best alignment of words, see `align_words`."""
    path = align_words(log_probs, word_frames, alphabet)
    return path_to_transcript(path, np.exp(log_probs[np.arange(len(path)), path]), alphabet, **times)


def align_words(
    log_probs: np.ndarray, word_frames: Sequence[tuple[str, tuple[int, int]]], alphabet: Alphabet
) -> np.ndarray:
    """Return the symbol at every frame (frames,) of the best alignment of words whose frames are roughly known.

    Blocks of `WORDS_IN_BLOCK` words are aligned exactly, each within its own frames. If a block has too few frames, all words
    are aligned at once.

    Args:
        log_probs: (frames, symbols).
        word_frames: Words with their first frame and the frame after their last.
        alphabet: Alphabet of the symbols.
    """
    path = np.zeros(len(log_probs), "int64")
    cuts = [0]
    for index in range(WORDS_IN_BLOCK, len(word_frames), WORDS_IN_BLOCK):  # in the middle between two words
        cuts.append((word_frames[index - 1][1][1] + word_frames[index][1][0]) // 2)
    cuts.append(len(log_probs))
    for block, (start, end) in enumerate(pairwise(cuts)):
        first = block * WORDS_IN_BLOCK
        text = " ".join(word for word, _ in word_frames[first : first + WORDS_IN_BLOCK])
        try:
            path[start:end] = align_text(log_probs[start:end], f" {text}" if first else text, alphabet)
        except ValueError:
            return align_text(log_probs, " ".join(word for word, _ in word_frames), alphabet)
    return path


def align_text(log_probs: np.ndarray, text: str, alphabet: Alphabet) -> np.ndarray:
    """Return the symbol at every frame (frames,) of the best alignment of a text. Raises what `viterbi_align` raises."""
    graph = ctc_alignment_graph(alphabet.encode(text, normalize=False))
    return graph.columns[viterbi_align(log_probs, graph)]
