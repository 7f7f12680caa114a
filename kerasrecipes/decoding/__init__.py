"""From logits to text."""

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.decoders import DECODERS
from kerasrecipes.decoding.greedy import greedy_decode
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.prefix_search import beam_search, prefix_beam_search
from kerasrecipes.decoding.viterbi import viterbi_decode

__all__ = [
    "DECODERS", "Alphabet", "DecodingOptions", "beam_search", "greedy_decode", "prefix_beam_search", "viterbi_decode",
]  # fmt: skip
