"""Each recipe's network, built once for all pages."""

import functools
from typing import Any

from kerasrecipes import card


@functools.cache
def skeleton(name: str) -> Any:
    """The model with shapes and no numbers."""
    return card.skeleton(name)


@functools.cache
def facts(name: str) -> dict[str, str]:
    """The rows of its card that need the network."""
    return card.facts(name, skeleton(name))
