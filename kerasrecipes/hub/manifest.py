"""The record of released files.

`weights_manifest/` holds one JSON file per recipe, and in `language_models/` one per n-gram language model. The tests check
all of them against `schema.json`.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError, WeightsUnavailable
from kerasrecipes.utils.files import atomic_write

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parent


def manifest_folder() -> Path:
    """Return the folder of the entries: beside the package in a checkout, inside it in an installed wheel."""
    checkout = CHECKOUT / "weights_manifest"
    return checkout if checkout.is_dir() else PACKAGE / "_weights_manifest"


def weights_folder() -> Path:
    """Return the folder of the weight files that come with the code."""
    checkout = CHECKOUT / "weights"
    return checkout if checkout.is_dir() else PACKAGE / "_weights"


@dataclass(frozen=True)
class WeightsEntry:
    """A released weight file: its hash, training data and measured metrics.

    Args:
        recipe: Name of the recipe.
        tag: Name of the release.
        file: Name of the `.weights.h5` file.
        size: Its size in bytes.
        sha256: Its hash.
        bundled: Whether it comes with the package.
        license: License of the weights.
        data: Training sets: {name, hours, license, synthetic}.
        training: {config, seed, steps, hardware, commit, ...}.
        metrics: Measurements: {dataset, split, metric, value, ci_low, ci_high, decoder, command, date}.
        keras: Keras version that wrote the file, or None for an n-gram language model.
        hub: {"repo", "revision"}, or None if the file is not on the hub.
        model: Arguments of the model beside its recipe, for instance {"alphabet": ...}.
        decoder: Settings of the beam search tuned on validation data: {"lm_weight": ..., "word_score": ...}.
        onnx: ONNX file of the same weights: {"file", "size", "sha256", "weights"}, where "weights" is the hash of the
            weights it was made from. "step" in it describes the file that takes chunks: {"file", "size", "sha256"}.
            Empty if there is no ONNX file.
    """

    recipe: str
    tag: str
    file: str
    size: int
    sha256: str
    bundled: bool
    license: str
    data: tuple[Mapping[str, Any], ...]
    training: Mapping[str, Any]
    metrics: tuple[Mapping[str, Any], ...]
    keras: str | None
    hub: Mapping[str, str] | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    decoder: Mapping[str, Any] = field(default_factory=dict)
    onnx: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # the names become paths below the folders of weights and of the cache
        for name in (self.file, self.onnx.get("file", "x"), self.onnx.get("step", {}).get("file", "x")):
            if Path(name).name != name or name.startswith("."):
                raise KerasRecipesError(f"{self.recipe}: {name!r} must be a plain file name")


def from_dict(values: Any, source: str = "entry") -> WeightsEntry:
    """Build an entry from JSON values. `source` names them in errors.

    Raises:
        KerasRecipesError: A key is missing or unknown.
    """
    try:
        keywords: dict[str, Any] = {k: tuple(v) if k in ("data", "metrics") else v for k, v in values.items()}
        return WeightsEntry(**keywords)
    except (TypeError, AttributeError) as error:
        raise KerasRecipesError(f"{source} is no valid manifest entry: {error}") from error


def read_entry(path: Path) -> WeightsEntry:
    """Read the entry in a file.

    Raises:
        KerasRecipesError: It is not JSON, or a key is missing or unknown.
    """
    try:
        return from_dict(json.loads(path.read_text("utf-8")), path.name)
    except ValueError as error:  # no JSON, or no text
        raise KerasRecipesError(f"{path} is not JSON: {error}") from error


def entry_paths() -> list[Path]:
    """Return the files of all entries: of recipes, then of language models."""
    recipes = (p for p in manifest_folder().glob("*.json") if p.name != "schema.json")
    return [*sorted(recipes), *sorted(manifest_folder().glob("language_models/*.json"))]


@functools.cache
def entries() -> dict[str, WeightsEntry]:
    """Return the entries of recipes by name.

    Raises:
        KerasRecipesError: A file is not valid or is not named after its recipe.
    """
    return read_entries(manifest_folder())


@functools.cache
def language_models() -> dict[str, WeightsEntry]:
    """Return the entries of n-gram language models (read by KenLM) by name. Raises what `entries` raises."""
    return read_entries(manifest_folder() / "language_models")


def read_entries(folder: Path) -> dict[str, WeightsEntry]:
    rows = {}
    for path in (p for p in entry_paths() if p.parent == folder):
        row = read_entry(path)
        if row.recipe != path.stem:
            raise KerasRecipesError(f"{path} is the entry of {row.recipe}: rename it to {row.recipe}.json")
        rows[row.recipe] = row
    return rows


def get_entry(recipe: str) -> WeightsEntry:
    """Return the entry of a recipe.

    Raises:
        WeightsUnavailable: No weights are released for it; names the training command.
    """
    if recipe not in entries():
        raise WeightsUnavailable(
            f"{recipe} has no released weights. Train it: kerasrecipes train {recipe} --data librispeech:PATH; "
            "or start from random weights: load(..., weights=None)"
        )
    return entries()[recipe]


def to_json(row: WeightsEntry) -> str:
    """Return an entry as the text of its file."""
    return json.dumps(asdict(row), default=list, indent=1, ensure_ascii=False) + "\n"


def write_entry(row: WeightsEntry, path: Path | None = None) -> Path:
    """Write an entry to the file named after its recipe, and return the path."""
    path = path or manifest_folder() / ("" if row.keras else "language_models") / f"{row.recipe}.json"
    atomic_write(path, to_json(row))
    entries.cache_clear()
    language_models.cache_clear()
    return path
