"""Weights of classes: names and numbers, and errors for unknown, missing and doubled classes."""

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.data.class_labels import encode_class_weight
from kerasrecipes.errors import DataError

CLASSES = ("cat", "dog", "kea")


@pytest.mark.parametrize("table", [
    {"cat": 1, "dog": 2.5, "kea": 0},
    {0: 1, 1: 2.5, 2: 0},
    {np.int64(1): np.float32(2.5), "kea": 0.0, 0: 1.0},
])  # fmt: skip
def test_names_and_numbers_are_equivalent(table):
    assert encode_class_weight(table, CLASSES) == {0: 1.0, 1: 2.5, 2: 0.0}


@pytest.mark.parametrize(("table", "message"), [
    ({"cat": 1, "dog": 1, "bird": 2}, "no class of this model: 'bird'; its classes are cat, dog, kea"),
    ({0: 1, 1: 1, 2: 1, 3: 1}, "no class of this model: 3; .* numbered from 0"),
    ({1: 1, 2: 1, 3: 1}, "no class of this model: 3"),
    ({"Cat": 1, "dog": 1, "kea": 1}, "no class of this model: 'Cat'"),
    ({"cat": 1, "kea": 2}, "no weight for 1 of 3 classes: dog; write 1.0"),
    ({1: 5.0}, "no weight for 2 of 3 classes: cat, kea"),
    ({}, "no weight for 3 of 3 classes"),
    ({"cat": 1, 0: 2, "dog": 1, "kea": 1}, "the class cat twice"),
    ({"cat": 1, "dog": -1, "kea": 1}, "class_weight of 'dog' is -1"),
    ({"cat": 1, "dog": float("nan"), "kea": 1}, "class_weight of 'dog' is nan"),
    ({"cat": 1, "dog": "2", "kea": 1}, "class_weight of 'dog' is '2'"),
    ([1.0, 2.0, 3.0], r"class_weight is \[1.0, 2.0, 3.0\]: give a weight for each class, {'cat': 1.0"),
    ("balanced", "class_weight is 'balanced'"),
])  # fmt: skip
def test_other_tables_are_errors(table, message):
    with pytest.raises(DataError, match=message):
        encode_class_weight(table, CLASSES)


def test_fit_weights_classes_by_name():
    """A class with weight 0 trains as images with weight 0 do."""
    x = np.random.default_rng(0).integers(0, 256, size=(6, 28, 28)).astype("uint8")
    model = kr.load("convnetjs_mnist", weights=None, **dict(kr.get_recipe("convnetjs_mnist").tiny_config))
    y, first = np.arange(6) % 3, model.get_weights()
    trained = []
    for weight in (
        {"class_weight": {str(i): float(i == 1) for i in range(10)}},
        {"sample_weight": (y == 1).astype("float32")},
    ):
        model.set_weights(first)
        model.compile(keras.optimizers.SGD(0.01))
        model.fit(x, y, batch_size=6, shuffle=False, verbose=0, **weight)
        trained.append(model.get_weights())
    for a, b in zip(*trained, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert any(np.abs(a - c).max() > 0 for a, c in zip(trained[0], first, strict=True))
    with pytest.raises(DataError, match="no class of this model: 'ten'"):
        model.fit(x, y, class_weight={"ten": 2.0}, verbose=0)
