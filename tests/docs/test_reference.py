"""The reference: each public name stands on one page, and what is not public stands on none."""

import collections
import re

import griffe
import pytest
import yaml
from conftest import ROOT

PAGES = [*(ROOT / "docs" / "reference").glob("*.md"), *(ROOT / "docs" / "guides").glob("*.md"), ROOT / "docs/build/pages/others.py"]
WHOLE = ("kerasrecipes.engines", "kerasrecipes.batch", "kerasrecipes.layers.locally_connected")  # all their names are public


@pytest.fixture(scope="module")
def package():
    return griffe.load("kerasrecipes", search_paths=[str(ROOT)], allow_inspection=False)


def read_directives() -> list[tuple[str, str, list[str]]]:
    """Return (page, object, members) of each directive of mkdocstrings."""
    found = []
    for page in PAGES:
        for target, options in re.findall(r'^[" ]*::: ([\w.]+)"?,?.*\n((?:    .*\n)*)', page.read_text("utf-8") + "\n", re.MULTILINE):
            members = re.search(r"members: (\[.*\])", options)
            found.append((page.name, target, yaml.safe_load(members[1]) if members else []))
    return found


def exported_names() -> set[str]:
    """Return the public names of the stubs, which tests compare with the packages: "module.Name"."""
    line = re.compile(r"^from (kerasrecipes[\w.]*) import (\w+) as \2$", re.MULTILINE)
    names = {f"{m}.{n}" for stub in (ROOT / "kerasrecipes").rglob("__init__.pyi") for m, n in line.findall(stub.read_text("utf-8"))}
    return names


def test_a_module_shows_a_list_of_names(package) -> None:
    """Without a list, mkdocstrings shows all functions of a module, helpers included."""
    for page, target, members in read_directives():
        if package[target.removeprefix("kerasrecipes.")].is_module and target not in WHOLE:
            assert members, f"{page}: ::: {target} needs `members`"


def test_each_name_on_a_page_exists_and_has_a_docstring(package) -> None:
    for page, target, members in read_directives():
        for name in members:
            assert not name.startswith("_"), (page, target, name)
            assert package[f"{target}.{name}".removeprefix("kerasrecipes.")].has_docstring, (page, target, name)


def test_each_public_function_and_class_has_its_place_once(package) -> None:
    shown = collections.Counter(f"{t}.{m}".rstrip(".") for _, t, members in read_directives() for m in members or [""])
    assert not [name for name, count in shown.items() if count > 1]
    missing = []
    for name in exported_names():
        found = package[name.removeprefix("kerasrecipes.")]
        if (found.is_function or found.is_class) and name not in shown and name.rpartition(".")[0] not in WHOLE:
            missing.append(name)
    assert not missing


def test_signatures_show_defaults() -> None:
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    for option in ("merge_init_into_class: true", "show_signature_annotations: true", 'filters: ["!^_"]'):
        assert option in text


def test_built_pages_show_defaults(site_dir) -> None:
    page = (site_dir / "reference" / "models" / "index.html").read_text("utf-8")
    text = re.sub(r"<[^>]+>|\s", "", page)
    assert "engine:str|None=None" in text and "load_recipe" not in text and "resolve_recipe_and_weights" not in text
