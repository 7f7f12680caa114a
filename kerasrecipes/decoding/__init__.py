"""From scores over time to text."""

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.beam import prefix_beam_search
from kerasrecipes.decoding.decoder import Decoding, beam
from kerasrecipes.decoding.greedy import greedy
from kerasrecipes.decoding.viterbi import viterbi

__all__ = ["Alphabet", "Decoding", "beam", "greedy", "prefix_beam_search", "viterbi"]
