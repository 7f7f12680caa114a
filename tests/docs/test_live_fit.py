"""The page Fit functions and pictures: seeded trainings against Keras, and the page itself."""

from collections.abc import Iterator

import live_pages
import numpy as np
import pytest
from small_net_pages import assert_equal_weights, mulberry32, train_in_keras

from kerasrecipes.losses.convnetjs_losses import half_squared_error


@pytest.fixture(scope="module")
def fit(browser, site_url: str) -> Iterator:
    yield from live_pages.open_demo(browser, site_url, "fit")


def test_a_training_on_a_function_is_keras(fit) -> None:
    import keras

    begin, end, examples = live_pages.call(
        fit, ["fit", "function_training", "definition"],
        """const net = definition.buildNet(fit.NETWORK, 3), begin = JSON.parse(JSON.stringify(net));
        const set = function_training.sampleFunction("xsinx", 30, 1);
        new function_training.FunctionTraining(set, net, fit.SETTINGS).step();
        return [begin, JSON.parse(JSON.stringify(net)), set.map((p) => [[p.x], [p.y]])]""",
    )  # fmt: skip
    x, y = (np.ravel([e[i] for e in examples]) for i in (0, 1))
    np.testing.assert_allclose(y, x * np.sin(x), atol=1e-12)
    loss = lambda y, x: half_squared_error(y.astype("float32"), x)  # noqa: E731
    assert_equal_weights(begin, end, train_in_keras(begin, keras.optimizers.SGD(0.01), loss, examples, 1, 0.001))


def test_the_page_fits_a_curve(fit) -> None:
    fit.get_by_role("button", name="Start learning").click()
    fit.wait_for_function("+document.querySelector('[data-demo=fit] .live-demo').dataset.loss < 0.1")
    fit.get_by_role("button", name="Pause").click()
    fit.get_by_label("Network, one layer a line").fill("input 1\nsoftmax 2")
    fit.get_by_role("button", name="Build this network").click()
    assert "regression 1" in fit.locator("[role=alert]").inner_text()


def test_a_training_on_a_picture_is_keras(fit) -> None:
    """Random pixels in seeded order: the generator's numbers are computed in Python, too."""
    import keras

    height, width = 6, 8
    pixels = np.random.default_rng(2).integers(0, 256, (height, width, 3))
    begin, end, painted = live_pages.call(
        fit, ["paint", "function_training", "definition"],
        """const net = definition.buildNet("input 2\\nfc 20, relu\\nfc 20, tanh\\nregression 3", 3);
        const begin = JSON.parse(JSON.stringify(net));
        const session = new function_training.PictureTraining(Uint8Array.from(given[0]), [6, 8], net, { ...paint.SETTINGS, rate: 0.05 }, 9);
        for (let i = 0; i < 50; i++) session.step();
        return [begin, JSON.parse(JSON.stringify(net)), Array.from(session.paint())]""",
        pixels.ravel().tolist(),
    )  # fmt: skip
    sample, examples = mulberry32(9), []
    for _ in range(50):
        x, y = int(width * sample()), int(height * sample())
        examples.append(([x / width - 0.5, y / height - 0.5], (pixels[y, x] / 255).tolist()))
    loss = lambda y, x: half_squared_error(y.astype("float32"), x)  # noqa: E731
    model = train_in_keras(begin, keras.optimizers.SGD(0.05, momentum=0.9), loss, examples, 5, 0.0)
    assert_equal_weights(begin, end, model)
    places = np.float32([[x / width - 0.5, y / height - 0.5] for y in range(height) for x in range(width)]).reshape(-1, 1, 1, 2)
    np.testing.assert_allclose(np.reshape(painted, (-1, 3)), np.clip(255 * model.predict(places, verbose=0), 0, 255), atol=0.51)


def test_the_page_paints(fit) -> None:
    live_pages.start(fit, "paint")
    demo = fit.locator('.live[data-demo="paint"] .live-demo')
    fit.get_by_role("button", name="Start painting").click()
    fit.wait_for_function("+document.querySelector('[data-demo=paint] .live-demo').dataset.examples >= 4000")
    demo.get_by_role("button", name="Pause").click()
    loss = float(demo.get_attribute("data-loss"))
    fit.wait_for_function("(l) => +document.querySelector('[data-demo=paint] .live-demo').dataset.loss < 0.12 && l > 0", arg=loss)
