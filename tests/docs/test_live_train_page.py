"""The page Train a network: training, settings, snapshots, networks and images of the reader, and errors."""

import io
import json
import os
from collections.abc import Iterator

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import live_pages
import numpy as np
import pytest
from PIL import Image

from kerasrecipes.export.convnetjs_import import from_json

DEMO = '.live[data-demo="train"] .live-demo'
START = {"layer_type": "input", "out_sx": 24, "out_sy": 24, "out_depth": 1}


@pytest.fixture(scope="module")
def page(browser, site_url: str) -> Iterator:
    yield from live_pages.open_demo(browser, site_url, "train")


def test_the_page_learns_pauses_saves_and_loads(page, tmp_path) -> None:
    demo = page.locator(DEMO)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_function("+document.querySelector('.live-demo').dataset.examples >= 200")
    page.get_by_label("batch size").fill("10")
    page.get_by_label("batch size").press("Tab")
    page.wait_for_function("+document.querySelector('.live-demo').dataset.examples >= 900")
    assert float(demo.get_attribute("data-train")) > 0.4  # chance is 0.1
    page.get_by_label("optimizer").select_option("adam")  # while it runs
    assert page.get_by_label("momentum", exact=True).is_hidden() and page.get_by_label("β₁").is_visible()
    page.get_by_label("learning rate").fill("0.001")
    page.get_by_label("learning rate").press("Tab")
    page.wait_for_function("+document.querySelector('.live-demo').dataset.examples >= 1100")
    page.get_by_role("button", name="Pause").click()
    seen = demo.get_attribute("data-examples")
    assert float(demo.get_attribute("data-validation")) > 0.4 and float(demo.get_attribute("data-train")) > 0.4
    page.wait_for_timeout(500)
    assert demo.get_attribute("data-examples") == seen
    page.get_by_role("button", name="Test all").click()
    assert float(demo.get_attribute("data-averaged")) > 0.4
    assert "Accuracy on all 200 test images" in demo.inner_text()

    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as JSON").click()
    path = tmp_path / "digits.json"
    saved.value.save_as(path)
    model = from_json(path)  # Python reads it, and it knows its digits
    test = live_pages.call(page, ["digits"], "return (await digits.loadDigits()).test.map((d) => [d.label, Array.from(d.pixels)])")
    pixels = np.array([t[1] for t in test]).reshape(-1, 28, 28, 1)[:, 2:26, 2:26]
    answers = model.predict(pixels / 255 - 0.5, verbose=0).argmax(1)
    central = (answers == [t[0] for t in test]).mean()
    assert abs(central - float(demo.get_attribute("data-central"))) < 0.011  # a tie may round to the other side

    page.get_by_role("button", name="New random weights").click()
    page.get_by_label("Load a ConvNetJS JSON").set_input_files(path)
    page.wait_for_function("document.querySelector('.live-demo').dataset.examples === '0'")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as JSON").click()
    assert json.loads(saved.value.path().read_text("utf-8")) == json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a JSON file"), ('{"layers": []}', "not a ConvNetJS snapshot"),
        (json.dumps({"layers": [START, {"layer_type": "quadtransform"}]}), "quadtransform"),
        (json.dumps({"layers": [START, None]}), "unknown type"),
        (json.dumps({"layers": [START, {"layer_type": "fc", "filters": 3}]}), "3 classes"),
    ],
)  # fmt: skip
def test_snapshots_that_do_not_fit_are_explained(page, text: str, words: str) -> None:
    file = {"name": "x.json", "mimeType": "application/json", "buffer": text.encode()}
    page.get_by_label("Load a ConvNetJS JSON").set_input_files(file)
    page.wait_for_function("(w) => document.querySelector('[role=alert]')?.textContent.includes(w)", arg=words)


