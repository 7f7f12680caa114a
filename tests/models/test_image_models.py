"""Every recipe for pictures, at test size: alone = in a batch = saved = on every backend; and the papers' sizes."""

import importlib.util
import json

import keras
import numpy as np
import pytest
from processes import in_new_process
from registry_helpers import distinct

import kerasrecipes as kr
from kerasrecipes import layers, testing
from kerasrecipes.errors import DataError, ImageError, KerasRecipesError, WeightsCorrupted
from kerasrecipes.release.model_card import build_without_weights

CLASSIFIERS, SEGMENTERS = distinct("image-classification"), distinct("segmentation")
NAMES = CLASSIFIERS + SEGMENTERS
rng = np.random.default_rng(0)


def tiny(name):
    keras.utils.set_random_seed(1)
    model = kr.load(name, weights=None, compile=False, **kr.get_recipe(name).tiny_config)
    draw = np.random.default_rng(2)
    for v in model.weights:
        if "seed" in v.path:
            continue
        shape = tuple(v.shape)
        values = draw.normal(size=shape) * (np.sqrt(2 / max(np.prod(shape[:-1]), 1)) if len(shape) > 1 else 0.1)
        positive = "variance" in v.path or "logits" in v.path  # squeezenet's scores are rectified
        v.assign(np.abs(values) + 0.01 if positive else values)
    return model


@pytest.fixture(scope="module")
def models():
    return {name: tiny(name) for name in NAMES}


def inputs(model):
    return testing.example_inputs(model, seed=3)


@pytest.fixture(scope="module")
def together(models):
    return {name: model.predict_logits(inputs(model)) for name, model in models.items()}


@pytest.mark.parametrize("name", NAMES)
def test_alone_is_in_a_batch(name, models, together):
    np.testing.assert_array_equal(testing.check_batch(models[name], inputs(models[name])), together[name])


RUN = """
import sys, json, numpy as np, keras, kerasrecipes as kr
folder, kind = sys.argv[1:]
out = {}
for name, config in json.load(open(folder + "/configs.json")).items():
    if kind == "saved":
        model = kr.load(f"{folder}/{name}.keras")
    else:
        model = kr.load(name, weights=f"{folder}/{name}.weights.h5", compile=False, **config)
    out[name] = model.predict_logits(np.load(f"{folder}/{name}.npy"))
np.savez(f"{folder}/{kind}.npz", **out)
"""


