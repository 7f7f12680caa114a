"""The tables of all recipes: three kinds of task, released weights first, the best of them at the top."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from conftest import ROOT

from kerasrecipes import registry
from kerasrecipes.hub import catalog, manifest

BUILD = ROOT / "docs" / "build"


class Tables(HTMLParser):
    """`rows`: heading -> (name, is it folded) of each row."""

    def __init__(self, text: str):
        super().__init__()
        self.rows: dict[str, list[tuple[str, bool]]] = {}
        self.tag, self.folded = "", False
        self.feed(text)

    def handle_starttag(self, tag, _):
        self.tag = tag
        self.folded |= tag == "details"

    def handle_endtag(self, tag):
        self.tag = ""
        self.folded &= tag != "details"

    def handle_data(self, data):
        if self.tag == "h3":
            self.rows[data] = []
        elif self.tag == "code":
            list(self.rows.values())[-1].append((data, self.folded))


@pytest.fixture(scope="module")
def html():
    """The tables, made in a process of its own without Keras."""
    code = (
        "import sys; sys.modules['keras'] = None; from pages.recipe_tables import make_recipe_tables; print(make_recipe_tables('r/'))"
    )
    made = subprocess.run([sys.executable, "-c", code], cwd=BUILD, text=True, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    return made.stdout


@pytest.fixture(scope="module")
def rows(html):
    return Tables(html).rows


def test_three_tables_hold_every_recipe_once(rows) -> None:
    assert list(rows) == ["Speech", "Images", "Text and sound"]
    names = [name for table in rows.values() for name, _ in table]
    assert sorted(names) == catalog.list_recipes()
    assert {registry.get_recipe(n).task for n, _ in rows["Speech"]} == {"speech-recognition", "phoneme-recognition"}


def test_what_is_folded_has_no_weights(rows) -> None:
    for table in rows.values():
        folds = [folded for _, folded in table]
        assert folds == sorted(folds)  # released weights first
        assert all(folded == (name not in manifest.entries()) for name, folded in table)


def test_the_best_comes_first(rows) -> None:
    """Word error rates with a language model, from the manifest's rows: read here by other code than the table's."""
    words = set(manifest.language_models())
    best = {
        name: min(
            m["value"] for m in row.metrics
            if m["metric"] == "wer" and m["dataset"].startswith("dev-mini-report:") and m["decoder"].split(" + ")[-1] in words
        )
        for name, row in manifest.entries().items() if registry.get_recipe(name).task == "speech-recognition"
    }  # fmt: skip
    shown = [n for n, folded in rows["Speech"] if n in best and not folded]
    assert shown == sorted(best, key=best.get)
    assert rows["Images"][0] == ("squeezenet", False)


def test_figures_have_their_intervals(html) -> None:
    assert re.search(r"36\.\d %\s*<i>\d+\.\d to \d+\.\d</i>", html)
    assert "None" not in html and "nan" not in html
