"""The record of released files: one JSON row per recipe in `weights_manifest/`, one per word language model in its
folder `language_models/`; all checked against one schema."""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError, WeightsUnavailable

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parent


def manifest_folder() -> Path:
    """Where the rows lie: in a checkout beside the package, in an installed wheel inside it."""
    checkout = CHECKOUT / "weights_manifest"
    return checkout if checkout.is_dir() else PACKAGE / "_weights_manifest"


def weights_folder() -> Path:
    """Where weight files lie that came with the code."""
    checkout = CHECKOUT / "weights"
    return checkout if checkout.is_dir() else PACKAGE / "_weights"


@dataclass(frozen=True)
class WeightsEntry:
    """A row: which file belongs to a recipe, what it was trained on, and what it scored.

    Args:
        recipe, tag: whose weights, and which release of them.
        file, size, sha256: name, bytes and hash of the `.weights.h5`.
        bundled: whether the file comes with the package.
        license: of the weights.
        data: [{name, hours, license, synthetic}]. training: config, seed, steps, hours, hardware, commit.
        metrics: [{dataset, split, metric, value, low, high, decoder, command, date}].
        keras: version that wrote the file; None for a language model of words, which is no network.
        hub: {"repo", "revision"} or None. model: what the network needs beside its recipe: {"alphabet": ...}.
        decoder: settings of the beam search that were best on a tuning set: {"lm_weight": ..., "word_score": ...}.
        onnx: the same weights as an ONNX file: {"file", "size", "sha256", "weights"}, the last the `sha256` of the weights
            it was made from; {"step": {"file", "size", "sha256"}} in it is the file that takes pieces; empty where there is none.
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


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON schema of a row."""
    return json.loads((manifest_folder() / "schema.json").read_text("utf-8"))


def schema_errors(value: Any, rule: Mapping[str, Any], where: str = "row") -> list[str]:
    """What about `value` breaks the schema `rule`; understands the keywords that schema.json uses."""
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float), "integer": int, "null": type(None),
    }  # fmt: skip
    wanted = rule.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    fits = any(
        isinstance(value, kinds[k]) and not (isinstance(value, bool) and k in ("number", "integer")) for k in wanted
    )
    if wanted and not fits:
        return [f"{where} must be {' or '.join(wanted)}, is {value!r}"]
    found = []
    if isinstance(value, dict):
        found += [f"{where} lacks {key!r}" for key in rule.get("required", []) if key not in value]
        known = rule.get("properties", {})
        for key, item in value.items():
            if key in known:
                found += schema_errors(item, known[key], f"{where}.{key}")
            elif rule.get("additionalProperties") is False:
                found.append(f"{where} has the unknown key {key!r}")
    if isinstance(value, list):
        for i, item in enumerate(value):
            found += schema_errors(item, rule.get("items", {}), f"{where}[{i}]")
    if isinstance(value, str) and "pattern" in rule and not re.search(rule["pattern"], value):
        found.append(f"{where} must match {rule['pattern']}, is {value!r}")
    if isinstance(value, int | float) and value < rule.get("minimum", value):
        found.append(f"{where} must be at least {rule['minimum']}, is {value}")
    return found


def from_dict(values: dict[str, Any], where: str = "row") -> WeightsEntry:
    """A checked row.

    Raises:
        KerasRecipesError: it breaks the schema; every breach is named.
    """
    found = schema_errors(values, schema(), where)
    if found:
        raise KerasRecipesError(f"{where} is no valid manifest row: {'; '.join(found)}")
    checked: dict[str, Any] = {k: tuple(v) if k in ("data", "metrics") else v for k, v in values.items()}
    return WeightsEntry(**checked)


def read_entry(path: Path) -> WeightsEntry:
    """The row in a file."""
    try:
        return from_dict(json.loads(path.read_text("utf-8")), path.name)
    except ValueError as error:  # no JSON, or no text at all
        raise KerasRecipesError(f"{path} is not JSON: {error}") from error


def entry_paths() -> list[Path]:
    """The files of all rows: of recipes, then of language models."""
    recipes = (p for p in manifest_folder().glob("*.json") if p.name != "schema.json")
    return [*sorted(recipes), *sorted(manifest_folder().glob("language_models/*.json"))]


@functools.cache
def entries() -> dict[str, WeightsEntry]:
    """The rows of recipes, by name.

    Raises:
        KerasRecipesError: one breaks the schema, or does not bear its recipe's name.
    """
    return _rows(manifest_folder())


@functools.cache
def language_models() -> dict[str, WeightsEntry]:
    """The rows of language models of words (n-grams, read by KenLM), by name; raises what `rows` does."""
    return _rows(manifest_folder() / "language_models")


def _rows(place: Path) -> dict[str, WeightsEntry]:
    found = {}
    for path in (p for p in entry_paths() if p.parent == place):
        row = read_entry(path)
        if row.recipe != path.stem:
            raise KerasRecipesError(f"{path} is the row of {row.recipe}: rename it to {row.recipe}.json")
        found[row.recipe] = row
    return found


def get_entry(recipe: str) -> WeightsEntry:
    """The row of a recipe.

    Raises:
        WeightsUnavailable: nothing is released for it; the message names the training command.
    """
    if recipe not in entries():
        raise WeightsUnavailable(
            f"{recipe} has no released weights. Train it: kerasrecipes train {recipe} --data librispeech:PATH; "
            "or start from random numbers: load(..., weights=None)"
        )
    return entries()[recipe]


def to_json(row: WeightsEntry) -> str:
    """The row as the file that `read` takes.

    Raises:
        KerasRecipesError: it breaks the schema.
    """
    values = json.loads(json.dumps(asdict(row), default=list))
    from_dict(values, row.recipe)
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def write_entry(row: WeightsEntry, path: Path | None = None) -> Path:
    """Write a row under its recipe's name; the old one stays until the new one is whole."""
    text = to_json(row)
    path = path or manifest_folder() / ("" if row.keras else "language_models") / f"{row.recipe}.json"
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".json.partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)
    entries.cache_clear()
    language_models.cache_clear()
    return path
