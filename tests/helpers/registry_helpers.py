"""Recipes for tests of the whole registry: the first of those that build the same network at test size."""

import json

from kerasrecipes.registry import all_recipes


def distinct(*tasks: str) -> list[str]:
    """Return the names of recipes of these tasks, each network once."""
    names: dict[tuple[str, str], str] = {}
    for name, recipe in all_recipes().items():
        if recipe.task in tasks:
            network = recipe.builder, json.dumps({**recipe.config, **recipe.tiny_config}, sort_keys=True, default=str)
            names.setdefault(network, name)
    return list(names.values())
