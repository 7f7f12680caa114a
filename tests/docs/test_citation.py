"""CITATION.cff, README and the site cite the same thing."""

import re
import tomllib

import pytest
import yaml
from conftest import ROOT

import kerasrecipes

CFF = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
PAGES = ("README.md", "docs/guides/citing.md")


def read_entry(page: str) -> str:
    return re.search(r"```bibtex\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)[1]


def test_the_file_has_what_version_1_2_0_requires() -> None:
    """The required keys of the Citation File Format's schema, and an entity as author."""
    assert CFF["cff-version"] == "1.2.0" and {"message", "title", "authors"} <= set(CFF)
    assert CFF["type"] == "software" and all(set(a) == {"name"} for a in CFF["authors"])


def test_it_agrees_with_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert str(CFF["version"]) == kerasrecipes.__version__
    assert (CFF["license"], CFF["keywords"]) == (project["license"], project["keywords"])


@pytest.mark.parametrize("page", PAGES)
def test_bibtex_holds_the_same_facts(page) -> None:
    entry = read_entry(page)
    assert entry.count("{") == entry.count("}") and entry.startswith("@software{kerasrecipes,")
    fields = dict(re.findall(r"^  (\w+) +=\s*\{(.*)\},?$", entry, re.MULTILINE))
    assert fields["title"] == CFF["title"] and fields["version"] == CFF["version"] and fields["license"] == CFF["license"]
    assert fields["author"] == f"{{{CFF['authors'][0]['name']}}}"  # braces keep an organization in one piece


def test_readme_and_site_show_one_entry() -> None:
    assert len({read_entry(page) for page in PAGES}) == 1
