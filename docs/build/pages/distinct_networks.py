"""Each recipe's network, built once for all pages."""

import functools
from typing import Any

from kerasrecipes.release import model_card


@functools.cache
def skeleton(name: str) -> Any:
    """The model with shapes and no numbers."""
    return model_card.build_without_weights(name)


@functools.cache
def facts(name: str) -> dict[str, str]:
    """The rows of its card that need the network."""
    return model_card.model_facts(name, skeleton(name))
