"""Dilated convolutions: receptive fields, identity initialization, seamless tiles, labels and mean IoU."""

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import layers, metrics
from kerasrecipes.errors import DataError, ImageError
from kerasrecipes.inference.image_segmentation import upsample_bilinear
from kerasrecipes.recipes.dilated import BASIC, LARGE, dilated
from kerasrecipes.tasks.segmenter import context_margin

rng = np.random.default_rng(0)
SMALL = {"blocks": ((4,), (4, 4), (6,), (6,)), "dense": ((8, 3),), "pools": 2}


def context_of(context, classes=3, padding="each", noise=0.0):
    network = dilated(
        num_classes=classes, blocks=((2,),), pools=0, dense=(), context=context, padding=padding, noise=noise
    )
    front = network.get_layer("front")
    return keras.Model(front.output, network.output), network


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize("padding", ["once", "each"])
@pytest.mark.parametrize("context", [BASIC, LARGE])
def test_a_new_context_module_is_a_relu(context, padding):
    """Section 3: identity initialization, in the interior and at the borders, because only kernel centers are set."""
    module, _ = context_of(context, padding=padding)
    x = rng.normal(size=(1, 9, 8, 3)).astype("float32")
    np.testing.assert_allclose(numpy(module(x)), np.maximum(x, 0), atol=1e-5)
    np.testing.assert_allclose(numpy(module(np.abs(x))), np.abs(x), atol=1e-5)


def test_noise_leaves_the_classes_own_weights():
    kernel = numpy(layers.IdentityInitializer(3, 0.01, 0)((3, 3, 6, 12)))
    same = (np.arange(6) * 3 // 6)[:, None] == (np.arange(12) * 3 // 12)[None]
    assert (kernel[1, 1][same] == np.float32(3 / 12)).all() and same.sum() == 6 * 4
    rest = np.delete(kernel.reshape(9, 6, 12), 4, 0)
    assert 0.008 < rest.std() < 0.012 and 0 < np.abs(kernel[1, 1][~same]).max() < 0.1


@pytest.mark.parametrize(
    ("context", "field"),
    [(BASIC, 67), (tuple(v for v in BASIC if v[1] != 16), 35), ((*BASIC[:-1], (1, 32), (1, 64), (1, 1)), 259)],
)
def test_receptive_fields_of_table_1(context, field):
    module, _ = context_of(context, classes=1)
    for v in module.trainable_variables:
        v.assign(np.abs(rng.normal(size=v.shape)) + 0.1 if len(v.shape) > 1 else np.zeros(v.shape))
    size = field + 6
    x = np.ones((1, size, size, 1), "float32")
    y = x.copy()
    y[0, size // 2, size // 2] = 2
    a, b = (numpy(module(v))[0, ..., 0].astype("float64") for v in (x, y))
    moved = np.abs(b / a - 1) > 0
    rows, columns = (np.flatnonzero(moved.any(axis)) for axis in (1, 0))
    assert rows[-1] - rows[0] + 1 == columns[-1] - columns[0] + 1 == field


def test_padding_once_and_each_agree_inside():
    once, _ = context_of(BASIC, padding="once")
    each, _ = context_of(BASIC, padding="each")
    for v, w in zip(once.trainable_variables, each.trainable_variables, strict=True):
        v.assign(rng.normal(size=v.shape) * 0.3)
        w.assign(v)
    x = rng.normal(size=(1, 80, 80, 3)).astype("float32")
    a, b = numpy(once(x))[0], numpy(each(x))[0]
    np.testing.assert_allclose(a[33:-33, 33:-33], b[33:-33, 33:-33], atol=1e-5)
    assert a.shape == b.shape and np.abs(a - b).max() > 1e-3


def test_dilated_equals_a_kernel_with_inserted_zeros():
    x = rng.normal(size=(1, 20, 20, 2)).astype("float32")
    kernel = rng.normal(size=(3, 3, 2, 4)).astype("float32")
    stuffed = np.zeros((9, 9, 2, 4), "float32")
    stuffed[::4, ::4] = kernel
    np.testing.assert_allclose(
        numpy(keras.ops.conv(x, kernel, dilation_rate=4)), numpy(keras.ops.conv(x, stuffed)), atol=1e-4
    )


def test_sides_of_the_front_end():
    """372 + 8 n pixels give n cells, and a shift by 8 pixels shifts the output by a cell."""
    assert context_margin(kr.get_recipe("dilation8_voc").config) == 186
    thin = {"blocks": ((1, 1), (1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)), "dense": ((1, 7), (1, 1)), "context": ()}
    network = dilated(**thin)
    for v in network.trainable_variables:
        v.assign(np.abs(rng.normal(size=v.shape)))
    x = rng.uniform(100, 255, size=(1, 396, 404, 3)).astype("float32")
    y = numpy(network(x))
    assert y.shape == (1, 3, 4, 21)
    shifted = numpy(network(x[:, 8:, :-8]))
    np.testing.assert_allclose(shifted, y[:, 1:, :-1], rtol=1e-4)
    moved = x.copy()
    moved[0, 380] += 1e6  # row 380 lies outside the 380 x 380 pixels of the first cells, 379 inside
    np.testing.assert_array_equal(numpy(network(moved))[:, 0], y[:, 0])
    moved = x.copy()
    moved[0, 379] += 1e6
    assert np.abs(numpy(network(moved))[:, 0] - y[:, 0]).max() > 0


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return kr.load("dilated_camvid_small", weights=None, **SMALL)


def test_tiles_leave_no_seam_at_any_size(model):
    picture = rng.integers(0, 256, size=(61, 83, 3)).astype("uint8")
    whole = model.predict_cell_logits(picture, 512)
    for tile in (4, 24, 40):
        np.testing.assert_allclose(model.predict_cell_logits(picture, tile), whole, atol=1e-5)
    found = model.segment(picture)
    assert found.mask.shape == found.confidence.shape == (61, 83) and sum(
        found.class_areas().values()
    ) == pytest.approx(1)
    assert found.overlay(picture).shape == (61, 83, 3) and found.to_dict()["width"] == 83
    with pytest.raises(ImageError, match="The image has 83 x 60 pixels"):
        found.overlay(picture[:60])
    several = model.segment([picture, "none.png"])
    np.testing.assert_array_equal(several[0].mask, found.mask)
    assert isinstance(several[1], ImageError)


def test_masks_are_saved_as_class_numbers_with_colors(model, tmp_path):
    from PIL import Image

    found = model.segment(rng.integers(0, 256, size=(20, 30, 3)).astype("uint8"))
    found.save(tmp_path / "mask.png")
    again = Image.open(tmp_path / "mask.png")
    np.testing.assert_array_equal(np.asarray(again), found.mask)
    np.testing.assert_array_equal(np.asarray(again.convert("RGB")), found.to_rgb())


def test_other_classes_of_the_same_number_reinitialize_all_class_layers():
    """The front end keeps its weights; its logits and the context module (an identity) are reinitialized."""
    released = kr.load("dilated_camvid_small", compile=False)
    other = kr.load("dilated_camvid_small", compile=False, classes=[f"kind {i}" for i in range(len(released.classes))])
    place = [layer.name for layer in other.layers].index("front")
    for number, (before, after) in enumerate(zip(released.layers, other.layers, strict=True)):
        same = all(np.array_equal(a, b) for a, b in zip(before.get_weights(), after.get_weights(), strict=True))
        assert same == (number < place or not before.weights), before.name
    maps = np.abs(np.random.default_rng(0).normal(size=(1, 9, 9, len(other.classes)))).astype("float32")
    context = keras.Model(other.get_layer("front").output, other.output)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(context(maps)), maps, atol=1e-5)


def test_upsampling_is_bilinear_between_cell_centers():
    maps = rng.normal(size=(3, 4, 2))
    found = upsample_bilinear(maps, 4)
    assert found.shape == (12, 16, 2)
    np.testing.assert_allclose(found[0, 0], maps[0, 0], atol=1e-6)  # beyond the outer cells' centers
    y, x = 6, 9  # the pixel centered at 6.5, 9.5 is 1.125 and 1.875 cells from the center of the first cell
    a, b = 6.5 / 4 - 0.5, 9.5 / 4 - 0.5
    i, j, u, v = 1, 1, a - 1, b - 1
    expected = (1 - u) * ((1 - v) * maps[i, j] + v * maps[i, j + 1]) + u * (
        (1 - v) * maps[i + 1, j] + v * maps[i + 1, j + 1]
    )
    np.testing.assert_allclose(found[y, x], expected, atol=1e-5)
    np.testing.assert_array_equal(upsample_bilinear(maps, 4, range(5, 9)), found[5:9])


def test_large_images_are_upsampled_in_bands(model, monkeypatch):
    picture = rng.integers(0, 256, size=(50, 30, 3)).astype("uint8")
    whole = model.segment(picture)
    monkeypatch.setattr("kerasrecipes.inference.image_segmentation.UPSAMPLE_BAND_PIXELS", 7 * 30)
    banded = model.segment(picture)
    np.testing.assert_array_equal(banded.mask, whole.mask)
    np.testing.assert_array_equal(banded.confidence, whole.confidence)


def test_pixels_without_a_class_change_neither_loss_nor_gradient(model):
    loss = model.default_loss()
    logits = rng.normal(size=(1, 4, 4, 11)).astype("float32")
    labels = rng.integers(0, 11, size=(1, 4, 4))
    labels[0, :2] = 255
    other = logits.copy()
    other[0, :2] += rng.normal(size=(2, 4, 11))
    assert float(loss(labels, logits)) == pytest.approx(float(loss(labels, other)), rel=1e-6)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = -np.take_along_axis(logs[0, 2:], labels[0, 2:, :, None], -1).mean()
    assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-5)


