"""Correspondence of features as the same part is covered (arXiv 1311.2901, table 1), against counts by hand."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes import experiments
from kerasrecipes.cli.main import main
from kerasrecipes.errors import DataError
from kerasrecipes.experiments.correspondence import RANDOM, read_parts

WHOLE, PART = (0, 0, 4, 4), (1, 0, 2, 1)  # left, top, width, height


@pytest.fixture(scope="module")
def model():
    """Features are the 48 values, and what they exceed 150 by."""
    x = keras.Input((4, 4, 3))
    values = keras.layers.Flatten(name="values")(x)
    above = keras.layers.ReLU(threshold=150, name="above")(values)
    return keras.Model(x, keras.layers.Dense(2, name="scores")(above))


def gray(*values):
    """An image of 200 everywhere, but for the pixels (0, 1) and (0, 2)."""
    image = np.full((4, 4, 3), 200, "uint8")
    image[0, 1], image[0, 2] = values
    return image


def test_fractions_of_differing_signs_by_hand(model):
    images = [gray(200, 200), gray(130, 200), gray(100, 200)]
    found = experiments.measure_part_correspondence(
        model, images, [{"all": WHOLE, "eye": PART}] * 3, ("values", "above"), num_random=0
    )
    assert found.parts == ("all", "eye") and found.layers == ("values", "above")
    # Gray is 117: the change of the pixel (0, 1), 3 of 48 values, has the signs +, + and -; above 150: +, 0 and 0.
    pairs = {"values": np.array([0, 3, 3]) / 48, "above": np.array([3, 3, 0]) / 48}
    for k, layer in enumerate(found.layers):
        np.testing.assert_allclose(found.means[:, k], pairs[layer].mean(), rtol=1e-6)
        np.testing.assert_allclose(found.deviations[:, k], pairs[layer].std(), rtol=1e-6)
    assert str(found).splitlines()[2] == "eye, values: 0.042 ± 0.029 of the signs differ"


def test_random_places_pool_the_pairs_of_all_samples(model):
    """A rectangle of the whole image has one place only, and one of a pixel differs unless two places agree."""
    images = [gray(200, 200), gray(100, 200), gray(100, 100)]
    seen = []
    whole = experiments.measure_part_correspondence(
        model, images, [{"all": WHOLE}] * 3, ["values"], num_random=4, progress=lambda *n: seen.append(n)
    )
    assert whole.parts == ("all", RANDOM) and seen == [(n, 5) for n in range(1, 6)]
    np.testing.assert_allclose(whole.means[1], whole.means[0])
    np.testing.assert_allclose(whole.deviations[1], whole.deviations[0])
    same = [gray(200, 200)] * 2
    pixel = [
        experiments.measure_part_correspondence(model, same, [{"dot": (0, 0, 1, 1)}] * 2, ["values"], num_random=20, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert pixel[0].means[0, 0] == 0 and 0 < pixel[0].means[1, 0] <= 6 / 48
    samples = pixel[0].means[1, 0] * 48 / 6 * 20  # of 20, those whose two places differ
    assert samples == pytest.approx(round(samples))
    share = samples / 20
    np.testing.assert_allclose(pixel[0].deviations[1, 0], 6 / 48 * np.sqrt(share * (1 - share)), atol=1e-7)
    np.testing.assert_array_equal(pixel[0].means, pixel[1].means)


@pytest.mark.parametrize(("parts", "message"), [
    ([{"eye": PART}], "2 images and 1 sets of parts"),
    ([{"eye": PART}, {}], "name one part or more of each image"),
    ([{"eye": PART, "nose": WHOLE}, {"eye": PART}], "Only one image has the part 'nose'"),
    ([{"eye": PART}, {"eye": (9, 9, 2, 2)}], "does not see 'eye' in image 1"),
])  # fmt: skip
def test_parts_that_do_not_fit(model, parts, message):
    with pytest.raises(DataError, match=message):
        experiments.measure_part_correspondence(model, [gray(1, 2)] * 2, parts, ["values"])


def test_a_gray_part_has_no_change(model):
    with pytest.raises(DataError, match="or it is gray already"):
        experiments.measure_part_correspondence(model, [gray(117, 117)] * 2, [{"eye": PART}] * 2, ["values"])


@pytest.mark.parametrize("text", [
    "", "[1, 2]", "a.png: {eye: [1, 2, 3, 4]}", "a.png: {eye: [1, 2, 3, 4]}\nb.png: {eye: [1, 2, 3]}",
    "a.png: {eye: [1, 2, 3, 4]}\nb.png: {eye: [1, 2, 0, 4]}", "a.png: {eye: [1, 2, 3, 4]}\nb.png: {eye: [1.5, 2, 3, 4]}",
    "a.png: {eye: [1, 2, 3, 4]}\nb.png: [1, 2]", "a.png: {eye: [-1, 2, 3, 4]}\nb.png: {eye: [1, 2, 3, 4]}",
])  # fmt: skip
def test_files_of_another_form_are_refused(text, tmp_path):
    path = tmp_path / "parts.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"parts\.yaml: write IMAGE: \{PART: \[left, top, width, height\]"):
        read_parts(path)


def test_the_command_measures_and_plots(tmp_path, capsys):
    keras.utils.set_random_seed(0)
    kr.load("zfnet_small", weights=None, compile=False, **kr.get_recipe("zfnet_small").tiny_config).save(tmp_path / "tiny.keras")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), "uint8")).save(tmp_path / f"{name}.png")
    parts = tmp_path / "parts.yaml"
    parts.write_text("a.png: {left eye: [10, 12, 8, 6]}\nb.png: {left eye: [20, 15, 9, 6]}\n")
    assert read_parts(parts) == {
        tmp_path / "a.png": {"left eye": (10, 12, 8, 6)}, tmp_path / "b.png": {"left eye": (20, 15, 9, 6)},
    }  # fmt: skip
    command = ["visualize", str(tmp_path / "tiny.keras"), "--method", "correspondence", "--output", str(tmp_path / "out")]
    assert main([*command, "--parts", str(parts), "--write", str(tmp_path / "measured.json")]) == 0
    printed = capsys.readouterr().out
    for name in ("left eye", RANDOM):
        assert f"{name}, pool3: 0." in printed and f"{name}, relu4: 0." in printed
    assert (tmp_path / "out" / "tiny_correspondence.png").stat().st_size > 3000
    written = json.loads((tmp_path / "measured.json").read_text())
    assert "zfnet_small" in written["title"] and len(written["figures"]) == 4 and "2 images" in written["setting"]
    assert main(command) == 1
    assert "needs --parts FILE.yaml" in capsys.readouterr().err
