"""Layers, losses and optimizers of the pages with small networks: ConvNetJS's numbers, finite differences, Keras."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import live_pages
import numpy as np
import pytest
from convnetjs_inputs import METHODS, SETTINGS, make_convnetjs_examples, make_convnetjs_networks

GOLDENS = Path(__file__).parents[1] / "goldens"
NETWORKS = make_convnetjs_networks()
CLOSE = 1e-9  # the page computes in float64
START = """const network = net.Net.fromJSON(given[0]), inputs = given[1].map((x) => Float64Array.from(x)), targets = given[2];
const collect = (name) => network.parameters.flatMap((p) => Array.from(p[name]));"""


@pytest.fixture(scope="module")
def page(browser, site_url: str) -> Iterator:
    page = live_pages.opened(browser, f"{site_url}live/points/")
    yield page
    assert not page.failures
    page.close()


def run(page, name: str, body: str, *more: object, modules: tuple[str, ...] = ("net",)):
    x, y = make_convnetjs_examples(name)
    return live_pages.call(page, [*modules], f"{START} {body}", NETWORKS[name], x.reshape(len(x), -1).tolist(), y.tolist(), *more)


@pytest.mark.parametrize("name", NETWORKS)
def test_values_losses_and_gradients_are_those_of_convnetjs(page, name: str) -> None:
    result = run(
        page, name,
        """const outputs = [], losses = [];
        inputs.forEach((x, i) => { outputs.push(Array.from(network.forward(x, true))); losses.push(network.backward(targets[i])); });
        return { outputs, losses, gradients: collect('gradient'), input_gradient: Array.from(network.inputGradient) }""",
    )  # fmt: skip
    with np.load(GOLDENS / "convnetjs_layers.npz") as golden:
        keys = [key for key in golden.files if key.startswith(name)]
        assert len(keys) == (3 if name == "lrn" else 4)
        for key in keys:
            np.testing.assert_allclose(result[key.removeprefix(f"{name}_")], golden[key], atol=CLOSE, err_msg=key)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_finite_differences(page, name: str) -> None:
    """Gradients of the weights and of the input, also through response normalization, where ConvNetJS is wrong."""
    gradients, differences = run(
        page, name,
        """const x = inputs[3], evaluate = () => { network.forward(x); return network.backward(targets[3]); };
        const { inputGradient, layers } = network.inspect(x, targets[3]);
        const differ = (values) => Array.from(values, (v, i) => {
          const [a, b] = [1e-6, -1e-6].map((d) => { values[i] = v + d; return evaluate(); });
          values[i] = v;
          return (a - b) / 2e-6; });
        const weights = layers.flatMap((l) => l.weightGradients.flatMap((g) => Array.from(g)));
        return [[...inputGradient, ...weights], [...differ(x), ...network.parameters.flatMap((p) => differ(p.value))]]""",
    )  # fmt: skip
    assert np.abs(gradients).max() > 0.05
    np.testing.assert_allclose(gradients, differences, atol=1e-7)


def test_dropout_drops_in_training_and_scales_in_tests(page) -> None:
    trained, tested, gradient = live_pages.call(
        page, ["units"],
        """const layer = new units.Dropout([1, 1, 1000], { drop_prob: 0.3 }, (await import(new URL('random.js', base))).makeRandom(5));
        const x = new Float64Array(1000).fill(2), trained = Array.from(layer.forward(x, true)), gradient = Array.from(layer.backward(x));
        return [trained, Array.from(layer.forward(x)), gradient]""",
    )  # fmt: skip
    assert set(trained) == {0, 2} and 250 < trained.count(0) < 350
    assert gradient == trained  # it passes where the value passed
    np.testing.assert_allclose(tested, 0.6)


@pytest.mark.parametrize("name", NETWORKS)
def test_snapshots_come_back(page, name: str) -> None:
    assert run(page, name, "return JSON.parse(JSON.stringify(network))") == NETWORKS[name]


@pytest.mark.parametrize("method", METHODS)
def test_trainers_are_those_of_convnetjs(page, method: str) -> None:
    """Three batches of four with both decays."""
    change = run(
        page, "vectors",
        """const before = collect('value'), learner = new trainer.Trainer(network, given[3]);
        inputs.forEach((x, i) => learner.train(x, targets[i]));
        return collect('value').map((v, i) => v - before[i])""",
        SETTINGS | {"method": method}, modules=("net", "trainer"),
    )  # fmt: skip
    with np.load(GOLDENS / "convnetjs_methods.npz") as golden:
        np.testing.assert_allclose(change, golden[method], atol=CLOSE)


def make_keras_optimizer(method: str):
    from keras import optimizers

    rate, momentum, rho, epsilon = 0.05, 0.8, 0.9, 1e-6
    return {
        "sgd": lambda: optimizers.SGD(rate), "momentum": lambda: optimizers.SGD(rate, momentum=momentum),
        "nesterov": lambda: optimizers.SGD(rate, momentum=momentum, nesterov=True),
        "adagrad": lambda: optimizers.Adagrad(rate, initial_accumulator_value=0.0, epsilon=epsilon),
        "windowgrad": lambda: optimizers.RMSprop(rate, rho=rho, epsilon=epsilon),
        "adadelta": lambda: optimizers.Adadelta(1.0, rho=rho, epsilon=epsilon),
        "adam": lambda: optimizers.Adam(rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8),
    }[method]()  # fmt: skip


@pytest.mark.parametrize("method", [*METHODS, "adam"])
def test_steps_are_those_of_keras(page, method: str) -> None:
    """Keras scales Adam's epsilon with the bias correction, which its paper does not, so that only a tiny one compares."""
    import keras

    gradients = np.random.default_rng(1).normal(size=(12, 5))
    value = live_pages.call(
        page, ["optimizers"],
        """const [name, gradients, settings] = given, n = gradients[0].length, value = new Array(n).fill(0.5);
        const state = { first: new Float64Array(n), second: new Float64Array(n) };
        gradients.forEach((g, k) => g.forEach((v, i) => (value[i] += optimizers.METHODS[name].step(state, v, i, settings, k + 1))));
        return value""",
        method, gradients.tolist(), SETTINGS | {"beta1": 0.9, "beta2": 0.999} | ({"eps": 1e-8} if method == "adam" else {}),
    )  # fmt: skip
    variable, optimizer = keras.Variable(np.full(5, 0.5, "float32")), make_keras_optimizer(method)
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [variable])
    np.testing.assert_allclose(value, keras.ops.convert_to_numpy(variable.value), atol=1e-5)


