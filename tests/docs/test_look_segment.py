"""Segment a street: masks, areas and fields of the page are Python's; the page without weights says so."""

import numpy as np
import pytest
from look_pages import PACK, close, fits, numbers, serve, start, until

TINY = {"blocks": ((8,), (8,), (8,), (8,)), "dense": ((12, 3),)}  # the recipe, narrow


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """(model, its ONNX file's bytes, what the file says), with random weights that tell classes apart."""
    import keras

    from kerasrecipes.engines.onnx_metadata import read_description
    from kerasrecipes.export.exporter import export
    from kerasrecipes.tasks.segmenter import Segmenter

    keras.utils.set_random_seed(4)
    model = Segmenter("dilated_camvid_small", config=TINY)
    rng = np.random.default_rng(0)
    front = model.get_layer("front")
    front.kernel.assign(rng.normal(0, 0.5, front.kernel.shape))
    for layer in model.layers:
        if layer.name.startswith("context") and layer.weights:
            layer.kernel.assign(np.asarray(layer.kernel) + rng.normal(0, 0.1, layer.kernel.shape))
    path = export(model, tmp_path_factory.mktemp("street"), activations=["front"], name="dilated_camvid_small")
    metadata = read_description(path)
    return model, path.read_bytes(), {k: metadata[k] for k in ("classes", "palette", "margin", "stride", "context")}


@pytest.fixture
def page(browser, network):
    page = browser.new_page()
    serve(page, {"dilated_camvid_small.onnx": network[1:]})
    yield page
    page.close()


@pytest.mark.parametrize("shape", [(48, 64), (45, 61)])
def test_scores_masks_and_areas_are_pythons(page, site_url, network, shape):
    from kerasrecipes.inference.image_segmentation import upsample_bilinear

    model, _, metadata = network
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype="uint8").repeat(1, 0)
    page.goto(f"{site_url}live/segment/")
    found = page.evaluate(
        f"""async ([values, shape]) => {{
        const common = await import(new URL('../common.js', location)), street = await import(new URL('../segment_net.js', location));
        const net = await common.openSession('dilated_camvid_small'), rgb = Uint8ClampedArray.from(values), pack = {PACK};
        const scores = await street.segment(net, rgb, shape), count = net.metadata.classes.length;
        const of = (part) => street.classifyPixels(scores[part], scores.rows, scores.columns, count, shape, net.metadata.stride);
        return {{ front: pack(scores.front), context: pack(scores.context), rows: scores.rows, columns: scores.columns,
                 mask: pack(of('context').mask), areas: [...of('context').areas], without: pack(of('front').mask) }}; }}""",
        [rgb.ravel().tolist(), list(shape)],
    )
    right = model.segment(rgb)
    scores = model.predict_cell_logits(rgb)
    assert scores.shape[:2] == (found["rows"], found["columns"])
    close(numbers(found["context"]), scores)
    assert len(np.unique(right.mask)) > 2
    same = numbers(found["mask"]).reshape(shape) == right.mask
    assert same.mean() > 0.999  # ties aside
    areas = right.class_areas()
    assert found["areas"] == pytest.approx([areas.get(name, 0.0) for name in metadata["classes"]], abs=2e-3)
    front = np.asarray(model.compiled_stages()[0](model.preprocess(rgb[None])))[0]
    close(numbers(found["front"]), front)
    exp = np.exp(front - front.max(-1, keepdims=True))
    mask = upsample_bilinear(exp / exp.sum(-1, keepdims=True), model.stride)[: shape[0], : shape[1]].argmax(-1)
    assert (numbers(found["without"]).reshape(shape) == mask).mean() > 0.999


def test_frames_are_receptive_fields(page, site_url, network):
    from kerasrecipes import visualize

    model, _, metadata = network
    page.goto(f"{site_url}live/segment/")
    size, margin = (180, 240), metadata["margin"]
    for y, x in ((90, 120), (3, 200)):
        found = page.evaluate(
            "async ([y, x, metadata]) => (await import(new URL('../segment_net.js', location))).getReceptiveFields(y, x, metadata)",
            [y, x, metadata],
        )
        cell = f"{y // metadata['stride']},{x // metadata['stride']}"
        for part, layer in (("front", "front"), ("context", "logits")):
            field = visualize.receptive_field(
                model, f"{layer}:0@{cell}", size=(size[0] + 2 * margin, size[1] + 2 * margin)
            )
            top, left, high, wide = found[part]
            sides = ((top, high, size[0]), (left, wide, size[1]))
            box = [(max(0, a + margin), min(n + 2 * margin, a + margin + s)) for a, s, n in sides]
            assert tuple(box) == field.box, (part, y, x)


def test_the_page_shows_both_answers_and_what_a_pixel_sees(page, site_url):
    start(page, f"{site_url}live/segment/")
    assert until(page, "size") == "240x180"
    canvas = page.locator(".segment canvas").first
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert until(page, "pixel")
    assert "with context, receptive field" in page.locator(".segment-pixel").inner_text()
    assert page.locator(".segment-field:not([hidden])").count() == 2
    cells = page.locator(".segment-areas").first.locator("td:last-child").all_inner_texts()
    shares = [float(text.removesuffix(" %")) for text in cells]
    assert sum(shares) == pytest.approx(100, abs=0.7)
    page.locator(".segment select").select_option(index=1)
    until(page, "size", "320x240")
    canvas.focus()
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight")
    page.locator(".segment select").select_option(index=0)
    until(page, "size", "240x180")
    assert "undefined" not in page.locator(".segment-pixel").inner_text()  # that pixel is no longer there
    fits(page)
    assert not page.problems


def test_no_camera_stays_on(page, site_url):
    """Switched on, off and on while the browser still asks, and then off: every stream that was given has ended."""
    start(page, f"{site_url}live/segment/")
    page.evaluate(
        """() => { window.tracks = []; navigator.mediaDevices.getUserMedia = async () => {
        await new Promise((next) => setTimeout(next, 400));
        const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
        setInterval(() => { pen.fillStyle = `hsl(${Date.now() % 360} 50% 50%)`; pen.fillRect(0, 0, 300, 150); }, 50);
        const stream = canvas.captureStream(10);
        window.tracks.push(...stream.getTracks());
        return stream; }; }"""
    )
    camera = page.get_by_role("button", name="camera", exact=True)
    for pressed in ("true", "false", "true"):
        camera.click()
        assert camera.get_attribute("aria-pressed") == pressed
    page.wait_for_function("tracks.length === 2 && tracks.filter((t) => t.readyState === 'live').length === 1")
    camera.click()
    page.wait_for_function("tracks.every((t) => t.readyState === 'ended')")
    assert camera.get_attribute("aria-pressed") == "false" and not page.problems


def test_without_weights_it_says_so(browser, site_url):
    page = browser.new_page()
    serve(page, {"dilated_camvid_small.onnx": (None, {})})
    page.goto(f"{site_url}live/segment/")
    page.locator(".live-start").click()
    page.wait_for_selector(".live-error:has-text('no released weights yet')")
    page.close()
