"""Receptive fields: the boxes of the page are those of Python, for the input and for the layers between."""

import json
import sys
from pathlib import Path

import live_pages
import numpy as np
import pytest
from look_pages import fits

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "build"))
DEMO = '.live[data-demo="receptive"] .live-demo'
READY = '.live[data-demo="receptive"][data-ready]'
NETWORKS = {
    "convnetjs_mnist": None, "squeezenet": None, "dilated_camvid_small": (180, 240), "wav2letter_small": (32000,),
    "deepspeech2_small": (32000,),
}  # fmt: skip


@pytest.fixture(scope="module")
def page(browser, site_url):
    page = live_pages.opened(browser, f"{site_url}live/receptive/")
    page.wait_for_selector(READY)
    yield page
    assert not page.failures
    page.close()


@pytest.fixture(scope="module")
def networks():
    return json.loads((ROOT / "docs" / "live" / "files" / "receptive.json").read_text("utf-8"))["networks"]


@pytest.fixture(scope="module")
def models():
    """Load each network once, with layers numbered from the first."""
    import keras

    import kerasrecipes

    loaded = {}
    for name in NETWORKS:
        keras.utils.clear_session()
        loaded[name] = kerasrecipes.load(name, weights=None, compile=False)
    return loaded


def choose_positions(sizes):
    """Return corners, middle and some random positions."""
    rng = np.random.default_rng(0)
    ends = [[0] * len(sizes), [n - 1 for n in sizes], [n // 2 for n in sizes]]
    return ends + rng.integers(0, sizes, (5, len(sizes))).tolist()


def trace(page, layers, queries):
    """Return the page's boxes of (layer, position) queries."""
    return live_pages.call(
        page, ["receptive_net"],
        "return given[1].map(([k, p]) => Array.from(receptive_net.traceBack(given[0], k, p), (box) => box ?? null))",
        layers, queries,
    )  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_the_geometry_is_that_of_the_network_and_boxes_are_pythons(page, networks, models, name):
    from live_receptive import describe_geometry

    from kerasrecipes.graph import receptive_field as rf

    layers = networks[name]["layers"]
    assert layers == describe_geometry(models[name], NETWORKS[name])["layers"]
    whole = rf.receptive_intervals(models[name], rf.input_shapes(models[name], NETWORKS[name]))
    queries = [(k, p) for k, layer in enumerate(layers) if k for p in choose_positions(layer["sizes"])]
    compared = 0
    for (k, position), boxes in zip(queries, trace(page, layers, queries), strict=True):
        for axis, r in enumerate(whole[layers[k]["name"]][1]):
            at = 0 if r.axis is None else position[axis]
            low, high = int(r.low[at]), int(r.high[at])
            assert boxes[0][axis] == ([low, high] if low <= high else None), (layers[k]["name"], position)
            compared += 1
    assert compared > 40


@pytest.mark.parametrize(("name", "between", "last"), [
    ("convnetjs_mnist", "max_pooling2d", "max_pooling2d_1"), ("dilated_camvid_small", "front", "context7"),
    ("squeezenet", "pool4", "fire7"),
])  # fmt: skip
def test_boxes_in_a_layer_between_are_those_of_the_network_that_begins_there(page, networks, models, name, between, last):
    import keras

    from kerasrecipes.graph import receptive_field as rf

    layers, model = networks[name]["layers"], models[name]
    names = [layer["name"] for layer in layers]
    after = keras.Model(model.get_layer(between).output, model.get_layer(last).output)
    shape = (*layers[names.index(between)]["sizes"], layers[names.index(between)]["channels"])
    whole = rf.receptive_intervals(after, [shape])[last][1]
    queries = [(names.index(last), p) for p in choose_positions(layers[names.index(last)]["sizes"])]
    for (_, position), boxes in zip(queries, trace(page, layers, queries), strict=True):
        box = [[int(r.low[p]), int(r.high[p])] for r, p in zip(whole, position, strict=True)]
        assert boxes[names.index(between)] == box


def test_pointer_and_keys_choose_positions(page):
    page.reload()
    page.wait_for_selector(READY)
    get = lambda name: page.locator(DEMO).get_attribute(f"data-{name}")  # noqa: E731
    assert get("layer") == "logits"
    canvas = page.get_by_role("application", name="pool1:")
    box = canvas.bounding_box()
    canvas.hover(position={"x": 1, "y": box["height"] - 1})
    assert (get("layer"), get("position")) == ("pool1", "54,0")
    assert json.loads(get("field")) == [[216, 226], [0, 10]]
    canvas.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    assert get("position") == "53,5"
    page.keyboard.press("PageUp")
    assert get("layer") == "conv1"
    recipes, layer_names = page.locator(".field select").all()
    recipes.select_option("deepspeech2_small")
    layer_names.select_option("4")
    assert json.loads(get("field"))[0][0] == 0 and "all of it" in page.locator(".field-words").inner_text()
    for name in ("squeezenet", "wav2letter_small"):
        recipes.select_option(name)
        fits(page)
    page.set_viewport_size({"width": 1280, "height": 720})
