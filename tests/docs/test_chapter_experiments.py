"""The chapter's small experiments: the page states the record's numbers, and data and networks are what the text says."""

import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "build"))
CHAPTER = ROOT / "docs" / "guides" / "chapter.md"
RECORD = json.loads((ROOT / "docs" / "guides" / "chapter" / "experiments.json").read_text("utf-8"))


@pytest.mark.parametrize("name", ["pooling", "separable", "clips"])
def test_tables_state_the_record_and_networks_are_equally_large(name):
    lines = [re.sub(r"[*`]", "", line) for line in CHAPTER.read_text("utf-8").splitlines() if line.startswith("| ")]
    results = RECORD[name]["results"]
    for kind, entry in results.items():
        row = next(line for line in lines if line.startswith(f"| {kind} |"))
        assert f"{entry['parameters']:,}" in row
        assert ", ".join(f"{a:.1f} %" for a in entry["accuracies"]) in row
    sizes = [entry["parameters"] for entry in results.values()]
    assert max(sizes) < 1.08 * min(sizes)


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """A folder with blots in place of digits, in the format of MNIST."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    (root / "mnist").mkdir()
    images = np.where(rng.random((60, 28, 28)) < 0.45, 255, 0).astype("uint8")
    images[:, :6] = images[:, 22:] = images[:, :, :6] = images[:, :, 22:] = 0
    labels = np.full(60, 8, "uint8")
    np.savez(root / "mnist" / "mnist.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASRECIPES_DATA", str(root))
        yield root


def is_enclosed(ink, y, x):
    """Return True if no path of free pixels leads from a pixel to the border."""
    todo, visited = [(y, x)], {(y, x)}
    while todo:
        y, x = todo.pop()
        if y in (0, ink.shape[0] - 1) or x in (0, ink.shape[1] - 1):
            return False
        for place in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not ink[place] and place not in visited:
                visited.add(place)
                todo.append(place)
    return True


def test_enclosed_pixels_have_no_path_to_the_border(mnist):
    from drawing import small_data

    images, classes = small_data.make_holes("train", 6)
    for image, labels in zip(images[..., 0] > 0, classes, strict=True):
        for y, x in itertools.product(range(20), repeat=2):
            assert labels[y, x] == (1 if image[y, x] else 2 if is_enclosed(image, y, x) else 0)
    assert {0, 1, 2} == set(classes.ravel().tolist())


def test_digits_of_clips_move_as_labeled(mnist):
    from drawing import small_data

    clips, directions = small_data.make_clips("train", 40)
    for clip, direction in zip(clips[..., 0], directions, strict=True):
        for before, after in itertools.pairwise(clip):
            np.testing.assert_array_equal(np.roll(before, small_data.DIRECTIONS[direction], (0, 1)), after)
    assert len(set(directions.tolist())) == 8


def test_poolings_are_numpys():
    import keras
    from drawing import small_models

    x = np.random.default_rng(0).normal(size=(2, 4, 6, 4)).astype("float32")
    windows = x.reshape(2, 2, 2, 3, 2, 4).transpose(0, 1, 3, 5, 2, 4).reshape(2, 2, 3, 4, 4)
    rights = {"max": windows.max(-1), "average": windows.mean(-1), "L2": np.sqrt((windows**2).mean(-1))}
    for kind, right in rights.items():
        np.testing.assert_allclose(keras.ops.convert_to_numpy(small_models.pool(x, kind)), right, atol=1e-5)
    pairs = keras.ops.convert_to_numpy(small_models.maxout(keras.ops.convert_to_tensor(x)))
    np.testing.assert_array_equal(pairs, np.maximum(x[..., ::2], x[..., 1::2]))


def test_a_column_and_a_row_are_their_outer_product():
    import keras
    from drawing import small_models

    model = small_models.build_separable("rank-1 kernels")
    column, row = model.layers[1], model.layers[2]
    column_weights, row_weights = (keras.ops.convert_to_numpy(layer.kernel) for layer in (column, row))
    x = np.random.default_rng(1).normal(size=(1, 14, 14, 1)).astype("float32")
    kernel = np.einsum("yxcm,zwmo->ywco", column_weights, row_weights)  # the sum over channels of outer products
    right = keras.ops.convert_to_numpy(keras.ops.relu(keras.ops.conv(x, kernel, padding="same")))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(row(column(x))), right, atol=1e-5)


def test_steps_of_the_refinement_share_their_weights():
    """Two steps are the first two of four, and a step is the formula of the chapter."""
    import keras
    from drawing import small_models

    short, long = small_models.build_refinement(2), small_models.build_refinement(4)
    assert short.count_params() == long.count_params() == RECORD["refinement"]["results"]["8"]["parameters"]
    for layer in short.layers:
        if layer.weights:
            long.get_layer(layer.name).set_weights(layer.get_weights())
    x = np.random.default_rng(2).random((1, 20, 20, 1)).astype("float32")
    first, second = (keras.ops.convert_to_numpy(model(x))[0] for model in (short, long))
    np.testing.assert_allclose(first, second[:2], atol=1e-5)
    u, w, v = (short.get_layer(name) for name in "UWV")
    labels = keras.ops.softmax(first[None, 0])
    hidden = keras.ops.relu(u(x) + keras.ops.conv(labels, w.kernel, padding="same"))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(v(hidden))[0], first[1], atol=1e-5)
