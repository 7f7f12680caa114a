"""Networks of the recipes, each built once for all pages."""

import functools
from typing import Any

from kerasrecipes.release import model_card


@functools.cache
def build_skeleton(name: str) -> Any:
    """Return the model with shapes and without weights."""
    return model_card.build_without_weights(name)


@functools.cache
def collect_facts(name: str) -> dict[str, str]:
    """Return the rows of the model card that need the network."""
    return model_card.compute_model_facts(name, build_skeleton(name))