@pytest.fixture(scope="module")
def stored(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    configs = {n: dict(kr.get_recipe(n).tiny_config) for n in NAMES}
    (folder / "configs.json").write_text(json.dumps(configs))
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
        model.save_weights(folder / f"{name}.weights.h5")
        np.save(folder / f"{name}.npy", inputs(model))
    return folder


@pytest.mark.parametrize("kind", ["saved", pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_saved_and_on_other_backends(kind, stored, together):
    if kind != "saved" and not importlib.util.find_spec(kind):
        pytest.skip(f"{kind} is not installed")
    in_new_process(RUN, stored, kind, backend="tensorflow" if kind == "saved" else kind)
    found = np.load(stored / f"{kind}.npz")
    for name in NAMES:
        scale = max(np.abs(together[name]).max(), 1)
        np.testing.assert_allclose(
            found[name] / scale, together[name] / scale, atol=1e-6 if kind == "saved" else 1e-4, err_msg=name
        )


def test_weights_of_another_architecture_are_refused(stored):
    with pytest.raises(WeightsCorrupted, match="does not fit convnetjs_mnist"):
        kr.load("convnetjs_mnist", weights=stored / "zfnet_small.weights.h5")


def test_other_classes_keep_the_trunk(stored):
    small = kr.get_recipe("zfnet_small").tiny_config
    path = stored / "zfnet_small.weights.h5"
    same, other = (kr.load("zfnet_small", weights=path, classes=n, compile=False, **small) for n in (10, 5))
    before = tiny("zfnet_small")
    for a, b, c in zip(before.layers, same.layers, other.layers, strict=True):
        for v, w, u in zip(a.get_weights(), b.get_weights(), c.get_weights(), strict=True):
            np.testing.assert_allclose(w, v, rtol=1e-6)
            if a.name != "logits":
                np.testing.assert_allclose(u, v, rtol=1e-6)
    assert other.classes == tuple("01234") and other.output_shape == (None, 5)
    with pytest.raises(KerasRecipesError, match="takes classes=, not alphabet="):
        kr.load("zfnet_small", weights=None, alphabet="abc")
    with pytest.raises(KerasRecipesError, match="takes alphabet=, not classes="):
        kr.load("deepspeech2_small", weights=None, classes=5)
    with pytest.raises(KerasRecipesError, match="two names or more, each once"):
        kr.load("zfnet_small", weights=None, classes=["cat", "cat"])
    found = kr.load("squeezenet", classes=["kea", "kaka"])
    whole = kr.load("squeezenet", compile=False)
    assert found.output_shape == (None, 2) and found.classes == ("kea", "kaka")
    np.testing.assert_array_equal(
        found.get_layer("fire9_expand3").get_weights()[0], whole.get_layer("fire9_expand3").get_weights()[0]
    )


# ---------------------------------------------------------------------------------------- sizes of the papers

COUNTS = [
    ("zfnet", 62_357_608), ("zfnet_wide", 107_627_624), ("caffenet", 60_965_224), ("squeezenet", 1_248_424),
    ("dilation_voc_front", 134_346_581), ("dilation8_voc", 141_149_720), ("dilation8_voc_basic", 134_346_581 + 28_392),
    ("dilation8_camvid", 134_313_443), ("dilation7_kitti", 134_312_343), ("dilation10_cityscapes", 134_368_179),
]  # fmt: skip


@pytest.mark.parametrize(("name", "count"), COUNTS)
def test_parameters(name, count):
    assert build_without_weights(name).count_params() == count


def test_sides_of_figure_3():
    network = build_without_weights("zfnet")
    sides = [v.output.shape[1] for v in network.layers if v.name[:4] in ("relu", "pool") and len(v.output.shape) == 4]
    assert sides == [110, 55, 26, 13, 13, 13, 13, 6]
    sides = [
        v.output.shape[1]
        for v in build_without_weights("caffenet").layers
        if v.name[:4] in ("relu", "pool") and len(v.output.shape) == 4
    ]
    assert sides == [55, 27, 27, 13, 13, 13, 13, 6]


def test_groups_are_blocks_of_a_dense_convolution():
    grouped, dense = (keras.layers.Conv2D(6, 3, groups=g, use_bias=False) for g in (2, 1))
    x = rng.normal(size=(2, 7, 7, 4)).astype("float32")
    y = keras.ops.convert_to_numpy(grouped(x))
    dense(x)
    kernel = np.zeros((3, 3, 4, 6), "float32")
    kernel[:, :, :2, :3], kernel[:, :, 2:, 3:] = grouped.get_weights()[0][..., :3], grouped.get_weights()[0][..., 3:]
    dense.set_weights([kernel])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(dense(x)), y, atol=1e-5)


@pytest.mark.parametrize("mean", [False, True])
def test_contrast_normalization_is_the_formula(mean):
    x = rng.normal(size=(1, 2, 2, 7))
    expected = np.zeros_like(x)
    for i in range(7):
        total = (x[..., max(i - 2, 0) : i + 3] ** 2).sum(-1)
        expected[..., i] = x[..., i] / (2 + 0.3 / (5 if mean else 1) * total) ** 0.75
    layer = layers.LocalResponseNormalization(5, 0.3, 0.75, 2.0, mean)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x.astype("float32"))), expected, atol=1e-6)


def test_large_filters_are_scaled_to_the_limit_and_others_left():
    w = (rng.normal(size=(3, 3, 4, 5)) * np.array([0.01, 0.05, 0.2, 1, 5])).astype("float32")
    limit = layers.MaxFilterRMS(0.1)
    once = keras.ops.convert_to_numpy(limit(keras.ops.convert_to_tensor(w)))
    before, after = (np.sqrt((v**2).mean((0, 1, 2))) for v in (w, once))
    np.testing.assert_array_equal(once[..., before < 0.1], w[..., before < 0.1])
    np.testing.assert_allclose(after[before > 0.1], 0.1, rtol=1e-6)
    np.testing.assert_allclose(once / after, w / before, rtol=1e-5)  # the direction stays
    np.testing.assert_allclose(keras.ops.convert_to_numpy(limit(keras.ops.convert_to_tensor(once))), once, rtol=1e-6)


# ---------------------------------------------------------------------------------------- the verb


