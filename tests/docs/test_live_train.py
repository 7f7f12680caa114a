"""The demo Train a net in this page: gradients and steps against Keras, snapshots both ways, and the page itself."""

import json
import os
from collections.abc import Iterator

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import live_pages
import numpy as np
import pytest

from kerasrecipes.export.convnetjs_export import to_json
from kerasrecipes.export.convnetjs_import import from_json
from kerasrecipes.recipes.convnetjs import convnetjs

RNG = np.random.default_rng(0)
PICTURES = RNG.uniform(-0.5, 0.5, (8, 24, 24, 1))
LABELS = RNG.integers(0, 10, 8)
CLOSE = 1e-3
# gives the page's net of a seed, as a snapshot, and what `more` makes of it
BEGIN = """const network = new net.Net(given[0] ?? net.DIGITS, 3), begin = JSON.parse(JSON.stringify(network));
const pictures = given[1].map((p) => Float64Array.from(p)), labels = given[2];"""


@pytest.fixture(scope="module")
def page(browser, site_url: str) -> Iterator:
    page = live_pages.opened(browser, f"{site_url}live/train/", "train")
    yield page
    assert not page.failures
    page.close()


def asked(page, body: str, layers: list | None = None, size: int = 24, more: object = None):
    pictures = PICTURES[:, :size, :size].reshape(len(PICTURES), -1).tolist()
    return live_pages.call(page, ["net", "trainer"], f"{BEGIN} {body}", layers, pictures, LABELS.tolist(), more)


def loss_of(model, pictures, labels):
    """Keras's summed loss of a snapshot's scores."""
    import keras

    return keras.ops.sum(keras.losses.sparse_categorical_crossentropy(labels, model(pictures), from_logits=True))


OTHER = [  # sizes that do not come out even, strides, no padding, other steps
    {"layer_type": "input", "out_sx": 13, "out_sy": 13, "out_depth": 1},
    {"layer_type": "conv", "sx": 4, "sy": 3, "filters": 3, "stride": 2, "pad": 1}, {"layer_type": "tanh"},
    {"layer_type": "pool", "sx": 3, "sy": 3, "stride": 2}, {"layer_type": "fc", "filters": 7}, {"layer_type": "sigmoid"},
    {"layer_type": "fc", "filters": 10}, {"layer_type": "softmax"},
]  # fmt: skip


@pytest.mark.parametrize(("layers", "size"), [(None, 24), (OTHER, 13)])
def test_gradients_are_keras(page, layers, size: int) -> None:
    import tensorflow as tf

    found = asked(
        page,
        """let loss = 0, first;
        pictures.forEach((p, i) => {
            const output = network.forward(p); first ??= Array.from(output); loss += network.backward(labels[i]); });
        const gradients = network.parameters.map((p) => Array.from(p.gradient)), input = Array.from(network.inputGradient);
        return { begin, loss, first, gradients, input }""",
        layers, size,
    )  # fmt: skip
    model = from_json(found["begin"])
    pictures = tf.constant(PICTURES[:, :size, :size], "float32")
    with tf.GradientTape() as tape:
        tape.watch(pictures)
        loss = loss_of(model, pictures, LABELS)
    *right, of_pictures = tape.gradient(loss, [*model.trainable_variables, pictures])
    assert abs(found["loss"] - float(loss)) < CLOSE
    np.testing.assert_allclose(found["first"], tf.nn.softmax(model(pictures))[0], atol=CLOSE)
    np.testing.assert_allclose(found["input"], np.ravel(of_pictures[-1]), atol=CLOSE)
    for values, gradient in zip(found["gradients"], right, strict=True):
        ours = np.moveaxis(gradient.numpy(), -1, 0).ravel()  # a filter's numbers together, as ConvNetJS has them
        assert np.abs(ours).max() > 1e-3
        np.testing.assert_allclose(values, ours, atol=CLOSE)


