"""Decoding restricted to a closed list of phrases, with a garbage path that takes all other speech.

The search is Viterbi's over a tree of the phrases' letters, a gap between words, and other speech. In other speech each frame has
its best symbol and pays for letters, so a phrase must explain the audio almost as well as the letters that the network itself
prefers (a keyword against a filler: Rose & Paul, ICASSP 1990). Phrases begin in a gap and end with one.

After `PAUSE_SECONDS` without a letter of a phrase, everything before is final. The decision depends on the frames alone, so a stream
and the whole recording give the same phrases.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import check_logits, log_softmax, path_to_transcript
from kerasrecipes.decoding.options import REJECTION_COST, DecodingOptions
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.results import Transcript

PAUSE_SECONDS = 1.0
MAX_PHRASES = 10_000
LOG_ZERO = -1e30
State = tuple[str, int]  # its kind, and the number of the node in the tree
MISSING_SPACE_COSTS = 3  # times the rejection cost
GAP, OTHER = ("gap", 0), ("other", 0)  # between words, and in speech that is no phrase


class FramePath(NamedTuple):
    """Columns (frames,) and their probabilities (frames,)."""

    columns: np.ndarray
    probabilities: np.ndarray


def join_paths(*paths: FramePath) -> FramePath:
    """Return one path after the other."""
    empty = FramePath(np.zeros(0, "int64"), np.zeros(0))
    return FramePath(*(np.concatenate(parts) for parts in zip(empty, *paths, strict=True)))


class PhraseTree:
    """Phrases as a tree of letters, in which equal beginnings stand once.

    Args:
        phrases: Phrases, or single words. They are normalized as transcripts are.
        alphabet: Alphabet of a CTC recognizer.

    Raises:
        KerasRecipesError: The list is empty, too long or a text, or a phrase has no letters.
        DataError: A phrase has characters outside the alphabet.
    """

    def __init__(self, phrases: Sequence[str], alphabet: Alphabet):
        if isinstance(phrases, str) or not phrases or len(phrases) > MAX_PHRASES:
            raise KerasRecipesError(f"phrases is a list of 1 to {MAX_PHRASES} phrases, for instance ['lights on', 'lights off']")
        self.symbols: list[int] = []
        self.parents: list[int] = []
        self.ends: list[bool] = []
        children: dict[tuple[int, int], int] = {}
        for phrase in phrases:
            labels = alphabet.encode(phrase).tolist()
            if not labels:
                raise KerasRecipesError(f"The phrase {phrase!r} has no letters: leave it out")
            node = -1
            for label in labels:
                if (node, label) not in children:
                    children[node, label] = len(self.symbols)
                    self.symbols.append(label)
                    self.parents.append(node)
                    self.ends.append(False)
                node = children[node, label]
            self.ends[node] = True


class PhraseSearch:
    """The best way through the phrases for frames that arrive in portions of any size.

    Args:
        tree: The phrases.
        alphabet: Alphabet of the logits' columns.
        rejection_cost: Nats that each frame of other speech pays which is not a blank or a space.
        pause_frames: So many frames without a letter of a phrase make what is before final.
    """

    def __init__(
        self, tree: PhraseTree, alphabet: Alphabet, rejection_cost: float = REJECTION_COST, pause_frames: int = 25
    ):  # fmt: skip
        self.rejection_cost, self.pause_frames = rejection_cost, pause_frames
        self.space = alphabet.symbols.index(" ") + 1 if " " in alphabet.symbols else 0  # the blank in an alphabet without one
        self.letters = [i for i in range(alphabet.vocab_size) if i not in (0, self.space)]
        self.columns, parents = np.array(tree.symbols), np.array(tree.parents)
        self.is_first, self.parents = parents < 0, np.maximum(parents, 0)
        # after the same letter, a letter needs a blank between
        self.is_repeat = ~self.is_first & (self.columns[self.parents] == self.columns)
        self.ends = np.flatnonzero(tree.ends)
        self._final: list[FramePath] = []
        self._start()

    def _start(self) -> None:
        """Begin in a gap between words."""
        self._label, self._blank = np.full((2, len(self.columns)), LOG_ZERO)  # scores of the states of each node
        self._gap, self._other = 0.0, LOG_ZERO
        self._idle_frames = 0
        self._frames: list[np.ndarray] = []
        self._origins: list[tuple[np.ndarray, np.ndarray, State, State]] = []  # of labels, blanks, the gap and other speech

    def advance(self, log_probs: np.ndarray) -> None:
        """Take the next frames (frames, symbols), log probabilities whose column 0 is the blank."""
        for frame in log_probs:
            self._advance_frame(frame)
            is_idle = max(self._gap, self._other, self._blank.max()) >= self._label.max()
            self._idle_frames = self._idle_frames + 1 if is_idle else 0
            if self._idle_frames >= self.pause_frames:
                self._final.append(self.best_path(is_final=True))
                self._start()

    def take_final_path(self) -> FramePath:
        """Return the path of the final frames since the last call."""
        paths, self._final = self._final, []
        return join_paths(*paths)

    def best_path(self, is_final: bool = False) -> FramePath:
        """Return the path of the frames that are not final. Other speech is the blank, and a space follows each phrase.

        Args:
            is_final: The path ends in a pause, so that its last frame is the space after a phrase.
        """
        score, state = self._best_end()
        state = max((self._gap, GAP), (self._other, OTHER), (score, state))[1]
        is_final = is_final and state not in (GAP, OTHER)
        columns: list[int] = []
        for label_origin, blank_origin, gap_origin, other_origin in reversed(self._origins):
            kind, node = state
            if state == GAP:
                columns.append(self.space if gap_origin not in (GAP, OTHER) else 0)
                state = gap_origin
            elif state == OTHER:
                columns.append(0)
                state = other_origin
            elif kind == "blank":
                columns.append(0)
                state = ("label", node) if blank_origin[node] else state
            else:
                columns.append(int(self.columns[node]))
                parent = int(self.parents[node])
                state = (state, ("label", parent), ("blank", parent), GAP)[label_origin[node]]
        columns.reverse()
        if is_final:
            columns[-1] = self.space
        probabilities = [np.exp(frame[column]) for frame, column in zip(self._frames, columns, strict=True)]
        return FramePath(np.array(columns, "int64"), np.array(probabilities, "float64"))

    def _advance_frame(self, frame: np.ndarray) -> None:
        silence = max(frame[0], frame[self.space])
        emission = np.where(self.columns == self.space, silence, frame[self.columns])  # the network may leave a space out
        ways = np.stack([
            self._label,
            np.where(self.is_first | self.is_repeat, LOG_ZERO, self._label[self.parents]),
            np.where(self.is_first, LOG_ZERO, self._blank[self.parents]),
            np.where(self.is_first, self._gap, LOG_ZERO),
        ])  # fmt: skip
        label_origin = ways.argmax(axis=0)
        blank_origin = self._label > self._blank
        end_score, end_state = self._best_end()
        rejected = frame[self.letters].max() - self.rejection_cost
        # without a space, a word ends at a price at which no part of a longer word becomes a phrase
        space = max(frame[self.space], frame[0] - MISSING_SPACE_COSTS * self.rejection_cost)
        gap, gap_origin = max((self._gap + silence, GAP), (self._other + space, OTHER), (end_score + space, end_state))
        other, other_origin = max((self._gap + rejected, GAP), (self._other + max(frame[0], rejected), OTHER))
        self._blank = np.maximum(self._blank, self._label) + frame[0]
        self._label = np.take_along_axis(ways, label_origin[None], 0)[0] + emission
        self._gap, self._other = gap, other
        self._frames.append(frame)
        self._origins.append((label_origin.astype("int8"), blank_origin, gap_origin, other_origin))

    def _best_end(self) -> tuple[float, State]:
        """Return the score of the best state at the end of a phrase, and this state."""
        scores = np.stack([self._label[self.ends], self._blank[self.ends]])
        kind, number = np.unravel_index(scores.argmax(), scores.shape)
        return float(scores[kind, number]), (("label", "blank")[kind], int(self.ends[number]))


def decode_phrases(
    logits: np.ndarray, alphabet: Alphabet, phrases: PhraseTree | Sequence[str], rejection_cost: float = REJECTION_COST,
    **times: Any,
) -> Transcript:  # fmt: skip
    """Return the phrases of a closed list that an utterance holds, in their order. Other speech gives nothing.

    Args:
        logits: (frames, symbols) logits or log probabilities. Column 0 is the blank.
        alphabet: Alphabet of the columns.
        phrases: Phrases that may be written, or their tree.
        rejection_cost: Nats that each frame of other speech pays which is not a blank or a space. Default 2. A higher cost
            writes more phrases that were not said, a lower one misses more. Infinity takes all speech for phrases.
        **times: `frame_seconds`, `offset` and `duration` as in `greedy_decode`.

    Raises:
        KerasRecipesError: See `PhraseTree` and `check_logits`.
        DataError: A phrase has characters outside the alphabet.

    Example:
        >>> decode_phrases(np.eye(4)[[1, 0, 2, 0, 3]] * 9, Alphabet("abc"), ["ab", "abc"]).text
        'abc'
    """
    tree = phrases if isinstance(phrases, PhraseTree) else PhraseTree(phrases, alphabet)
    check_logits(logits, alphabet)
    search = PhraseSearch(tree, alphabet, rejection_cost, count_pause_frames(times.get("frame_seconds")))
    search.advance(log_softmax(logits))
    path = join_paths(search.take_final_path(), search.best_path())
    return path_to_transcript(*path, alphabet, **times)


def count_pause_frames(frame_seconds: float | None) -> int:
    """Return the number of frames without a letter that end a phrase, 25 if the frames have no times."""
    return max(round(PAUSE_SECONDS / (frame_seconds or 0.04)), 2)


def make_phrase_decoder(model: Any, options: DecodingOptions) -> Callable[..., Transcript]:
    """Search for the phrases of a closed list. The entry "phrases" of the table of decoders."""
    tree = PhraseTree(options.phrases, model.alphabet)
    return lambda logits, **times: decode_phrases(logits, model.alphabet, tree, options.rejection_cost, **times)
