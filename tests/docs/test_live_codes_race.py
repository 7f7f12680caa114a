"""The pages of the autoencoder and of the optimizers: values of Keras, equal starts, and the pages themselves."""

import os
from collections.abc import Iterator

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import live_pages
import numpy as np
import pytest

from kerasrecipes.export.convnetjs_import import from_json


@pytest.fixture(scope="module")
def autoencoder(browser, site_url: str) -> Iterator:
    yield from live_pages.open_demo(browser, site_url, "autoencoder")


@pytest.fixture(scope="module")
def race(browser, site_url: str) -> Iterator:
    yield from live_pages.open_demo(browser, site_url, "race")


def test_codes_and_reconstructions_are_keras(autoencoder) -> None:
    import keras

    snapshot, inputs, codes, outputs, decoded = live_pages.call(
        autoencoder, ["autoencoder", "code_training", "definition", "digits"],
        """const data = await digits.loadDigits(), net = definition.buildNet(autoencoder.NETWORK, 2);
        const session = new code_training.CodeTraining(data, net, autoencoder.SETTINGS, 2);
        for (let i = 0; i < 30; i++) session.step();
        const some = data.test.slice(0, 5), all = some.map((d) => session.encode(d)), list = (v) => Array.from(v);
        const codes = all.map((e) => list(e.code)), outputs = all.map((e) => list(e.output));
        const decoded = codes.map((c) => list(session.decode(c)));
        return [JSON.parse(JSON.stringify(net)), some.map((d) => list(d.pixels)), codes, outputs, decoded]""",
    )  # fmt: skip
    model = from_json(snapshot)
    encoder = keras.Model(model.input, next(v for v in model.layers if v.output.shape == (None, 2)).output)
    x = np.float32(inputs).reshape(-1, 28, 28, 1) / 255
    np.testing.assert_allclose(codes, encoder.predict(x, verbose=0), atol=1e-5)
    np.testing.assert_allclose(outputs, model.predict(x, verbose=0), atol=1e-5)
    np.testing.assert_allclose(decoded, outputs, atol=1e-12)
    assert np.ptp(codes, axis=0).min() > 1e-3


def test_the_page_learns_codes_and_decodes_places(autoencoder) -> None:
    demo = autoencoder.locator(".live-demo")
    autoencoder.get_by_role("button", name="Start learning").click()
    autoencoder.wait_for_function("+document.querySelector('.live-demo').dataset.examples >= 600")
    autoencoder.get_by_role("button", name="Pause").click()
    assert float(demo.get_attribute("data-loss")) < 45  # 53 at the start
    before = demo.get_attribute("data-code")
    autoencoder.locator("canvas.live-pad").focus()
    autoencoder.keyboard.press("ArrowRight")
    after = demo.get_attribute("data-code")
    assert float(after.split(",")[0]) > float(before.split(",")[0]) and after.split(",")[1] == before.split(",")[1]
    autoencoder.get_by_label("Network, one layer a line").fill("input 28 x 28 x 1\nfc 3\nregression 784")
    autoencoder.get_by_role("button", name="Build this network").click()
    assert "fc 2" in autoencoder.locator("[role=alert]").inner_text()


def test_racers_start_alike_and_get_the_same_digits(race) -> None:
    """Each racer ends where its optimizer brings it alone, on digits in the order of the seed."""
    starts, ends, alone = live_pages.call(
        race, ["race", "race_training", "definition", "data_sets", "trainer", "random", "crops"],
        """const data = await data_sets.loadDigitSet(), list = (net) => net.parameters.flatMap((p) => Array.from(p.value)).slice(-300);
        const all = new race_training.Race(data, race.NETWORK, { batch: 8, decay: 0.001, rates: { sgd: 0.02 } }, 4);
        const starts = all.racers.map((r) => list(r.net));
        for (let i = 0; i < 40; i++) all.step();
        const alone = all.racers.map(({ method, trainer: { settings } }) => {
          const net = definition.buildNet(race.NETWORK, 4), learner = new trainer.Trainer(net, settings), uniform = random.makeRandom(4);
          for (let i = 0; i < 40; i++) {
            const { pixels, label } = data.train[random.sampleInteger(data.train.length, uniform)];
            learner.train(crops.sampleCrop(pixels, data.shape, net.inputShape, {}, uniform), label);
          }
          return [method, settings.rate, list(net)]; });
        return [starts, all.racers.map((r) => list(r.net)), alone]""",
    )  # fmt: skip
    assert len(starts) == 7 and all(s == starts[0] for s in starts)
    assert [e[2] for e in alone] == ends
    assert len({e[0] for e in alone}) == 7 and len({str(e) for e in ends}) == 7
    assert {e[0]: e[1] for e in alone}["sgd"] == 0.02 and {e[0]: e[1] for e in alone}["adam"] == 0.01


def test_the_page_races(race) -> None:
    race.get_by_role("button", name="Start the race").click()
    race.wait_for_function("+document.querySelector('.live-demo').dataset.examples >= 300")
    race.get_by_role("button", name="Pause").click()
    losses = {
        row.locator("th").inner_text(): float(row.locator("td").nth(1).inner_text()) for row in race.locator(".race-table tbody tr").all()
    }
    assert len(losses) == 7 and losses["■ SGD with momentum"] < losses["■ SGD"] and all(0.1 < v < 3 for v in losses.values())
    race.get_by_label("learning rate of Adam").fill("-1")
    race.get_by_label("learning rate of Adam").press("Tab")
    assert "learning rate of Adam" in race.locator("[role=alert]").inner_text()
    race.get_by_label("learning rate of Adam").fill("0.005")
    race.get_by_label("learning rate of Adam").press("Tab")
    assert race.locator("[role=alert]").count() == 0 and race.locator(".live-demo").get_attribute("data-examples") == "0"
