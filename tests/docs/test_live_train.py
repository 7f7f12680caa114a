"""The demo Train a network in this page: gradients and a seeded training against Keras, averages over crops, snapshots."""

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
IMAGES = RNG.uniform(-0.5, 0.5, (8, 24, 24, 1))
LABELS = RNG.integers(0, 10, 8)
CLOSE = 1e-3  # float32 of Keras, sums over eight images
# gives the page's network of a seed, as a snapshot
BEGIN = """const network = new net.Net(given[0] ?? net.DIGITS, 3), begin = JSON.parse(JSON.stringify(network));
const images = given[1].map((p) => Float64Array.from(p)), labels = given[2];"""


@pytest.fixture(scope="module")
def page(browser, site_url: str) -> Iterator:
    yield from live_pages.open_demo(browser, site_url, "train")


def run(page, body: str, layers: list | None = None, size: int = 24):
    images = IMAGES[:, :size, :size].reshape(len(IMAGES), -1).tolist()
    return live_pages.call(page, ["net", "trainer"], f"{BEGIN} {body}", layers, images, LABELS.tolist())


def compute_loss(model, images, labels):
    """Return Keras's summed loss of a snapshot's logits."""
    import keras

    return keras.ops.sum(keras.losses.sparse_categorical_crossentropy(labels, model(images), from_logits=True))


OTHER = [  # sizes that do not come out even, strides, no padding, other activations
    {"layer_type": "input", "out_sx": 13, "out_sy": 13, "out_depth": 1},
    {"layer_type": "conv", "sx": 4, "sy": 3, "filters": 6, "stride": 2, "pad": 1}, {"layer_type": "tanh"},
    {"layer_type": "lrn", "k": 1, "n": 3, "alpha": 0.5, "beta": 0.75}, {"layer_type": "maxout", "group_size": 2},
    {"layer_type": "pool", "sx": 3, "sy": 3, "stride": 2}, {"layer_type": "fc", "filters": 7}, {"layer_type": "sigmoid"},
    {"layer_type": "fc", "filters": 10}, {"layer_type": "softmax"},
]  # fmt: skip


@pytest.mark.parametrize(("layers", "size"), [(None, 24), (OTHER, 13)])
def test_gradients_are_keras(page, layers, size: int) -> None:
    import tensorflow as tf

    result = run(
        page,
        """let loss = 0, first;
        images.forEach((p, i) => {
            const output = network.forward(p); first ??= Array.from(output); loss += network.backward(labels[i]); });
        const gradients = network.parameters.map((p) => Array.from(p.gradient)), input = Array.from(network.inputGradient);
        return { begin, loss, first, gradients, input }""",
        layers, size,
    )  # fmt: skip
    model = from_json(result["begin"])
    images = tf.constant(IMAGES[:, :size, :size], "float32")
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = compute_loss(model, images, LABELS)
    *expected, of_images = tape.gradient(loss, [*model.trainable_variables, images])
    assert abs(result["loss"] - float(loss)) < CLOSE
    np.testing.assert_allclose(result["first"], tf.nn.softmax(model(images))[0], atol=1e-5)
    np.testing.assert_allclose(result["input"], np.ravel(of_images[-1]), atol=1e-5)
    for values, gradient in zip(result["gradients"], expected, strict=True):
        ours = np.moveaxis(gradient.numpy(), -1, 0).ravel()  # a filter's numbers together, as ConvNetJS has them
        assert np.abs(ours).max() > 1e-3
        np.testing.assert_allclose(values, ours, atol=CLOSE)


