"""Look inside: the page's activations and ways back are Python's, and all of it can be reached."""

import base64
import sys
from pathlib import Path

import numpy as np
import pytest
from look_pages import PACK, WAIT, close, fits, numbers, start, until
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "docs" / "live" / "samples"
UNITS = ("conv1:29", "fire3:93", "fire5:183@all", "fire7:197@9,7", "fire9:489", "logits:285", "scores:285")
METHODS = ("gradient", "guided", "deconv")


@pytest.fixture(scope="module")
def model():
    import kerasrecipes

    return kerasrecipes.load("squeezenet", compile=False)


@pytest.fixture(scope="module")
def opened(browser, site_url):
    """The page's modules with the network open, `window.look`."""
    page = browser.new_page()
    page.goto(f"{site_url}live/look/")
    page.evaluate(
        """async () => { window.net = await import(new URL('../look_net.js', location)); window.look = await net.open();
        window.read = await import(new URL('../pixels.js', location)); }"""
    )
    yield page
    page.close()


@pytest.fixture(scope="module")
def seen(opened):
    """chelsea's bytes, and the page's activations of them, kept as `window.seen`."""
    opened.evaluate(
        """async () => { window.pixels = net.prepare(await read.readImage(net.getSampleAddress('chelsea')), 227);
        window.seen = await net.forward(look, pixels); }"""
    )
    picture = np.asarray(Image.open(SAMPLES / "chelsea.png"))
    assert np.array_equal(numbers(opened.evaluate(f"({PACK})(pixels)")), picture.ravel())
    return picture


def test_activations_are_pythons(opened, seen, model):
    from kerasrecipes.graph.autodiff import forward_to_layers

    names = ["conv1", "fire2", "fire5_squeeze", "fire9", "logits", "scores"]
    for name, right in zip(names, forward_to_layers(model, seen[None].astype("float32"), names), strict=True):
        close(numbers(opened.evaluate(f"({PACK})(seen.values['{name}'])")), np.asarray(right))
    best = opened.evaluate("look.net.classes[seen.probabilities.indexOf(Math.max(...seen.probabilities))]")
    assert best == model.classify(seen).name == "Egyptian cat"


@pytest.mark.parametrize("unit", UNITS)
def test_saliency_is_that_of_visualize(opened, seen, model, unit):
    from kerasrecipes import visualize
    from kerasrecipes.visualize.saliency import layer_output_sizes

    some = 0
    for method in METHODS:
        right = visualize.compute_saliency(model, seen[None].astype("float32"), unit, method)
        place = right.unit.position
        if place != "all":
            sizes = layer_output_sizes(model, right.unit.layer)
            place = int(np.ravel_multi_index(place, sizes)) if sizes else 0
        wish = {"layer": right.unit.layer, "channel": right.unit.channel, "place": place}
        found = opened.evaluate(
            f"async ([unit, method]) => ({PACK})((await net.computeSaliency(seen.values, unit, method)).picture)", [wish, method]
        )
        close(numbers(found), right.values)
        some += not right.is_zero
    assert some >= 2


def test_strongest_patches_are_those_of_find_top_activations(opened, model):
    from kerasrecipes import visualize

    names = [path.stem for path in sorted(SAMPLES.glob("*.png")) if path.stem != "street"]
    inputs = np.stack([np.asarray(Image.open(SAMPLES / f"{name}.png"), "float32") for name in names])
    maxima = visualize.find_top_activations(model, inputs, ["fire4", "fire8"])
    for layer, channel in (("fire4", 170), ("fire8", 430), ("fire8", 3)):
        found = opened.evaluate(
            """async ([layer, channel]) => (await net.findTopActivations(look))(layer, channel)
            .map(({ value, place, sample }) => [value, place, sample])""",
            [layer, channel],
        )
        held = maxima[layer]
        for (value, place, sample), right, number, at in zip(
            found, held.values[channel], held.images[channel], held.positions[channel], strict=False
        ):
            assert value == pytest.approx(float(right), rel=1e-3, abs=1e-3)
            if right > 0:
                assert (place, sample) == (int(at), names[int(number)])
    patches = visualize.top_image_patches(model, maxima["fire8"], "fire8:430", method=None)
    field = opened.evaluate(
        "([layer, place]) => net.getReceptiveField(look, layer, place)", ["fire8", int(maxima["fire8"].positions[430, 0])]
    )
    assert tuple(field[2:]) == patches.patches.shape[1:3]


def test_synthesized_images_are_those_of_the_script(opened, model):
    sys.path.insert(0, str(ROOT / "docs" / "build"))
    import live_look
    import synthesize_units

    synthesized = live_look.list_synthesized(model)
    assert len(synthesized) == 60
    assert sorted(f"{stem}.jpg" for _, stem in synthesized) == sorted(p.name for p in synthesize_units.UNITS_FOLDER.glob("*.jpg"))
    loaded = opened.evaluate(
        """Promise.all(Object.keys(look.net.synthesized).map((unit) => net.getSynthesizedAddress(look, ...unit.split(':')))
        .map(async (address) => (await fetch(address)).ok))"""
    )
    assert len(loaded) == 60 and all(loaded)


