"""The version of the metadata in exported files, and the names that they share."""

from dataclasses import dataclass

METADATA_VERSION = 1  # rises when a file needs a newer kerasrecipes
LOGITS_OUTPUT = "logits"  # name of the output that every file has


@dataclass(frozen=True)
class ExportedRecipe:
    """The recipe of an exported file, with the attributes of `Recipe` that an engine needs."""

    name: str
    task: str