TEXTS = {
    "images": "input 24 x 24 x 1\nconv 8 filters 5 x 5, pad 2, relu\npool 2 x 2\nconv 16 filters 5 x 5, relu\npool 3 x 3\nsoftmax 10",
    "all layers": "input 9 x 8 x 2\nconv 6 filters 3 x 2, stride 2, pad 1, maxout 3\nlrn n 3, alpha 0.1, beta 0.75, k 2\n"
    "pool 2 x 2, stride 1\nfc 4, sigmoid, dropout 0.3\ntanh\nsvm 3",
    "a vector": "input 2\nfc 6, tanh\nregression 1",
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_comes_back_from_its_network_and_its_snapshot(page, name: str) -> None:
    body = """const first = definition.buildNet(given[0], 3), again = net.Net.fromJSON(JSON.parse(JSON.stringify(first)));
        return [definition.formatDefinition(first), definition.formatDefinition(again)]"""
    text = TEXTS[name].replace("\ntanh", ", tanh")
    assert live_pages.call(page, ["net", "definition"], body, TEXTS[name]) == [text, text]


def test_a_text_may_be_written_freely(page) -> None:
    free = "# mine\nInput 24x24x1\n\nCONV 8 5\u00d75 , pad 2 ,relu  # filters\nrelu\nmax pool 2x2\nsoftmax 10"
    text = "input 24 x 24 x 1\nconv 8 filters 5 x 5, pad 2, relu, relu\npool 2 x 2\nsoftmax 10"
    assert live_pages.call(page, ["definition"], "return definition.formatDefinition(definition.buildNet(given[0], 1))", free) == text


@pytest.mark.parametrize(("text", "message"), [
    ("", "The network is empty"), ("input 2\nfc 4", "lacks a last line"), ("fc 4\nsoftmax 2", "Line 1 (fc 4): the network begins"),
    ("input 2\n\nkonv 8\nsoftmax 2", "Line 3 (konv 8): unknown layer konv"), ("input 2\nfc x\nsoftmax 2", "Line 2 (fc x): write it like"),
    ("input 2\nsoftmax 2\nfc 3", "Line 3 (fc 3): nothing can follow"),
    ("input 2\nfc 3, stride 2\nsoftmax 2", "Line 2 (fc 3, stride 2): unknown option"),
    ("input 4 x 4 x 1\nconv 8 filters 5 x 5\nsoftmax 2", "Line 2 (conv 8 filters 5 x 5) has the size 0"),
    ("input 3\nmaxout 5\nsoftmax 2", "Line 2 (maxout 5) takes the maximum of 5 channels"),
    ("input 2\ndropout 2\nsoftmax 2", "Line 2 (dropout 2)"), ("input 2\nlrn n x\nsoftmax 2", "Line 2 (lrn n x)"),
    ("input 2\nfc 9999999\nsoftmax 2", "weights. This page allows"), ("input 9999 x 9999 x 99\nsoftmax 2", "values. This page allows"),
    ("input 2\nconstructor\nsoftmax 2", "unknown layer constructor"),
])  # fmt: skip
def test_an_error_of_a_text_names_its_line(page, text: str, message: str) -> None:
    body = """try { definition.buildNet(given[0], 1); return 'no error' }
        catch (error) { return `${error.constructor.name} ${error.message}` }"""
    assert live_pages.call(page, ["definition"], body, text).startswith("LiveError")
    assert message in live_pages.call(page, ["definition"], body, text)
