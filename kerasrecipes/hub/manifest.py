"""The record of released files.

`weights_manifest/` holds one JSON file per recipe, and in `language_models/` one per n-gram language model. The tests check
all of them against `schema.json`.
"""

import functools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError, WeightsUnavailable
from kerasrecipes.utils.files import atomic_write

MAX_ENTRY_BYTES = 1_000_000
MAX_FILE_BYTES = 100_000_000_000
MAX_CLASSES = 100_000
MAX_MODEL_NUMBER = 1_000_000  # of whatever a row says about its model, for instance of repetition symbols
MAX_DECODER_NUMBER = 10_000  # of settings of the beam search
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
REVISION = re.compile(r"[0-9a-f]{40}")
HASH = re.compile(r"[0-9a-f]{64}")

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
        data: Training sets: {name, hours, license, synthetic}, and {labelers} where teachers wrote the transcripts.
        training: {config, seed, steps, hardware, commit, ...}.
        metrics: Measurements: {dataset, split, metric, value, ci_low, ci_high, decoder, command, date}.
        keras: Keras version that wrote the file, or None for an n-gram language model.
        hub: {"repo", "revision"}, or None if the file is not on the hub.
        model: Arguments of the model beside its recipe, for instance {"alphabet": ...}.
        decoder: Settings of the beam search tuned on validation data: {"language_model", "lm_weight", "word_score",
            "prior_weight", "log_priors": {symbol: log of its prior}}, and "beam_size" and "beam_threshold" where they are not
            the usual ones.
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
        files = [vars(self), *((self.onnx, self.onnx.get("step", {})) if self.onnx else ())]
        # the names become paths below the folders of weights and of the cache
        for name in (self.recipe, *(entry["file"] for entry in files if "file" in entry)):
            if not isinstance(name, str) or not FILE_NAME.fullmatch(name):
                raise KerasRecipesError(f"{self.recipe!r}: {name!r} must be a plain file name")
        for entry in files:
            size = entry.get("size", 1)
            if type(size) is not int or not 1 <= size <= MAX_FILE_BYTES:
                raise KerasRecipesError(f"{self.recipe}: size {size!r} must be a number of bytes from 1 to {MAX_FILE_BYTES}")
            for key in ("sha256", "weights"):
                if key in entry and not (isinstance(entry[key], str) and HASH.fullmatch(entry[key])):
                    raise KerasRecipesError(f"{self.recipe}: {key} {entry[key]!r:.90} must be a hash of 64 hexadecimal digits")
        if self.hub and not (REPOSITORY.fullmatch(self.hub["repo"]) and REVISION.fullmatch(self.hub["revision"])):
            raise KerasRecipesError(f"{self.recipe}: hub {self.hub!r} must name a repository ORG/NAME and a revision of 40 digits")
        check_numbers(self.model.get("classes"), MAX_CLASSES, f"{self.recipe}: classes")
        check_numbers(self.model, MAX_MODEL_NUMBER, f"{self.recipe}: model")
        check_numbers(self.decoder, MAX_DECODER_NUMBER, f"{self.recipe}: decoder")


def check_numbers(value: Any, maximum: float, name: str) -> None:
    """Check the numbers in a JSON value, which become sizes of tables and numbers of steps.

    Raises:
        KerasRecipesError: One is larger than `maximum`, or is not finite.
    """
    if isinstance(value, int | float) and not (abs(value) <= maximum and math.isfinite(value)):
        raise KerasRecipesError(f"{name}: {value!r:.40} is too large: at most {maximum} is allowed")
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        check_numbers(item, maximum, f"{name}, {key}")


def from_dict(values: Any, source: str = "entry") -> WeightsEntry:
    """Build an entry from JSON values. `source` names them in errors.

    Raises:
        KerasRecipesError: A key is missing or unknown, or a value is not valid.
    """
    try:
        keywords: dict[str, Any] = {k: tuple(v) if k in ("data", "metrics") else v for k, v in values.items()}
        return WeightsEntry(**keywords)
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        cause = f"{error} is missing" if isinstance(error, KeyError) else error
        raise KerasRecipesError(f"{source} is no valid manifest entry: {cause}") from error


def read_entry(path: Path) -> WeightsEntry:
    """Read the entry in a file.

    Raises:
        KerasRecipesError: It is not JSON, it is longer than `MAX_ENTRY_BYTES`, a key is missing or unknown, or a value is not valid.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_ENTRY_BYTES + 1)
        if len(content) > MAX_ENTRY_BYTES:
            raise KerasRecipesError(f"{path} has more than {MAX_ENTRY_BYTES} bytes, which no manifest entry has")
        return from_dict(json.loads(content.decode()), path.name)
    except (ValueError, RecursionError) as error:  # no JSON, or no text
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
