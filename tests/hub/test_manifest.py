"""Manifest entries: what the schema accepts, and the errors for invalid entries."""

import json
from dataclasses import fields

import jsonschema
import pytest
from hub_server import row
from paths import ROOT

from kerasrecipes.errors import KerasRecipesError, WeightsUnavailable
from kerasrecipes.hub import manifest
from kerasrecipes.hub.manifest import WeightsEntry

VALIDATOR = jsonschema.Draft202012Validator(json.loads((ROOT / "weights_manifest" / "schema.json").read_text()))


def test_released_entries_fit_the_schema():
    assert manifest.entries() and manifest.language_models()
    for path in manifest.entry_paths():
        VALIDATOR.validate(json.loads(path.read_text("utf-8")))
        assert manifest.read_entry(path).recipe == path.stem
    VALIDATOR.check_schema(VALIDATOR.schema)


def test_schema_and_dataclass_have_the_same_keys():
    assert {f.name for f in fields(WeightsEntry)} == set(VALIDATOR.schema["properties"])
    required = {f.name for f in fields(WeightsEntry) if f.default is f.default_factory}
    assert required | {"hub", "model"} == set(VALIDATOR.schema["required"])


BREACHES = {
    "missing": (lambda v: v.pop("sha256"), "'sha256' is a required property"),
    "hash": (lambda v: v.update(sha256="xyz"), "'xyz' does not match"),
    "type": (lambda v: v.update(size="12"), "'12' is not of type 'integer'"),
    "bool is no number": (lambda v: v.update(size=True), "True is not of type 'integer'"),
    "unknown": (lambda v: v.update(color="red"), "'color' was unexpected"),
    "branch": (lambda v: v.update(hub={"repo": "a/b", "revision": "main"}), "'main' does not match"),
    "inside a list": (lambda v: v["data"][0].pop("license"), "'license' is a required property"),
    "negative": (lambda v: v.update(size=0), "0 is less than the minimum of 1"),
    "outside its folder": (lambda v: v.update(file="../x.weights.h5"), "does not match"),
    "the folder above": (lambda v: v.update(file=".."), "does not match"),
    "newline after a hash": (lambda v: v.update(sha256=v["sha256"] + "\n"), "does not match"),
    "newline after a name": (lambda v: v.update(file=v["file"] + "\n"), "does not match"),
    "newline after a recipe": (lambda v: v.update(recipe="x\n"), "does not match"),
    "newline after a revision": (lambda v: v["hub"].update(revision="0" * 40 + "\n"), "does not match"),
    "newline after a repository": (lambda v: v["hub"].update(repo="org/name\n"), "does not match"),
}


@pytest.mark.parametrize("case", BREACHES)
def test_the_schema_rejects(case):
    values = json.loads(manifest.to_json(row()))
    VALIDATOR.validate(values)
    change, message = BREACHES[case]
    change(values)
    with pytest.raises(jsonschema.ValidationError, match=message):
        VALIDATOR.validate(values)


@pytest.mark.parametrize(("case", "message"), [
    ("missing", "missing 1 required positional argument: 'sha256'"), ("unknown", "unexpected keyword argument 'color'"),
    ("outside its folder", "must be a plain file name"), ("the folder above", "must be a plain file name"),
    ("newline after a hash", "must be a hash"), ("newline after a name", "must be a plain file name"),
    ("newline after a recipe", "must be a plain file name"), ("newline after a revision", "must name a repository"),
    ("newline after a repository", "must name a repository"), ("branch", "must name a repository"),
])  # fmt: skip
def test_reading_rejects(case, message):
    values = json.loads(manifest.to_json(row()))
    assert manifest.from_dict(dict(values)) == row()
    BREACHES[case][0](values)
    with pytest.raises(KerasRecipesError, match=message):
        manifest.from_dict(values)


def test_names_of_onnx_files_stay_in_their_folder():
    for onnx in ({"file": "../x.onnx"}, {"file": "x.onnx", "step": {"file": "a/b.onnx"}}):
        with pytest.raises(KerasRecipesError, match="must be a plain file name"):
            row(onnx=onnx)


def test_a_written_entry_is_read_again(place):
    path = manifest.write_entry(row(license="CC BY 4.0, Panayotov, Ünïcödé"))
    assert manifest.read_entry(path).license.endswith("Ünïcödé")
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, "schema.json"]
    VALIDATOR.validate(json.loads(path.read_text("utf-8")))
    with pytest.raises(TypeError):
        manifest.write_entry(row(training={"config": object()}))
    assert manifest.get_entry("deepspeech2_small").size == row().size  # a failed write keeps the entry


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", b"[]"])
def test_a_file_that_is_no_entry(place, content):
    (place / "rows" / "x.json").write_bytes(content)
    with pytest.raises(KerasRecipesError, match=r"x\.json"):
        manifest.entries()


def test_an_entry_is_named_after_its_recipe(place):
    manifest.write_entry(row(), place / "rows" / "other.json")
    with pytest.raises(KerasRecipesError, match=r"rename it to deepspeech2_small\.json"):
        manifest.entries()


def test_a_recipe_without_an_entry_names_the_training_command(place):
    with pytest.raises(WeightsUnavailable, match="kerasrecipes train deepspeech2_70m --data"):
        manifest.get_entry("deepspeech2_70m")


def test_the_readmes_table_is_that_of_the_manifest(monkeypatch):
    import importlib

    monkeypatch.syspath_prepend(ROOT / "docs" / "build")
    overview = importlib.import_module("pages.overview")
    readme = (ROOT / "README.md").read_text("utf-8")
    assert overview.fill_readme(readme) == readme, "run docs/build/generate.py"
