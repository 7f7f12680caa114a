"""Charts of the recipes' pages: labelled axes, and text that a phone shows at a readable size."""

import itertools
import re
import sys
from xml.etree import ElementTree

import pytest
from conftest import ROOT

PHONE = 358  # pixels: the text column of a phone of 390


@pytest.fixture(scope="module")
def charts():
    sys.path.insert(0, str(ROOT / "docs" / "build"))
    from pages import charts

    return charts


@pytest.fixture(scope="module")
def svg(charts):
    series = [("validation wer", [[(0, 98.5), (100, 71.25), (998, 56.5)]]), ("validation cer", [[(0, 70.0), (998, 24.0)]])]
    return ElementTree.fromstring(charts.draw_line_chart(series, "hours of training audio", "errors, %", True)).find("svg")


def test_axes_have_titles_and_ticks(svg) -> None:
    texts = [t.text for t in svg.iter("text")]
    assert {"hours of training audio", "errors, %", "validation wer", "validation cer"} <= set(texts)
    assert {"0", "200", "1000"} - set(texts) == {"1000"}  # ticks of the horizontal axis lie within the data
    assert {"20", "80"} <= set(texts)


def test_text_is_readable_on_a_phone(charts) -> None:
    css = (ROOT / "docs" / "assets" / "site.css").read_text("utf-8")
    size = float(re.search(r"\.chart text \{ font: ([\d.]+)px", css)[1])
    assert size * PHONE / charts.WIDTH > 10
    assert not re.search(r"\.chart [^{]*\{[^}]*font-size", css)


def test_text_stays_inside_and_ticks_do_not_touch(charts, svg) -> None:
    """A digit is at most 0.65 em wide in the fonts of the site."""
    low = [t for t in svg.iter("text") if t.get("text-anchor") == "middle" and t.get("class") is None]
    spans = [(float(t.get("x")) - 0.325 * 12 * len(t.text), float(t.get("x")) + 0.325 * 12 * len(t.text)) for t in low]
    assert len(spans) > 3 and spans[0][0] > 0 and spans[-1][1] < charts.WIDTH
    assert all(end + 4 < begin for (_, end), (begin, _) in itertools.pairwise(spans))
    left = [t for t in svg.iter("text") if t.get("text-anchor") == "end" and t.get("class") is None]
    assert all(float(t.get("x")) - 0.65 * 12 * len(t.text) > 20 for t in left)  # beside the rotated title


def test_pictures_get_their_size_and_wide_ones_a_mark() -> None:
    sys.path.insert(0, str(ROOT / "docs" / "build"))
    import picture_sizes

    class Page:
        url = "guides/chapter/"

    html = '<p><img alt="a" class="picture" src="../chapter/tree.png" /> <img src="../visualize/scores_130.jpg"> <img src="x.png"></p>'
    assert picture_sizes.on_page_content(html, Page()) == (
        '<p><img alt="a" class="wide picture" src="../chapter/tree.png" width="990" height="550"> '
        '<img src="../visualize/scores_130.jpg" width="454" height="454"> <img src="x.png"></p>'
    )
