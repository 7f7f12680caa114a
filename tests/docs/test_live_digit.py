"""The demos Draw a digit and A picture in ten classes: the same numbers as Python's, by pointer, keys and file."""

import io
from collections.abc import Iterator

import live_pages
import numpy as np
import onnxruntime
import pytest
from PIL import Image

import kerasrecipes as kr
from examples import load_example

CLOSE = 1e-3


@pytest.fixture(scope="module")
def page(browser, site_url: str) -> Iterator:
    yield from live_pages.open_demo(browser, site_url, "digit")


def network(name: str, picture: np.ndarray) -> dict[str, np.ndarray]:
    """All outputs of a file that the page loads, from Python."""
    session = onnxruntime.InferenceSession(str(live_pages.FILES / f"{name}.onnx"))
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, {"picture": picture.astype("float32")}), strict=True))


@pytest.mark.parametrize(
    ("shape", "size", "box"),
    [
        ((61, 47, 3), (32, 32), (0.0, 7.0, 47.0, 54.0)), ((300, 280, 1), (20, 13), (31.0, 40.0, 200.0, 290.0)),
        ((9, 11, 3), (40, 30), (0.0, 0.0, 11.0, 9.0)), ((32, 32, 3), (32, 32), (0.0, 0.0, 32.0, 32.0)),
    ],
)  # fmt: skip
def test_resizing_is_pillows(page, shape, size, box) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape).astype("uint8")
    found = live_pages.call(
        page, ["pixels"], "return Array.from(pixels.resize(Uint8ClampedArray.from(given[0]), given[1], given[2], given[3]))",
        values.ravel().tolist(), shape, size, box,
    )  # fmt: skip
    image = Image.fromarray(values[..., 0] if shape[-1] == 1 else values)
    right = np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC, box=box))
    np.testing.assert_array_equal(np.array(found), right.ravel())


@pytest.mark.parametrize("dark_ink", [False, True])
def test_a_drawing_is_prepared_as_in_python(page, dark_ink: bool) -> None:
    rng = np.random.default_rng(int(dark_ink))
    for _ in range(3):
        points = rng.uniform(30, 250, (5, 2)).tolist()
        ink, found = live_pages.call(
            page, ["pad", "pixels"],
            """const canvas = pad.makePad(() => {}), [points, dark] = given;
            points.slice(1).forEach((p, i) => canvas.drawLine(...points[i], ...p));
            const image = dark ? canvas.ink.map((v) => 255 - v) : canvas.ink;
            return [Array.from(image), Array.from(pixels.prepareDigit(image, [280, 280]))]""",
            points, dark_ink,
        )  # fmt: skip
        right = load_example("classify_digit").preprocess_mnist_digit(np.array(ink, "uint8").reshape(280, 280))
        np.testing.assert_array_equal(np.array(found).reshape(28, 28), right)


def test_the_digit_nets_numbers_are_pythons(page) -> None:
    digit = np.random.default_rng(2).integers(0, 256, (28, 28)).astype("uint8")
    found = live_pages.call(
        page, ["common", "digit"],
        """const net = await common.openSession("convnetjs_mnist.activations");
        const { outputs } = await digit.classify(net, Uint8Array.from(given[0]));
        return Object.fromEntries(Object.entries(outputs).map(([k, v]) => [k, Array.from(v.data)]))""",
        digit.ravel().tolist(),
    )  # fmt: skip
    view = digit[None, 2:26, 2:26, None]
    right = network("convnetjs_mnist.activations", view)
    assert set(found) == set(right)
    for name, values in right.items():
        np.testing.assert_allclose(np.array(found[name]), values.ravel(), atol=CLOSE, err_msg=name)
    released = kr.load("convnetjs_mnist", engine="onnxruntime")
    np.testing.assert_allclose(np.array(found["logits"]), released.predict_logits(view)[0], atol=CLOSE)


def test_bundled_digits_are_what_their_labels_say(page) -> None:
    """The released net, right of 99 % of MNIST's test set, agrees with nearly all labels."""
    test = live_pages.call(
        page, ["digits"], "return (await digits.loadDigits()).test.map((d) => [d.label, Array.from(d.pixels)])"
    )
    labels, pixels = np.array([t[0] for t in test]), np.array([t[1] for t in test], "float32").reshape(-1, 28, 28, 1)
    scores = kr.load("convnetjs_mnist", engine="onnxruntime").predict_logits(pixels[:, 2:26, 2:26])
    assert len(test) == 200 and (scores.argmax(1) == labels).mean() > 0.97