@pytest.mark.parametrize("method", ["sgd", "adadelta"])
def test_steps_are_keras(page, method: str) -> None:
    """Three batches of four with decay: ConvNetJS divides gradients and decay by the batch."""
    import keras
    import tensorflow as tf

    batch, decay = 4, 0.1
    found = asked(
        page,
        """const trainer_ = new trainer.Trainer(network, given[3]);
        for (let n = 0; n < 12; n++) trainer_.train(pictures[n % 8], labels[n % 8]);
        return [begin, JSON.parse(JSON.stringify(network))]""",
        more={"method": method, "rate": 0.1, "momentum": 0.8, "batch": batch, "decay": decay},
    )  # fmt: skip
    model, right = from_json(found[0]), from_json(found[1])
    optimizer = keras.optimizers.Adadelta(1.0, rho=0.95, epsilon=1e-8)
    if method == "sgd":
        optimizer = keras.optimizers.SGD(0.1, momentum=0.8)
    for n in (0, 4, 0):
        with tf.GradientTape() as tape:
            decayed = sum(tf.reduce_sum(v**2) for v in model.trainable_variables if len(v.shape) > 1)
            loss = loss_of(model, PICTURES[n : n + batch].astype("float32"), LABELS[n : n + batch])
            whole = (loss + decay * decayed / 2) / batch
        optimizer.apply(tape.gradient(whole, model.trainable_variables), model.trainable_variables)
    moved = [np.abs(a - b).max() for a, b in zip(from_json(found[0]).get_weights(), right.get_weights(), strict=True)]
    assert min(moved) > 1e-4
    for ours, theirs in zip(model.get_weights(), right.get_weights(), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_a_snapshot_of_python_gives_the_same_in_the_page(page) -> None:
    model = convnetjs(size=24, channels=1, layers=((8, 5, 2), (16, 5, 3)))
    snapshot = json.loads(json.dumps(to_json(model)))
    found, again = asked(
        page,
        "return [pictures.map((p) => Array.from(network.forward(p))), JSON.parse(JSON.stringify(network))]", snapshot["layers"],
    )  # fmt: skip
    scores = np.array(model(255 * (PICTURES + 0.5).astype("float32")))
    right = np.exp(scores - scores.max(1, keepdims=True))
    np.testing.assert_allclose(found, right / right.sum(1, keepdims=True), atol=CLOSE)
    assert again == snapshot


def test_the_page_learns_pauses_saves_and_loads(page, tmp_path) -> None:
    demo = page.locator('.live[data-demo="train"] .live-demo')
    page.get_by_role("button", name="Start training").click()
    page.wait_for_function("+document.querySelector('.live-demo').dataset.examples >= 200")
    page.get_by_label("batch size").fill("10")
    page.get_by_label("batch size").press("Tab")
    page.wait_for_function("+document.querySelector('.live-demo').dataset.examples >= 700")
    page.get_by_role("button", name="Pause").click()
    seen = demo.get_attribute("data-examples")
    assert float(demo.get_attribute("data-train")) > 0.4  # chance is 0.1
    page.wait_for_timeout(500)
    assert demo.get_attribute("data-examples") == seen

    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as JSON").click()
    path = tmp_path / "digits.json"
    saved.value.save_as(path)
    model = from_json(path)  # Python reads it, and it knows its digits
    test = live_pages.call(
        page, ["digits"], "return (await digits.loadDigits()).test.map((d) => [d.label, Array.from(d.pixels)])"
    )
    pixels = np.array([t[1] for t in test]).reshape(-1, 28, 28, 1)[:, 2:26, 2:26]
    answers = model.predict(pixels / 255 - 0.5, verbose=0).argmax(1)
    assert (answers == [t[0] for t in test]).mean() > 0.4

    page.get_by_role("button", name="New random weights").click()
    page.locator("input[type=file]").set_input_files(path)
    page.wait_for_function("document.querySelector('.live-demo').dataset.examples === '0'")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as JSON").click()
    assert json.loads(saved.value.path().read_text("utf-8")) == json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a JSON file"), ('{"layers": []}', "not a ConvNetJS snapshot"),
        ('{"layers": [{"layer_type": "input", "out_sx": 24, "out_sy": 24, "out_depth": 1}, {"layer_type": "lrn"}]}', "lrn"),
        ('{"layers": [{"layer_type": "input", "out_sx": 32, "out_sy": 32, "out_depth": 3}]}', "not a network for digits"),
    ],
)  # fmt: skip
def test_snapshots_that_do_not_fit_are_explained(page, text: str, words: str) -> None:
    page.locator("input[type=file]").set_input_files(
        {"name": "x.json", "mimeType": "application/json", "buffer": text.encode()}
    )
    page.wait_for_function("(w) => document.querySelector('[role=alert]')?.textContent.includes(w)", arg=words)


def test_a_setting_out_of_range_is_explained(page) -> None:
    page.get_by_label("batch size").fill("0")
    page.get_by_label("batch size").press("Tab")
    assert "batch size" in page.locator("[role=alert]").inner_text()
    page.get_by_role("button", name="New random weights").click()  # changes nothing then, and is no error of the page
    assert "batch size" in page.locator("[role=alert]").inner_text()
    page.get_by_label("batch size").fill("20")
    page.get_by_label("batch size").press("Tab")
    assert page.locator("[role=alert]").count() == 0
