"""From scores over time to text."""

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import greedy
from kerasrecipes.decoding.viterbi import viterbi

__all__ = ["Alphabet", "greedy", "viterbi"]
