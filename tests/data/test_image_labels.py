"""Inputs of `fit` and `evaluate` of image models: forms of labels, ranges of arrays, folders of masks."""

import keras
import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.data.class_labels import encode_labels
from kerasrecipes.data.image_dataset import prepare_fit_images, to_uint8
from kerasrecipes.data.segmentation_dataset import SegmentationDataset
from kerasrecipes.data.segmentation_masks import load_masks
from kerasrecipes.errors import DataError, ImageError
from kerasrecipes.image import load_image
from kerasrecipes.recipes.dilated import TINY

rng = np.random.default_rng(0)
CLASSES = ("cat", "dog", "kea")
Y = np.array([2, 0, 1, 2])


@pytest.mark.parametrize(
    "labels",
    [Y, Y[:, None], Y.astype("float32"), list(Y), [CLASSES[i] for i in Y], np.array(CLASSES)[Y][:, None], np.eye(3)[Y]],
)
def test_all_forms_of_labels_are_equivalent(labels):
    found = encode_labels(labels, CLASSES)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, Y)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.eye(4)[Y], r"Labels of shape \(4, 4\) do not fit 3 classes: .* or a one-hot row, \(n, 3\)"),
        (np.full((4, 3), 1 / 3), "not one-hot rows"),
        (np.ones((4, 3)), "not one-hot rows"),
        (np.zeros((4, 3)), "not one-hot rows"),
        (np.zeros((2, 2, 1)), r"shape \(2, 2, 1\)"),
        ([0.5, 1.0], "neither whole numbers nor names"),
        ([0.0, np.nan], "neither whole numbers nor names"),
        ([[0], [1, 2]], "several lengths"),
        ([0, 3], "Labels from 0 to 3, but the model has 3 classes"),
        (["cat", "bird"], "no class of this model: bird"),
    ],
)
def test_invalid_labels_raise(labels, said):
    with pytest.raises(DataError, match=said):
        encode_labels(labels, CLASSES)


def test_arrays_are_scaled_as_in_classify():
    floats, wide = rng.uniform(size=(2, 8, 8, 3)), rng.integers(0, 65536, size=(2, 8, 8, 3)).astype("uint16")
    for given in (floats, floats.astype("float32"), wide):
        np.testing.assert_array_equal(to_uint8(given), [load_image(p) for p in given])
    whole = to_uint8(floats)
    for given in (whole, whole.astype("float32"), whole.astype("int64")):
        np.testing.assert_array_equal(to_uint8(given), whole)
    assert (to_uint8(np.ones((1, 4, 4, 3), "int32")) == 1).all()  # integers are not scaled
    for wrong in (floats - 0.5, 300 * floats, np.where(floats < 0.5, np.nan, floats)):
        with pytest.raises(ImageError, match="pass 0 to 255, or floats from 0 to 1"):
            to_uint8(wrong)
    with pytest.raises(ImageError, match="hold bool"):
        to_uint8(floats > 0.5)


@pytest.fixture(scope="module")
def digits():
    config = dict(kr.get_recipe("convnetjs_mnist").tiny_config)
    return kr.load("convnetjs_mnist", weights=None, **config)


def test_one_hot_labels_and_floats_equal_indices_and_uint8(digits):
    x, y = rng.integers(0, 256, size=(6, 28, 28)).astype("uint8"), np.arange(6)
    a, b = (prepare_fit_images(*given, digits) for given in ((x, y), (x / 255, keras.utils.to_categorical(y, 10))))
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)
    losses = [
        digits.evaluate(*given, verbose=0)[0] for given in ((x, y), (x / 255, np.eye(10)[y]), (x[:, 2:26, 2:26], y))
    ]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)
    history = digits.fit(x, np.eye(10)[y], validation_data=(x / 255, y), verbose=0).history
    assert "val_accuracy" in history
    for verb in (digits.fit, digits.evaluate):
        for pictures in (x, list(x)):
            with pytest.raises(DataError, match="6 images have 5 labels"):
                verb(pictures, y[:5], verbose=0)


# ---------------------------------------------------------------------------------------- masks


@pytest.fixture
def segmenter():
    keras.utils.set_random_seed(0)
    return kr.load("dilated_camvid_small", weights=None, classes=["dark", "light"], **TINY)


PICTURES = rng.integers(0, 256, size=(5, 22, 32, 3)).astype("uint8")
MASKS = np.where(PICTURES[..., 1] > 250, 255, PICTURES[..., 0] > 127).astype("uint8")