def test_one_bad_picture_never_loses_the_others(models, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    picture = rng.integers(0, 256, size=(50, 40, 3)).astype("uint8")
    model = models["convnetjs_cifar10"]
    found = model.classify([picture, tmp_path / "x.png", picture, tmp_path / "none.png"])
    for alone in (model.classify(picture), kr.predict(model, picture)):  # on some processors the last bit depends on the batch
        for result in (found[0], found[2]):
            assert result.name == alone.name
            np.testing.assert_allclose(result.probabilities, alone.probabilities, atol=1e-6)
    assert all(isinstance(found[i], ImageError) for i in (1, 3))
    with pytest.raises(ImageError, match="cannot be read"):
        model.classify(tmp_path / "x.png")
    with pytest.raises(KerasRecipesError, match="num_crops is 0"):
        model.classify(picture, num_crops=0)


def test_views_are_averaged_and_repeatable(models):
    model = models["convnetjs_cifar10"]
    picture = rng.integers(0, 256, size=(32, 32, 3)).astype("uint8")
    rule = model.preprocessing
    cuts = rule.crops(rule.resize(picture), 6, np.random.default_rng(0))
    scores = model.predict_logits(cuts).astype("float64")
    each = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    found = model.classify([picture, picture[::-1].copy()], num_crops=6)
    np.testing.assert_allclose(found[0].probabilities, each.mean(0), atol=1e-6)
    np.testing.assert_allclose(found[0].probabilities, model.classify(picture, num_crops=6).probabilities, atol=1e-6)


def test_fit_takes_arrays_lists_and_folders(tmp_path):
    from PIL import Image

    config = kr.get_recipe("zfnet_small").tiny_config
    pictures = rng.integers(0, 256, size=(8, 32, 32, 3)).astype("uint8")
    pictures[::2] //= 8  # dark ones are cats
    names = ["cat", "dog"] * 4
    for i, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / name / f"{i}.png")

    def fresh():
        keras.utils.set_random_seed(0)
        return kr.load("zfnet_small", weights=None, classes=["cat", "dog"], **config | {"dropout": 0.0})

    for x, y in ((pictures, np.arange(8) % 2), (list(pictures), names), (tmp_path, None)):
        model = fresh()
        losses = model.fit(
            x, y, epochs=12, batch_size=4, augment=True, verbose=0, validation_data=(pictures, names)
        ).history
        assert losses["loss"][-1] < losses["loss"][0] and "val_accuracy" in losses
        assert model.evaluate(x, y, verbose=0)[1] >= 0.5
    with pytest.raises(DataError, match="Labels that are no class of this model: bird"):
        fresh().fit(list(pictures), ["bird", *names[1:]], verbose=0)
    with pytest.raises(DataError, match="Labels from 0 to 7, but the model has 2 classes"):
        fresh().fit(pictures, np.arange(8), verbose=0)
    with pytest.raises(ImageError, match="holds no images of this recipe"):
        fresh().fit(np.zeros((2, 20, 20, 3)), [0, 1][0:2] and np.array([0, 1]), verbose=0)
    (tmp_path / "bird").mkdir()
    with pytest.raises(DataError, match="folders that are no class: bird"):
        fresh().fit(tmp_path, verbose=0)


def test_a_network_of_another_size_has_a_canvas_to_match():
    model = kr.load("squeezenet", size=299)
    assert model.preprocessing.resize_to == (337, 337) and model.preprocessing.crop_size == (299, 299)
    assert len(model.classify(rng.integers(0, 256, (400, 420, 3)).astype("uint8"), num_crops=10).classes) == 1000
    assert kr.load("squeezenet", weights=None, size=113).preprocessing.resize_to == (127, 127)
    assert kr.load("squeezenet", weights=None).preprocessing.resize_to == (256, 256)


def test_what_is_no_list_of_classes():
    config = kr.get_recipe("convnetjs_mnist").tiny_config
    assert kr.load("convnetjs_mnist", weights=None, classes=np.int64(3), **config).classes == ("0", "1", "2")
    with pytest.raises(KerasRecipesError, match="two names or more"):
        kr.load("convnetjs_mnist", weights=None, classes="cat", **config)


def test_a_whole_model_is_loaded_as_it_is(tmp_path):
    path = tmp_path / "mine.keras"
    tiny("zfnet_small").save(path)
    for changes in ({"classes": 3}, {"weights": tmp_path / "none.h5"}, {"dropout": 0.1}, {"alphabet": "ab"}):
        with pytest.raises(KerasRecipesError, match="is a whole model"):
            kr.load(path, **changes)
    kept, fresh = kr.load(path).get_weights(), kr.load(path, weights=None).get_weights()
    for a, b in zip(tiny("zfnet_small").get_weights(), kept, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [a.shape for a in fresh] == [a.shape for a in kept] and not np.array_equal(fresh[0], kept[0])