def test_pointer_draws_a_seven_and_keys_a_one(page) -> None:
    demo = page.locator('.live[data-demo="digit"] .live-demo')
    box = page.locator(".live-pad").bounding_box()
    path = [(80, 60), (190, 60), (185, 80), (150, 150), (120, 230)]
    page.mouse.move(box["x"] + path[0][0], box["y"] + path[0][1])
    page.mouse.down()
    for x, y in path:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=6)
    page.mouse.up()
    page.wait_for_function("document.querySelector('.digit-answer').textContent === '7'")
    assert float(demo.get_attribute("data-ms")) < 20  # the network alone
    assert page.locator(".live-layers canvas").count() == 5

    page.locator(".live-pad").focus()
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('.digit-answer').textContent === ''")
    page.keyboard.press(" ")
    for _ in range(17):
        page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('.digit-answer').textContent === '1'")


def test_two_fingers_draw_no_line_between_them(page) -> None:
    lit = page.evaluate(
        """() => { const pad = document.querySelector('.live-pad'), box = pad.getBoundingClientRect();
        pad.setPointerCapture = () => {};
        const touch = (kind, pointerId, x, y) => pad.dispatchEvent(
            new PointerEvent(kind, { pointerId, clientX: box.left + x, clientY: box.top + y, bubbles: true }));
        const ink = (x, y) => 255 - pad.getContext('2d').getImageData(x, y, 1, 1).data[0];
        [...document.querySelectorAll('button')].find((b) => b.textContent === 'Clear').click();
        touch('pointerdown', 1, 40, 40); touch('pointerdown', 2, 240, 240); touch('pointermove', 2, 230, 230);
        touch('pointermove', 1, 60, 40); touch('pointerup', 2, 230, 230); touch('pointermove', 1, 80, 40); touch('pointerup', 1, 80, 40);
        return [ink(80, 40), ink(140, 140), ink(235, 235)]; }"""
    )
    assert lit == [255, 0, 0]


def test_a_photograph_of_a_digit(page) -> None:
    """Dark on light, one of MNIST's, enlarged."""
    digit = live_pages.call(
        page, ["digits"], "return Array.from((await digits.loadDigits()).test.find((d) => d.label === 3).pixels)"
    )
    paper = 230 - np.pad(np.array(digit, "uint8").reshape(28, 28), 8) // 1.3
    file = io.BytesIO()
    Image.fromarray(paper.astype("uint8")).resize((220, 220)).save(file, "PNG")
    page.locator('.live[data-demo="digit"] input[type=file]').set_input_files(
        {"name": "three.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    page.wait_for_function("document.querySelector('.digit-answer').textContent === '3'")


def test_a_file_that_is_no_picture_is_explained(page) -> None:
    page.locator('.live[data-demo="digit"] input[type=file]').set_input_files(
        {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    assert "cannot read this file" in page.locator('.live[data-demo="digit"] [role=alert]').inner_text()


def test_pictures_in_ten_classes(page) -> None:
    live_pages.start(page, "cifar")
    rgb = np.random.default_rng(3).integers(0, 256, (50, 70, 3)).astype("uint8")
    found = live_pages.call(
        page, ["common", "cifar"],
        """const net = await common.openSession("convnetjs_cifar10.activations");
        const { outputs } = await cifar.classify(net, cifar.prepare(Uint8ClampedArray.from(given[0]), [50, 70, 3]));
        return Array.from(outputs.logits.data)""",
        rgb.ravel().tolist(),
    )  # fmt: skip
    model = kr.load("convnetjs_cifar10", engine="onnxruntime")
    canvas = model.preprocessing.center_crop(model.preprocessing.resize(rgb))
    np.testing.assert_allclose(np.array(found), model.predict_logits(canvas[None])[0], atol=CLOSE)

    demo = page.locator('.live[data-demo="cifar"]')
    sample = live_pages.FILES.parent / "samples" / "rocket.png"
    demo.locator("input[type=file]").set_input_files(sample)
    best = model.classify(str(sample)).name
    page.wait_for_function(
        "(best) => document.querySelector('[data-demo=cifar] .live-demo').dataset.answer === best", arg=best
    )
    assert demo.locator(".live-layers canvas").count() == 7
