"""Checkpoints that others published for the networks of recipes: one JSON file each in `weights_manifest/public/`.

They do not belong to this package. A row says where a file is, its license, its hash where its authors gave one, and their
figures.
"""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest

NAME = re.compile(r"[a-z0-9_]+")
ADDRESS = re.compile(r"https?://[!-~]+")
HASHES = {"sha256": 64, "sha1": 40, "md5": 32, "git": 40}  # name -> hexadecimal digits; "git" is the name of a blob in git
PINNED = "the first download is pinned"
MAX_ROW_BYTES = 100_000


@dataclass(frozen=True)
class PublicCheckpoint:
    """A checkpoint that somebody else published.

    Args:
        name: Name that `load` takes.
        recipe: Recipe whose network it is.
        title: What it is, in a few words.
        kind: Kind of the file, a key of `checkpoint_readers.READERS`.
        address: Address of the file.
        file: Name of the file in the cache.
        max_bytes: Largest size that the file may have.
        license: What its authors say about its use.
        source: Where address, license and figures stand: a repository at a commit, or a page.
        size: Size in bytes, None if it is not public.
        hash: {"algorithm": a key of `HASHES`, "value": its hexadecimal digits}, or None: then `note` is `PINNED`, and the
            hash of the first download is kept beside the file and compared from then on.
        note: What else there is to know.
        config: Changes to the recipe's configuration, beside those of the layout.
        claims: Figures of its authors, who measured them: {"dataset", "metric", "value", "source"}.
        tested: How the conversion was tested here.
    """

    name: str
    recipe: str
    title: str
    kind: str
    address: str
    file: str
    max_bytes: int
    license: str
    source: str
    size: int | None = None
    hash: Mapping[str, str] | None = None
    note: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    claims: tuple[Mapping[str, Any], ...] = ()
    tested: str = ""

    def __post_init__(self) -> None:
        problems = []
        if not all(NAME.fullmatch(name) for name in (self.name, self.recipe, self.kind)):
            problems.append("name, recipe and kind are lower-case letters, digits and _")
        if not manifest.FILE_NAME.fullmatch(self.file) or not ADDRESS.fullmatch(self.address):
            problems.append("file is a plain file name, and address begins with http:// or https://")
        if type(self.max_bytes) is not int or not 1 <= (self.size or 1) <= self.max_bytes <= manifest.MAX_FILE_BYTES:
            problems.append(f"size and max_bytes are numbers of bytes up to {manifest.MAX_FILE_BYTES}")
        if self.hash is None and self.note != PINNED:
            problems.append(f"note is {PINNED!r} where hash is null")
        if self.hash is not None:
            digits = HASHES.get(self.hash.get("algorithm", ""), 0)
            if set(self.hash) != {"algorithm", "value"} or not re.fullmatch(f"[0-9a-f]{{{digits}}}", self.hash["value"]):
                problems.append(f"hash has an algorithm of {', '.join(HASHES)} and a value of as many digits as that has")
        if problems:
            raise KerasRecipesError(f"{self.name!r} is no valid row of a public checkpoint: {'; '.join(problems)}")


def public_folder() -> Path:
    """Return the folder of the rows."""
    return manifest.manifest_folder() / "public"


def read_row(path: Path) -> PublicCheckpoint:
    """Read a row.

    Raises:
        KerasRecipesError: It is not JSON, a key is missing or unknown, or a value is not valid.
    """
    try:
        with open(path, "rb") as file:
            values = json.loads(file.read(MAX_ROW_BYTES))
        keywords: dict[str, Any] = {k: tuple(v) if k == "claims" else v for k, v in values.items()}
        return PublicCheckpoint(**keywords)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        names = ", ".join(each.name for each in fields(PublicCheckpoint))
        raise KerasRecipesError(f"{path} is no row of a public checkpoint ({error}); its keys are {names}") from error


@functools.cache
def public_checkpoints() -> dict[str, PublicCheckpoint]:
    """Return the rows by name.

    Raises:
        KerasRecipesError: A file is not valid or is not named after its checkpoint.
    """
    rows = {}
    for path in sorted(public_folder().glob("*.json")):
        row = read_row(path)
        if row.name != path.stem:
            raise KerasRecipesError(f"{path} is the row of {row.name}: rename it to {row.name}.json")
        rows[row.name] = row
    return rows


def checkpoints_of(recipe: str) -> list[str]:
    """Return the names of the public checkpoints of a recipe."""
    return [name for name, row in public_checkpoints().items() if row.recipe == recipe]
