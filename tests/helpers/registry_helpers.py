"""Which recipes tests over the registry need: of those that build the same network at test size, the first."""

import json

from kerasrecipes.registry import all_recipes


def distinct(*tasks: str) -> list[str]:
    """Names of the recipes of these tasks, each network once."""
    found: dict[tuple[str, str], str] = {}
    for name, recipe in all_recipes().items():
        if recipe.task in tasks:
            network = recipe.builder, json.dumps({**recipe.config, **recipe.tiny_config}, sort_keys=True, default=str)
            found.setdefault(network, name)
    return list(found.values())