def test_cells_take_the_label_at_their_center(model):
    masks = rng.integers(0, 11, size=(2, 10, 12)).astype("uint8")
    found = model.downsample_labels(masks)
    assert found.shape == (2, 3, 3) and (found[:, 2] == 255).all()  # 10 rows are two cells and half of one
    np.testing.assert_array_equal(found[:, :2], masks[:, 2:10:4, 2::4])
    assert model.preprocess(np.zeros((2, 10, 12, 3))).shape == (2, 12 + 2 * model.margin, 12 + 2 * model.margin, 3)
    with pytest.raises(DataError, match=r"labels \[11\], but there are 11 classes"):
        model.downsample_labels(np.full((1, 4, 4), 11))


def test_fit_lowers_the_loss(model):
    pictures = rng.integers(0, 256, size=(4, 24, 32, 3)).astype("uint8")
    masks = (pictures[..., 0] > 127).astype("uint8")
    pictures[..., 1] = 255 * masks
    losses = model.fit(pictures, masks, epochs=4, batch_size=2, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_mean_iou_by_hand():
    labels = np.array([[0, 0, 1, 1, 2, 255]])
    chosen = np.array([[0, 1, 1, 1, 1, 0]])
    counts = metrics.confusion_matrix(labels, chosen, 4)
    found = metrics.mean_iou(np.stack([counts, counts]))
    assert found.rate == pytest.approx((1 / 2 + 2 / 4 + 0) / 3) and found.total == 10  # class 3 does not occur
    assert found.ci_low == found.ci_high == pytest.approx(found.rate)