@pytest.fixture
def streets(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for i, (picture, mask) in enumerate(zip(PICTURES, MASKS, strict=True)):
        Image.fromarray(picture).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    return tmp_path


def test_evaluate_accepts_arrays_folders_and_batches(segmenter, streets):
    ready = segmenter.preprocess(PICTURES), segmenter.downsample_labels(MASKS)
    given = [
        (PICTURES, MASKS),
        (list(PICTURES), list(MASKS)),
        (PICTURES / 255, MASKS.astype("int64")),
        (streets,),
        (str(streets),),
    ]
    losses = [segmenter.evaluate(*x, verbose=0, batch_size=5) for x in given]
    losses.append(segmenter.evaluate(SegmentationDataset(PICTURES, MASKS, segmenter, batch_size=5), verbose=0))
    expected = float(segmenter.default_loss()(ready[1], segmenter(ready[0], training=False)))
    np.testing.assert_allclose(losses, expected, rtol=1e-4)


def test_fit_accepts_the_same_validation_data(segmenter, streets):
    for x, y, held in (
        (PICTURES, MASKS, (PICTURES, MASKS)),
        (streets, None, streets),
        (streets, None, (streets, None)),
    ):
        history = segmenter.fit(
            x, y, epochs=2, batch_size=5, augment=x is PICTURES, validation_data=held, verbose=0
        ).history
        assert history["val_loss"][-1] == pytest.approx(segmenter.evaluate(streets, verbose=0, batch_size=5), rel=1e-4)


def test_ready_batches_go_to_keras_unchanged(segmenter):
    tf = pytest.importorskip("tensorflow")
    pairs = tf.data.Dataset.from_tensor_slices(
        (segmenter.preprocess(PICTURES), segmenter.downsample_labels(MASKS))
    ).batch(5)
    segmenter.fit(pairs, validation_data=(pairs,), verbose=0)
    history = segmenter.fit(pairs, validation_data=pairs, verbose=0).history
    assert history["val_loss"][0] == pytest.approx(segmenter.evaluate(PICTURES, MASKS, verbose=0), rel=1e-4)


def test_images_and_masks_that_do_not_match_raise(segmenter, streets):
    for verb in (segmenter.fit, segmenter.evaluate):
        for x, y in ((PICTURES, MASKS[:4]), (PICTURES, MASKS[:, :-1]), (PICTURES, np.eye(2)[MASKS % 2])):
            with pytest.raises(DataError, match=r"shape \(5, 22, 32, 3\) and masks of shape \(") as told:
                verb(x, y, verbose=0)
            assert str(y.shape) in str(told.value)
        with pytest.raises(DataError, match=r"Masks hold labels \[2\], but there are 2 classes"):
            verb(PICTURES, np.minimum(MASKS, 2), verbose=0)
        with pytest.raises(DataError, match="holds no folder `images`"):
            verb(streets / "masks", verbose=0)
    with pytest.raises(DataError, match=r"masks of shape \(4, 22, 32\)"):
        segmenter.fit(PICTURES, MASKS, validation_data=(PICTURES, MASKS[:4]), verbose=0)


# ---------------------------------------------------------------------------------------- arguments of Keras's own


class Seen(keras.callbacks.Callback):
    """Count batches."""

    batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


def test_fit_accepts_all_arguments_of_keras(digits):
    x, y = rng.integers(0, 256, size=(40, 28, 28)).astype("uint8"), np.arange(40) % 10
    for arguments, options, batches in (
        ((10, 2), {}, 8), ((10,), {"validation_split": 0.25}, 3), ((8,), {"sample_weight": np.ones(40)}, 5),
        ((20,), {"validation_data": (x, y, np.ones(40))}, 2), ((20,), {"epochs": 3, "initial_epoch": 2}, 2),
    ):  # fmt: skip
        seen = Seen()
        history = digits.fit(x, y, *arguments, callbacks=[seen], verbose=0, **options).history
        assert seen.batches == batches and ("val_loss" in history) == ("validation" in str(options))
    ready = x[:, 2:26, 2:26, None].astype("float32")
    assert len(digits.fit(tuple_of(ready, y), None, 10, verbose=0).history["loss"]) == 1
    weightless = digits.fit(x, y, verbose=0, sample_weight=np.zeros(40)).history["loss"][0]
    assert weightless < 0.1 * digits.evaluate(x, y, verbose=0)[0]  # weight decay only
    assert digits.fit(x, y, validation_split=0.2, validation_data=[x[:5], y[:5]], verbose=0).history[
        "val_loss"
    ]  # as in Keras
    with pytest.raises(DataError, match="both parts need images"):
        digits.fit(x[:2], y[:2], validation_split=0.9, verbose=0)
    with pytest.raises(DataError, match="40 images have 50 weights"):
        digits.fit(x, y, sample_weight=np.ones(50), verbose=0)


def tuple_of(x, y):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(10)


def test_order_and_crops_differ_between_calls(digits, monkeypatch):
    made = []
    make_dataset = type(digits).make_dataset
    monkeypatch.setattr(type(digits), "make_dataset", lambda *a, **k: made.append(make_dataset(*a, **k)) or made[-1])
    x, y = rng.integers(0, 256, size=(40, 28, 28)).astype("uint8"), np.arange(40) % 10
    for seed in (1, 1, None):
        if seed:
            keras.utils.set_random_seed(seed)
        digits.fit(x, y, augment=True, verbose=0)
    first, same, other = (m.seed for m in made)
    assert first == same != other
    digits.fit(x, y, shuffle=False, verbose=0)
    assert made[-1].order.tolist() == list(range(40))


def test_mask_errors_name_the_cause(segmenter, streets):
    with pytest.raises(DataError, match="names no mask set"):
        load_masks([f"masks:{streets}?split=test"], segmenter.classes)
    for weighted in ({"sample_weight": np.ones(5)}, {"validation_data": (PICTURES, MASKS, np.ones(5))}):
        with pytest.raises(DataError, match="Masks take no sample_weight"):
            segmenter.fit(PICTURES, MASKS, verbose=0, **weighted)
    with pytest.raises(DataError, match="must have one size"):
        segmenter.fit([PICTURES[0], PICTURES[1][:-1]], list(MASKS[:2]), verbose=0)
    (streets / "masks" / "3.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"3\.png cannot be read as an image"):
        segmenter.evaluate(streets, verbose=0)
    with pytest.raises(DataError, match="256 classes: masks have 8 bits"):
        kr.load("dilated_camvid_small", weights=None, classes=256, **TINY)
