"""YAML files of plain values, whose aliases cannot make a small file large."""

from pathlib import Path
from typing import Any

import yaml

from kerasrecipes.errors import DataError
from kerasrecipes.utils.text_files import read_text

MAX_VALUES = 100_000  # with those that aliases repeat
MAX_BRACKETS = 100  # that are open at one place: the time of PyYAML's scanner grows with their square


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's loader of plain values, with a limit on open brackets."""

    def fetch_flow_collection_start(self, token_class: Any) -> None:
        """Read an opening bracket."""
        if self.flow_level >= MAX_BRACKETS:
            raise yaml.YAMLError(f"more than {MAX_BRACKETS} brackets are open")
        super().fetch_flow_collection_start(token_class)


def read_yaml(path: str | Path) -> Any:
    """Return the plain values of a YAML file.

    Raises:
        DataError: The file holds too many values, for instance by aliases that double themselves, or contains itself.
        YAMLError: It is no YAML, or holds other than plain values.
    """
    loader = BoundedLoader(read_text(path))
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if count_values(root, {}) > MAX_VALUES:
            raise DataError(
                f"{path} holds more than {MAX_VALUES} values, with those that aliases (*NAME) repeat: write fewer"
            )
        return loader.construct_document(root)
    finally:
        loader.dispose()


def count_values(node: yaml.Node, counts: dict[int, int]) -> int:
    """Return the number of values in a node, each alias counted as what it repeats, and a node in itself as too many.

    Args:
        node: The node.
        counts: Numbers of values of the nodes so far, by `id`.
    """
    if id(node) not in counts:
        counts[id(node)] = MAX_VALUES + 1  # until its values are counted
        children = node.value if isinstance(node, yaml.CollectionNode) else ()
        pairs = (child if isinstance(child, tuple) else (child,) for child in children)
        total = 1 + sum(count_values(value, counts) for pair in pairs for value in pair)
        counts[id(node)] = min(total, MAX_VALUES + 1)
    return counts[id(node)]
