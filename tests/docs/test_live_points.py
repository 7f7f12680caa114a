"""The page Classify points: a seeded training against Keras, points by mouse, finger and keys, learning, errors."""

from collections.abc import Iterator

import live_pages
import numpy as np
import pytest
from small_net_pages import assert_equal_weights, train_in_keras


@pytest.fixture(scope="module")
def points(browser, site_url: str) -> Iterator:
    yield from live_pages.open_demo(browser, site_url, "points")


def test_a_training_on_points_is_keras(points) -> None:
    import keras

    begin, end, examples, preferences = live_pages.call(
        points, ["points", "points_training", "definition"],
        """const net = definition.buildNet(points.NETWORK, 3), begin = JSON.parse(JSON.stringify(net));
        const set = points_training.makePoints("circle", 1);
        const session = new points_training.PointsTraining(set, net, { ...points.SETTINGS, rate: 0.1, momentum: 0.5 });
        session.step();
        const examples = set.map((p) => [[p.x, p.y], p.label]);
        return [begin, JSON.parse(JSON.stringify(net)), examples, set.map((p) => session.evaluate(p.x, p.y))]""",
    )  # fmt: skip
    loss = lambda y, x: keras.losses.sparse_categorical_crossentropy(y, x, from_logits=True)  # noqa: E731
    model = train_in_keras(begin, keras.optimizers.SGD(0.1, momentum=0.5), loss, examples, 10, 0.001)
    assert_equal_weights(begin, end, model)
    x = np.array([e[0] for e in examples], "float32").reshape(-1, 1, 1, 2)
    expected = keras.ops.softmax(model.predict(x, verbose=0))[:, 1]
    np.testing.assert_allclose(preferences, expected, atol=1e-5)


def test_sets_of_points_are_what_their_names_say(points) -> None:
    sets = live_pages.call(
        points, ["points_training"],
        """const list = (name) => points_training.makePoints(name, 4).map((p) => [p.x, p.y, p.label]);
        return Object.fromEntries(points_training.POINT_SETS.map((name) => [name, list(name)]))""",
    )  # fmt: skip
    assert set(sets) == {"circle", "spiral", "xor", "random"}
    for name, rows in sets.items():
        x, y, label = np.array(rows).T
        radius = np.hypot(x, y)
        assert radius.max() < 6.5 and 10 < label.sum() < len(label) - 10
        if name == "circle":
            assert radius[label == 1].max() <= 2 and radius[label == 0].min() >= 3
        if name == "xor":
            np.testing.assert_array_equal(label, x * y > 0)
        if name == "spiral":
            np.testing.assert_allclose(radius[label == 1], radius[label == 0], atol=0.35)


def count_points(page) -> int:
    """Return the number that the page says after points were added or removed."""
    return int(page.locator(".live-demo [role=status]").first.inner_text().split()[-2])


def test_points_are_added_dragged_and_removed_by_mouse_and_keys(points) -> None:
    points.get_by_role("button", name="Remove all points").click()
    plane, status = points.locator("canvas.live-pad"), points.locator(".live-demo [role=status]").first
    plane.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    box = plane.bounding_box()
    points.mouse.click(box["x"] + 100, box["y"] + 100)
    assert count_points(points) == 1
    points.mouse.move(box["x"] + 103, box["y"] + 100)  # near enough to take the point
    points.mouse.down()
    points.mouse.move(box["x"] + 200, box["y"] + 150, steps=4)
    points.mouse.up()
    points.mouse.click(box["x"] + 100, box["y"] + 100)  # where it was is place for a second one
    assert count_points(points) == 2
    plane.evaluate("canvas => canvas.focus({ preventScroll: true })")
    for key in ("c", "ArrowUp", "ArrowUp", "Space"):
        points.keyboard.press(key)
    assert count_points(points) == 3 and points.get_by_label("a click or tap").input_value() == "1"
    points.keyboard.press("Space")
    assert "point taken" in status.inner_text()
    points.keyboard.press("ArrowRight")
    points.keyboard.press("Space")
    assert "point dropped" in status.inner_text()
    points.keyboard.press("Delete")
    assert count_points(points) == 2
    points.get_by_label("a click or tap").select_option("remove")
    points.mouse.click(box["x"] + 200, box["y"] + 150)
    assert count_points(points) == 1
    points.get_by_label("a click or tap").select_option("0")


def test_the_page_separates_the_circle(points) -> None:
    points.get_by_role("button", name="circle").click()
    points.get_by_role("button", name="Start learning").or_(points.get_by_role("button", name="Continue")).click()
    points.wait_for_function("document.querySelector('.live-demo').dataset.accuracy === '1.0000'")
    points.get_by_role("button", name="Pause").click()
    plane = points.locator("canvas.plane").first
    inside, outside = plane.evaluate(
        """(c) => [[190, 165], [12, 12]].map(([x, y]) => Array.from(c.getContext('2d').getImageData(x, y, 1, 1).data))"""
    )
    assert inside[0] > inside[2] and outside[2] > outside[0]  # orange in the middle, blue at the corner
    wrong_texts = {"input 3\nsoftmax 2": "two inputs", "input 2\nsoftmax 3": "two classes", "input 2\nregression 2": "two classes"}
    for wrong, words in wrong_texts.items():
        points.get_by_label("Network, one layer a line").fill(wrong)
        points.get_by_role("button", name="Build this network").click()
        assert words in points.locator("[role=alert]").inner_text()
    points.get_by_label("Network, one layer a line").fill("input 2\nfc 5, relu\nsvm 2")
    points.get_by_role("button", name="Build this network").click()
    assert points.locator("[role=alert]").count() == 0


def test_a_finger_adds_a_point(browser, site_url) -> None:
    page = live_pages.opened(browser, f"{site_url}live/points/", "points", has_touch=True, viewport={"width": 390, "height": 800})
    page.get_by_role("button", name="Remove all points").tap()
    plane = page.locator("canvas.live-pad")
    plane.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    box = plane.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.touchscreen.tap(box["x"] + 50, box["y"] + 60)
    assert count_points(page) == 1
    assert not page.failures
    page.close()
