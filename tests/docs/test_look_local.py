"""The page of `kerasrecipes look` in Chromium: files, one of them damaged, keys, camera, microphone, a phone's width, dark mode."""

import concurrent.futures
import threading

import keras
import numpy as np
import pytest
import soundfile
from look_pages import WAIT, fits, until
from PIL import Image

pytest.importorskip("fastapi", reason="pip install kerasrecipes[serve]")
import uvicorn

from kerasrecipes.serving import look_start
from kerasrecipes.serving.image_inspector import ImageInspector
from kerasrecipes.serving.look_app import make_look_app
from kerasrecipes.serving.speech_inspector import SpeechInspector

MEDIA = ["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


def serve(inspector, folder, cache):
    """Yield the address of a page, whose server ends afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look_start, "open_inspector", lambda *_: inspector)
        state = look_start.make_state("tiny", folder, (0.0, 255.0), lambda line: None, cache=cache)
    if state.synthesis:
        state.synthesis.options["steps"] = 4
    with look_start.bind_socket("127.0.0.1", 0) as socket:
        server = uvicorn.Server(uvicorn.Config(make_look_app(state), log_level="error"))
        thread = threading.Thread(target=server.run, args=([socket],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{socket.getsockname()[1]}/"
        server.should_exit = True
        thread.join(60)


@pytest.fixture(scope="module")
def inspector():
    keras.utils.set_random_seed(3)
    layers = keras.layers
    return ImageInspector(
        keras.Sequential([
            keras.Input((32, 32, 3)), layers.Rescaling(1 / 255), layers.Conv2D(12, 5, activation="relu", name="first"),
            layers.MaxPooling2D(2, name="pool"), layers.Conv2D(20, 3, activation="relu", name="second"),
            layers.GlobalAveragePooling2D(name="mean"), layers.Dense(6, activation="softmax", name="scores"),
        ])
    )  # fmt: skip


@pytest.fixture(scope="module")
def images(inspector, tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("b", "c", "d"):
        Image.fromarray(rng.integers(0, 256, (8, 12, 3), "uint8").repeat(5, 0).repeat(5, 1)).save(folder / f"{name}.png")
    (folder / "a.png").write_bytes((folder / "b.png").read_bytes()[:60])
    yield from serve(inspector, folder, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    import kerasrecipes as kr

    folder, name = tmp_path_factory.mktemp("talks"), "wav2letter_small"
    soundfile.write(folder / "noise.wav", 0.1 * np.random.default_rng(0).normal(size=16000), 16000)
    soundfile.write(folder / "tone.wav", 0.1 * np.sin(np.arange(16000) / 5), 16000)
    model = kr.load(name, weights=None, compile=False, **kr.get_recipe(name).tiny_config)
    yield from serve(SpeechInspector(model), folder, tmp_path_factory.mktemp("cache"))


def open_page(browser, address, **options):
    page = browser.new_page(**options)
    page.set_default_timeout(WAIT)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(address)
    page.wait_for_selector("[data-ready]", timeout=WAIT)
    return page


def press(page, *keys):
    page.locator("canvas[tabindex]").first.focus()
    for key in keys:
        page.keyboard.press(key)


def test_images_by_keyboard_and_mouse(browser, images, inspector):
    page = open_page(browser, images, viewport={"width": 1280, "height": 900})
    assert page.locator(".look-thumb[aria-pressed=true]").get_attribute("aria-label") == "image: b.png"  # a.png is damaged
    page.get_by_role("button", name="second", exact=True).click()
    until(page, "saliency", "second:0 deconv raw")
    shape = inspector.calls["second"].outputs[0].shape
    assert page.locator(".look-name").text_content().startswith("second, unit 0 of 20: ") and shape[-1] == 20
    press(page, "ArrowRight", "l", "Shift+ArrowRight")
    until(page, "unit", "second:5")
    activations = page.evaluate(
        """async (n) => { const answer = await fetch(`inputs/${n}/activations?layer=second`);
        return [...new Float32Array(await answer.arrayBuffer())]; }""",
        page.locator(".live-demo").get_attribute("data-number"),
    )
    most = np.reshape(activations, shape[1:])[..., 5].max()
    assert float(page.locator(".live-demo").get_attribute("data-value")) == pytest.approx(most, rel=1e-5)
    for key, name, value in (
        ("z", "zoom", "unit"), ("z", "zoom", "saliency"), ("z", "zoom", "none"), ("t", "gamma", "0.3"), ("t", "gamma", "1"),
        ("T", "boost", "0.3"), ("T", "boost", "0.5"), ("n", "saliency", "second:5 guided raw"), ("m", "saliency", "second:5 guided gray"),
        ("b", "saliency", "off"), ("b", "saliency", "second:5 gradient raw"), ("u", "unit", "pool:0"),
    ):  # fmt: skip
        press(page, key)
        until(page, name, value)
    press(page, "z")
    assert page.locator(".look-zoom").is_visible() and not page.locator(".look-cursor").is_visible()
    page.locator("button:has-text('zoom')").click()
    page.locator("button:has-text('zoom')").click()
    press(page, "8", "9")
    assert not page.locator(".live-bars").is_visible() and not page.locator(".look-patches").is_visible()
    press(page, "8", "9", "h")
    assert page.locator(".live-bars").is_visible() and page.locator(".look-help[open] kbd").count() > 20
    press(page, "0")
    page.wait_for_selector("button[aria-pressed=true]:has-text('stretch')")
    press(page, "5")
    page.wait_for_function("document.querySelector('.look').textContent.includes('saliency ')")
    press(page, "e")
    page.wait_for_selector(".look-thumb[aria-pressed=true][aria-label='image: c.png']")
    page.locator(".look-thumb").first.click()
    page.wait_for_selector(".live-error:has-text('a.png cannot be read')")
    page.locator(".look-thumb").nth(2).click()
    page.wait_for_selector(".live-error", state="detached")
    press(page, "d", "o", "a")
    page.wait_for_function("document.querySelector('.look-left').textContent.includes('from pool:0, frozen')")
    press(page, "Escape")
    until(page, "unit", "first:0")
    until(page, "saliency", "off")
    assert not page.problems
    page.close()


def test_patches_and_synthesized_images_arrive(browser, images):
    page = open_page(browser, images)
    until(page, "patches")
    page.wait_for_function("document.querySelectorAll('.look-patches figure').length >= 1")
    page.wait_for_selector(".look-part p:has-text('a.png cannot be read')")
    page.wait_for_selector("img.look-synthesized")
    assert page.evaluate("document.querySelector('img.look-synthesized').decode().then(() => true)")
    page.wait_for_selector(".look-marks > div")  # the dot of a unit with an image
    press(page, "s")
    page.wait_for_selector(".look-marks > img")
    assert not page.problems
    page.close()


@pytest.mark.parametrize("kind", ["images", "recordings"])
def test_a_phone_in_dark_mode(browser, kind, request):
    page = open_page(browser, request.getfixturevalue(kind), color_scheme="dark", viewport={"width": 390, "height": 800})
    until(page, "unit")
    fits(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") not in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    assert not page.problems
    page.close()


def test_recordings_by_keyboard(browser, recordings):
    page = open_page(browser, recordings, viewport={"width": 1280, "height": 900})
    until(page, "unit")
    layer = page.locator(".live-demo").get_attribute("data-unit").split(":")[0]
    press(page, "ArrowDown", "k", "i")
    until(page, "unit", f"{layer}:2")
    until(page, "saliency", f"{layer}:2 gradient raw")
    frame = int(page.locator(".live-demo").get_attribute("data-frame"))
    press(page, "ArrowLeft" if frame else "ArrowRight")
    until(page, "frame", str(frame - 1 if frame else frame + 1))
    press(page, "T", "u")
    until(page, "boost", "0.3")
    before = page.locator(".live-demo").get_attribute("data-number")
    press(page, "e")
    page.wait_for_function(f"document.querySelector('.live-demo').dataset.number !== '{before}'")
    page.wait_for_selector("button[aria-pressed=true]:has-text('tone.wav')")
    press(page, "8")
    assert not page.locator("canvas[aria-label^=probabilities]").is_visible()
    assert not page.problems
    page.close()


def run_with_media(chromium_path, work):
    """Return work(browser) with a fake camera and microphone, in a thread, because the session's browser has its own event loop."""
    from playwright.sync_api import sync_playwright

    def run():
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=chromium_path, args=MEDIA)
            try:
                return work(chromium)
            finally:
                chromium.close()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def test_camera(chromium_path, images):
    def work(browser):
        page = open_page(browser, images)
        until(page, "unit")
        press(page, "c")
        page.wait_for_selector("p:has-text('camera; nothing leaves this device')")
        press(page, "f")
        page.wait_for_selector("button[aria-pressed=true]:has-text('freeze')")
        press(page, "c")
        page.wait_for_selector("p.live-note:has-text('b.png')")
        return page.problems

    assert run_with_media(chromium_path, work) == []


def test_microphone(chromium_path, recordings):
    def work(browser):
        page = open_page(browser, recordings)
        until(page, "unit")
        press(page, "c")
        page.wait_for_selector("p:has-text('microphone; nothing leaves this device')")
        before = page.locator(".live-demo").get_attribute("data-number")
        page.wait_for_function(f"document.querySelector('.live-demo').dataset.number !== '{before}'")  # it goes on
        press(page, "c")
        page.wait_for_selector("button[aria-pressed=false]:has-text('microphone')")
        return page.problems

    assert run_with_media(chromium_path, work) == []
