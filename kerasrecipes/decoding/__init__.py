"""From scores over time to text."""

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import greedy

__all__ = ["Alphabet", "greedy"]