def test_a_seeded_training_is_keras(page) -> None:
    """Three batches of four crops of digits with decay: ConvNetJS divides gradients and decay by the batch."""
    import keras
    import tensorflow as tf

    begin, end, examples = live_pages.call(
        page, ["data_sets", "definition", "image_training"],
        """const data = await data_sets.loadDigitSet(), settings = { method: "momentum", rate: 0.1, momentum: 0.8, batch: 4, decay: 0.1 };
        const make = () => new image_training.ImageTraining(data, definition.buildNet(data.definition, 7), settings, 5);
        const session = make(), begin = JSON.parse(JSON.stringify(session.net)), other = make();
        for (let i = 0; i < 12; i++) session.step();
        const examples = Array.from({ length: 12 }, () => other.sample()).map(([x, label]) => [Array.from(x), label]);
        return [begin, JSON.parse(JSON.stringify(session.net)), examples]""",
    )  # fmt: skip
    model, trained = from_json(begin), from_json(end)
    images, labels = np.array([e[0] for e in examples], "float32").reshape(-1, 24, 24, 1), np.array([e[1] for e in examples])
    assert images.min() == -0.5 and images.max() > 0.45 and len(set(labels)) > 4
    optimizer = keras.optimizers.SGD(0.1, momentum=0.8)
    for n in (0, 4, 8):
        with tf.GradientTape() as tape:
            decayed = sum(tf.reduce_sum(v**2) for v in model.trainable_variables if len(v.shape) > 1)
            total = (compute_loss(model, images[n : n + 4], labels[n : n + 4]) + 0.1 * decayed / 2) / 4
        optimizer.apply(tape.gradient(total, model.trainable_variables), model.trainable_variables)
    moved = [np.abs(a - b).max() for a, b in zip(from_json(begin).get_weights(), trained.get_weights(), strict=True)]
    assert min(moved) > 1e-4
    for ours, theirs in zip(model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_outputs_are_averaged_over_crops(page) -> None:
    """Four crops of a digit, and six of a shape, of which some are mirrored."""
    for make, count in (("await data_sets.loadDigitSet()", 4), ("data_sets.makeShapeSet()", 6)):
        average, crops, snapshot, pixels = live_pages.call(
            page, ["data_sets", "definition", "image_training", "crops", "random"],
            f"""const data = {make}, session = new image_training.ImageTraining(data, definition.buildNet(data.definition, 7), {{}}, 5);
            const {{ pixels }} = data.test[3], uniform = random.makeRandom(6), shape = session.net.inputShape;
            const sample = () => Array.from(crops.sampleCrop(pixels, data.shape, shape, data.augment, uniform));
            const all = Array.from({{ length: data.crops }}, sample);
            return [Array.from(session.average(pixels)), all, JSON.parse(JSON.stringify(session.net)), Array.from(pixels)]""",
        )  # fmt: skip
        depth = 1 if count == 4 else 3
        crops = np.array(crops).reshape(count, 24, 24, depth)
        logits = from_json(snapshot).predict(crops, verbose=0)
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_allclose(average, shares.mean(0), atol=1e-5)
        image = np.array(pixels).reshape(28, 28, depth) / 255 - 0.5
        places = [image[y : y + 24, x : x + 24] for y in range(5) for x in range(5)]
        whole = [p for place in places for p in ((place, place[:, ::-1]) if depth == 3 else (place,))]
        assert all(any(np.allclose(crop, p) for p in whole) for crop in crops)


def test_crops_that_leave_the_image_are_zero(page) -> None:
    image = np.arange(12).reshape(2, 2, 3) * 20
    body = "return Array.from(crops.cropImage(given[0], [2, 2, 3], [2, 2], [1, -1], given[1]))"
    plain, mirrored = (np.reshape(live_pages.call(page, ["crops"], body, image.ravel().tolist(), m), (2, 2, 3)) for m in (False, True))
    expected = np.zeros((2, 2, 3))
    expected[0, 1] = image[1, 0] / 255 - 0.5
    np.testing.assert_allclose(plain, expected, atol=1e-12)
    np.testing.assert_allclose(mirrored, expected[:, ::-1], atol=1e-12)


def test_a_snapshot_of_python_gives_the_same_in_the_page(page) -> None:
    model = convnetjs(size=24, channels=1, layers=((8, 5, 2), (16, 5, 3)))
    snapshot = json.loads(json.dumps(to_json(model)))
    result, again = run(
        page, "return [images.map((p) => Array.from(network.forward(p))), JSON.parse(JSON.stringify(network))]", snapshot["layers"]
    )
    logits = np.array(model(255 * (IMAGES + 0.5).astype("float32")))
    expected = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(result, expected / expected.sum(1, keepdims=True), atol=1e-5)
    assert again == snapshot


def test_values_and_gradients_in_the_views_leave_the_batch_alone(page) -> None:
    before, after, outputs = run(
        page,
        """const collect = () => network.parameters.map((p) => Array.from(p.gradient));
        network.forward(images[0]); network.backward(labels[0]);
        const before = collect(), { output } = network.inspect(images[1], labels[1]);
        return [before, collect(), [Array.from(output), Array.from(network.forward(images[1]))]]""",
    )  # fmt: skip
    assert before == after and outputs[0] == outputs[1] and np.abs(before[0]).max() > 0
