"""The description in an exported file: its version, and what a name in it is checked against."""

from dataclasses import dataclass

METADATA_VERSION = 1  # rises when a file needs a newer kerasrecipes
LOGITS_OUTPUT = "logits"  # the output that every file has


@dataclass(frozen=True)
class ExportedRecipe:
    """The recipe of an exported file, as far as an engine needs it: the names that `Recipe` has too."""

    name: str
    task: str
