"""The sample of the page Segment a street: the network is right where the page says so."""

import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import kerasrecipes as kr

SAMPLE = ROOT / "docs" / "live" / "samples" / "street.png"
PLACES = {  # class -> (row, column): pixels of the rendered street
    "sky": ((20, 120), (60, 120)), "building": ((60, 15), (40, 60), (60, 165)), "road": ((165, 120), (130, 110)),
    "tree": ((55, 215), (60, 200)), "car": ((98, 160), (92, 98)), "sidewalk": ((135, 15), (120, 60), (125, 232)),
    "pedestrian": ((118, 34), (115, 212)),
}  # fmt: skip


@pytest.fixture(scope="module", params=[SAMPLE, ROOT / "kerasrecipes" / "assets" / "street.jpg"], ids=["site", "demo"])
def result(request):
    pytest.importorskip("onnxruntime")
    return kr.load("dilated_camvid_small", engine="auto").segment(request.param)


@pytest.mark.parametrize("name", PLACES)
def test_the_network_is_right_on_the_sample(result, name) -> None:
    assert [result.classes[result.mask[place]] for place in PLACES[name]] == [name] * len(PLACES[name])


def test_the_sky_is_sky_and_little_else_is(result) -> None:
    """The rendered sky is the brightest region of the image and covers a fifth of it."""
    sky = np.asarray(Image.open(SAMPLE).convert("RGB")).min(-1) > 215
    sky[82:] = False  # below the horizon
    predicted = result.mask == result.classes.index("sky")
    assert (sky & predicted).sum() / (sky | predicted).sum() > 0.95


def test_the_sample_is_the_rendered_street(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "build"))
    sys.modules.pop("render_street", None)
    import render_street

    rendered = np.asarray(render_street.render_street(), "float32")
    assert np.abs(rendered - np.asarray(Image.open(SAMPLE), "float32")).mean() < 1