def test_a_setting_out_of_range_is_explained(page) -> None:
    page.get_by_label("batch size").fill("0")
    page.get_by_label("batch size").press("Tab")
    assert any("batch size" in text for text in page.locator("[role=alert]").all_inner_texts())
    page.get_by_role("button", name="New random weights").click()  # changes nothing then, and is no error of the page
    assert any("batch size" in text for text in page.locator("[role=alert]").all_inner_texts())
    page.get_by_label("batch size").fill("20")
    page.get_by_label("batch size").press("Tab")
    page.get_by_role("button", name="New random weights").click()
    assert page.locator("[role=alert]").count() == 0


def test_a_network_of_the_reader_is_built_and_its_layers_are_shown(page) -> None:
    box = page.get_by_label("Network, one layer a line")
    box.fill("input 20 x 20 x 1\nconv 4 filters 3 x 3, tanh\nlrn n 3\npool 3 x 3\nfc 12, maxout 3\nsvm 10")
    box.press("Control+Enter")
    assert page.locator("[role=alert]").count() == 0
    cards = page.locator(".net-layer").all_inner_texts()
    assert len(cards) == 8  # input, convolution, tanh, normalization, pooling, fully connected, maxout, scores
    assert "+ 4 = 40 parameters" in cards[1] and "+ 10 = 50 parameters" in cards[7]
    for words in ("activations: ", "gradients: ", "weights: ", "weight gradients: "):
        assert words in cards[1]
    page.get_by_role("button", name="Start training").or_(page.get_by_role("button", name="Continue")).click()
    page.wait_for_function("+document.querySelector('.live-demo').dataset.examples >= 100")
    page.get_by_role("button", name="Pause").click()
    box.fill("input 20 x 20 x 1\n\nconv 4 filters 30 x 30\nsoftmax 10")
    page.get_by_role("button", name="Build this network").click()
    assert "Line 3 (conv 4 filters 30 x 30)" in page.locator("[role=alert]").inner_text() and box.get_attribute("aria-invalid") == "true"
    box.fill("input 20 x 20 x 3\nsoftmax 10")
    page.get_by_role("button", name="Build this network").click()
    assert "must have the depth 1" in page.locator("[role=alert]").inner_text()


def make_png(color: tuple, seed: int) -> dict:
    pixels = np.clip(np.array(color) + np.random.default_rng(seed).integers(-40, 40, (40, 50, 3)), 0, 255)
    content = io.BytesIO()
    Image.fromarray(pixels.astype("uint8")).save(content, "PNG")
    return {"name": f"{seed}.png", "mimeType": "image/png", "buffer": content.getvalue()}


def test_shapes_and_images_of_the_reader_are_learned(page) -> None:
    page.locator(".live-demo select").first.select_option("shapes")
    assert page.get_by_label("Network, one layer a line").input_value().endswith("softmax 5")
    page.locator(".live-demo select").first.select_option("own")
    for name, color in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
        page.get_by_label("class of the next images").fill(name)
        page.get_by_label("its images").set_input_files([make_png(color, seed) for seed in range(5)])
        page.wait_for_function("(n) => document.querySelector('.live-demo').innerText.includes(`${n}: 5`)", arg=name)
    box = page.get_by_label("Network, one layer a line")
    page.wait_for_function("[...document.querySelectorAll('.net-definition')][0].value.endsWith('softmax 2')")
    box.fill("input 32 x 32 x 3\npool 8 x 8\nfc 4, relu\nsoftmax 2")
    page.get_by_role("button", name="Build this network").click()
    page.get_by_label("optimizer").select_option("momentum")
    page.get_by_role("button", name="Start training").or_(page.get_by_role("button", name="Continue")).click()
    page.wait_for_function("+document.querySelector('.live-demo').dataset.validation === 1")
    page.get_by_role("button", name="Pause").click()
    page.get_by_label("Classify an image of yours").set_input_files(make_png((190, 50, 50), 77))
    page.wait_for_function("document.querySelector('.live-demo').dataset.own === 'red'")