def test_the_page_by_keyboard_mouse_and_file(browser, site_url):
    page = browser.new_page()
    loaded = []
    page.on("response", lambda r: loaded.append((r.url, int(r.headers.get("content-length", 0)))))
    page.goto(f"{site_url}live/look/")
    page.wait_for_load_state("networkidle")
    assert not any(name in url for url, _ in loaded for name in ("ort.wasm", ".onnx", ".net"))
    demo = start(page, f"{site_url}live/look/")
    until(page, "patches", "fire7:197")
    assert until(page, "answer") == "Egyptian cat"
    sheet = page.locator(".look-middle canvas[tabindex]")
    sheet.focus()
    keys = (
        ("ArrowRight", "fire7:198"), ("l", "fire7:199"), ("j", "fire7:198"), ("o", "fire8:0"), ("u", "fire7:0"),
        ("Shift+ArrowRight", "fire7:3"),
    )  # fmt: skip
    for key, unit in keys:
        page.keyboard.press(key)
        until(page, "unit", unit)
    page.keyboard.press("b")  # from deconv raw to off
    page.keyboard.press("b")
    until(page, "saliency", "fire7:3 gradient raw")
    page.keyboard.press("d")
    page.keyboard.press("u")
    page.keyboard.press("a")
    page.wait_for_selector(".look-left .live-note:has-text('from fire7:3, frozen')")
    page.keyboard.press("h")
    assert page.locator(".look-help[open]").count() == 1
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"  # the site's own keys took nothing
    page.keyboard.press("Escape")
    page.locator(".look-thumb").nth(1).click()
    until(page, "answer", "espresso")
    page.locator("input[accept='image/*']").set_input_files(str(SAMPLES / "rocket.png"))
    rockets = "['missile', 'projectile', 'pole', 'space shuttle']"
    page.wait_for_function(f"{rockets}.includes(document.querySelector('.live-demo').dataset.answer)")
    box = sheet.bounding_box()
    before = demo.get_attribute("data-unit")
    sheet.click(position={"x": box["width"] * 0.6, "y": box["height"] * 0.4})
    page.wait_for_function(f"document.querySelector('.live-demo').dataset.unit !== '{before}'")
    assert sum(size for _, size in loaded) < 30e6
    fits(page)
    assert not page.problems
    page.close()


def test_a_camera_is_looked_through_and_frozen(chromium_path, site_url):
    # in a thread: the session's browser has an event loop of its own here
    import concurrent.futures

    from playwright.sync_api import sync_playwright

    def look() -> list[str]:
        with sync_playwright() as playwright:
            flags = [
                "--no-sandbox",
                "--disable-gpu",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
            ]
            chromium = playwright.chromium.launch(executable_path=chromium_path, args=flags)
            page = chromium.new_page()
            start(page, f"{site_url}live/look/")
            page.get_by_role("button", name="camera", exact=True).last.click()
            page.wait_for_function(
                "document.querySelector('.look').textContent.includes('camera; nothing leaves')", timeout=120000
            )
            page.locator(".look-middle canvas[tabindex]").focus()
            page.keyboard.press("f")
            page.wait_for_selector("button[aria-pressed=true]:has-text('freeze')")
            page.keyboard.press("c")
            until(page, "answer", "Egyptian cat")
            problems = page.problems
            chromium.close()
            return problems

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(look).result() == []


@pytest.mark.parametrize("kind", ["torch", "named"])
def test_an_own_onnx_file_has_the_layers_and_values_of_look(opened, site_dir, tmp_path, kind):
    from kerasrecipes.serving.open_inspector import open_inspector

    if kind == "torch":
        path = tmp_path / "net.onnx"
        path.write_bytes(pytest.importorskip("onnx_networks").make_model().SerializeToString())
    else:
        path = site_dir / "live" / "files" / "convnetjs_cifar10.activations.onnx"
    inspector = open_inspector(str(path), (0.0, 1.0))
    height, width = inspector.preprocessing.crop_size
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), "uint8")
    right = inspector.inspect(pixels)
    opened.evaluate(
        """async ([content, pixels, shape]) => {
        const { openOwnNetwork } = await import(new URL('../look_onnx.js', location));
        const file = new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], 'net.onnx');
        window.own = await openOwnNetwork(file, [0, 1], [], () => {});
        window.input = await own.openPixels({ rgb: Uint8ClampedArray.from(atob(pixels), (c) => c.charCodeAt(0)), shape }); }""",
        [base64.b64encode(path.read_bytes()).decode(), base64.b64encode(pixels.tobytes()).decode(), list(pixels.shape)],
    )
    assert opened.evaluate("own.layers") == inspector.layers and opened.evaluate("own.classes") == inspector.labels
    for layer in inspector.layers:
        assert opened.evaluate("(l) => input.shapes[l]", layer) == list(right.activations[layer].shape)
        values = numbers(opened.evaluate(f"async (l) => ({PACK})(await input.fetchLayer(l))", layer))
        close(values, right.activations[layer], 1e-5)
    close(numbers(opened.evaluate(f"({PACK})(input.probabilities)")), right.probabilities, 1e-5)


def test_an_own_onnx_file_by_hand(browser, site_url, site_dir, tmp_path):
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    start(page, f"{site_url}live/look/")
    until(page, "answer", "Egyptian cat")
    page.locator(".look-own summary").click()
    (tmp_path / "damaged.onnx").write_bytes(b"no network")
    page.locator(".look-own input").set_input_files(str(tmp_path / "damaged.onnx"))
    page.wait_for_selector(".look-own .live-error")
    page.locator(".look-own input").set_input_files(str(site_dir / "live" / "files" / "convnetjs_cifar10.activations.onnx"))
    until(page, "network", "convnetjs_cifar10.activations.onnx")
    until(page, "saliency", "off")
    page.locator(".look-middle canvas[tabindex]").focus()
    page.keyboard.press("u")
    page.wait_for_selector("p:has-text('An ONNX file has no gradients')")
    fits(page)
    assert not page.problems
    page.close()
