"""Manifest rows: what the schema accepts, and what is said about a row that breaks it."""

import json
from dataclasses import asdict

import jsonschema
import pytest
from hub_server import row
from paths import ROOT

from kerasrecipes.errors import KerasRecipesError, WeightsUnavailable
from kerasrecipes.hub import manifest


def test_released_rows_fit_the_schema_by_an_independent_checker():
    assert manifest.entries()
    for name, found in manifest.entries().items():
        values = json.loads((manifest.manifest_folder() / f"{name}.json").read_text())
        jsonschema.validate(values, manifest.schema())
        assert found.recipe == name


def test_the_schema_uses_only_keywords_that_our_checker_knows():
    known = {"type", "required", "properties", "additionalProperties", "items", "pattern", "minimum"}

    def unknown(rule):
        inner = [*rule.get("properties", {}).values(), *([rule["items"]] if "items" in rule else [])]
        return set(rule) - known | {key for part in inner for key in unknown(part)}

    assert unknown(manifest.schema()) == {"$schema", "title"}


BREACHES = {
    "missing": (lambda v: v.pop("sha256"), "lacks 'sha256'"),
    "hash": (lambda v: v.update(sha256="xyz"), "sha256 must match"),
    "type": (lambda v: v.update(size="12"), "size must be integer"),
    "bool is no number": (lambda v: v.update(size=True), "size must be integer"),
    "unknown": (lambda v: v.update(colour="red"), "unknown key 'colour'"),
    "branch": (lambda v: v.update(hub={"repo": "a/b", "revision": "main"}), "revision must match"),
    "inside a list": (lambda v: v["data"][0].pop("license"), r"data\[0\] lacks 'license'"),
    "negative": (lambda v: v.update(size=0), "at least 1"),
    "outside its folder": (lambda v: v.update(file="../x.weights.h5"), "file must match"),
    "the folder above": (lambda v: v.update(file=".."), "file must match"),
}


@pytest.mark.parametrize("case", BREACHES)
def test_breaches_are_named_as_jsonschema_finds_them(case):
    values = json.loads(json.dumps(asdict(row())))
    manifest.from_dict(json.loads(json.dumps(values)))
    change, message = BREACHES[case]
    change(values)
    with pytest.raises(KerasRecipesError, match=message):
        manifest.from_dict(values)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, manifest.schema())


def test_all_breaches_are_named_at_once():
    values = asdict(row()) | {"data": [], "metrics": [], "size": -1, "sha256": "0"}
    with pytest.raises(KerasRecipesError, match="size must be at least 1.*") as error:
        manifest.from_dict(values)
    assert "sha256 must match" in str(error.value)


def test_write_is_read_again(place):
    path = manifest.write_entry(row(license="CC BY 4.0, Panayotov, Ünïcödé"))
    assert manifest.read_entry(path).license.endswith("Ünïcödé")
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, "schema.json"]
    with pytest.raises(KerasRecipesError, match="size"):
        manifest.write_entry(row(size=-1))
    assert manifest.get_entry("deepspeech2_small").size == row().size  # a bad row never replaces a good one


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", b"[]"])
def test_a_file_that_is_no_row(place, content):
    (place / "rows" / "x.json").write_bytes(content)
    with pytest.raises(KerasRecipesError, match=r"x\.json"):
        manifest.entries()


def test_a_row_bears_its_recipes_name(place):
    manifest.write_entry(row(), place / "rows" / "other.json")
    with pytest.raises(KerasRecipesError, match=r"rename it to deepspeech2_small\.json"):
        manifest.entries()


def test_recipe_without_a_row_names_the_training_command(place):
    with pytest.raises(WeightsUnavailable, match="kerasrecipes train deepspeech2_70m --data"):
        manifest.get_entry("deepspeech2_70m")


def test_the_readmes_table_is_that_of_the_manifest(monkeypatch):
    import importlib.util

    root = ROOT
    monkeypatch.syspath_prepend(root / "docs")
    overview = importlib.import_module("pages.overview")
    readme = (root / "README.md").read_text("utf-8")
    assert overview.with_tables(readme) == readme, "run docs/build/generate.py"
