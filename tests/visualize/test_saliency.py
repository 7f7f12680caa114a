"""Gradient, guided backpropagation and deconvnet against numpy loops and their defining identities."""

import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from processes import in_new_process
from registry_helpers import distinct

import kerasrecipes as kr
from kerasrecipes import visualize
from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.graph.autodiff import ALL_POSITIONS, ARGMAX
from kerasrecipes.visualize.saliency import Saliency, SaliencyMethod

L = keras.layers
IMAGES = distinct("image-classification")


def random_weights(model, seed=0):
    rng = np.random.default_rng(seed)
    for w in model.weights:
        w.assign(rng.normal(size=w.shape) * 0.5 + ("moving_variance" in w.path) * 2)
    return model


def net(*layers, side=13, channels=2):
    return random_weights(keras.Sequential([keras.Input((side, side, channels)), *layers]))


def random_image(side=13, channels=2, seed=3, batch=1):
    return np.random.default_rng(seed).uniform(-1, 1, (batch, side, side, channels)).astype("float32")


# ------------------------------------------------------------------ numpy: loops over every position


def conv(x, kernel, bias, stride):
    k = kernel.shape[0]
    n = (x.shape[0] - k) // stride + 1
    y = np.zeros((n, n, kernel.shape[-1]))
    for i, j in np.ndindex(n, n):
        y[i, j] = np.tensordot(x[i * stride : i * stride + k, j * stride : j * stride + k], kernel, 3) + bias
    return y


def conv_back(g, kernel, stride, side):
    x = np.zeros((side, side, kernel.shape[2]))
    for i, j in np.ndindex(*g.shape[:2]):
        window = np.s_[i * stride : i * stride + len(kernel), j * stride : j * stride + len(kernel)]
        x[window] += kernel @ g[i, j]
    return x


def pool(x, k, stride):
    n = (x.shape[0] - k) // stride + 1
    y, switches = np.zeros((n, n, x.shape[-1])), {}
    for i, j, c in np.ndindex(n, n, x.shape[-1]):
        part = x[i * stride : i * stride + k, j * stride : j * stride + k, c]
        row, column = np.unravel_index(part.argmax(), part.shape)  # the first maximum, row by row
        switches[i, j, c] = (i * stride + row, j * stride + column, c)
        y[i, j, c] = part[row, column]
    return y, switches


def unpool(g, switches, shape):
    x = np.zeros(shape)
    for position, switch in switches.items():
        x[switch] += g[position]
    return x


def by_hand(weights, x, channel, method):
    """Conv 3 x 3 / 1, ReLU, max pooling 3 x 3 / 2, conv 2 x 2 / 2, ReLU, from the strongest position of a channel."""
    k1, b1, k2, b2 = weights
    a1 = conv(x, k1, b1, 1)
    p1, switches = pool(np.maximum(a1, 0), 3, 2)
    a2 = conv(p1, k2, b2, 2)
    y = np.maximum(a2, 0)
    position = np.unravel_index(y[..., channel].argmax(), y.shape[:2])
    g = np.zeros_like(y)
    g[(*position, channel)] = y[(*position, channel)] if method == "deconv" else 1
    rectify = {
        "gradient": lambda g, a: g * (a > 0),
        "guided": lambda g, a: np.maximum(g, 0) * (a > 0),
        "deconv": lambda g, a: np.maximum(g, 0),
    }[method]
    g = conv_back(rectify(g, a2), k2, 2, p1.shape[0])
    g = rectify(unpool(g, switches, a1.shape), a1)
    return conv_back(g, k1, 1, x.shape[0]), position, y[(*position, channel)]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("method", ["gradient", "guided", "deconv"])
def test_two_layers_by_hand(method, fused):
    if fused:
        layers = [
            L.Conv2D(4, 3, activation="relu"),
            L.MaxPooling2D(3, 2),
            L.Conv2D(3, 2, 2, activation="relu", name="top"),
        ]
    else:
        layers = [L.Conv2D(4, 3), L.ReLU(), L.MaxPooling2D(3, 2), L.Conv2D(3, 2, 2), L.Activation("relu", name="top")]
    model, x = net(*layers), random_image()
    for channel in range(3):
        expected, position, value = by_hand(model.get_weights(), x[0].astype("float64"), channel, method)
        result, values, index = SaliencyMethod(model, "top", method)(x, [channel], [ARGMAX])
        assert np.unravel_index(index[0], (5 // 2 + 0, 2))[0] == position[0] and values[0] == pytest.approx(
            value, rel=1e-5
        )
        np.testing.assert_allclose(result[0], expected, atol=2e-5)


def test_without_relu_all_methods_are_the_gradient():
    model, x = (
        net(L.Conv2D(4, 3), L.MaxPooling2D(2), L.Conv2D(3, 2), L.Flatten(), L.Dense(5, name="top")),
        random_image(),
    )
    result = [SaliencyMethod(model, "top", m, "one")(x, [2], [0])[0][0] for m in ("gradient", "guided", "deconv")]
    np.testing.assert_array_equal(result[0], result[1])
    np.testing.assert_allclose(result[0], result[2], atol=1e-7)
    step = np.zeros_like(x)
    step[0, 4, 5, 1] = 1e-2  # without ReLU a network is linear between two changes of switches
    slope = (model(x + step) - model(x - step))[0, 2] / 2e-2
    assert result[0][4, 5, 1] == pytest.approx(float(slope), abs=1e-3) and abs(result[0][4, 5, 1]) > 1e-2


def deep(side=13):
    layers = [
        L.Conv2D(6, 3, padding="same", activation="relu"), L.MaxPooling2D(3, 2), L.Conv2D(6, 3, name="mid"), L.ReLU(), L.Dropout(0.5),
        L.Conv2D(6, 3, activation="relu", name="top"),
    ]  # fmt: skip
    return net(*layers, side=side)


def test_saliency_is_linear_in_the_activation():
    model, x = deep(), random_image(batch=3)
    one, value, _ = SaliencyMethod(model, "top", "deconv", "one")(x, [0, 1, 2], [ARGMAX] * 3)
    scaled, again, _ = SaliencyMethod(model, "top", "deconv", "activation")(x, [0, 1, 2], [ARGMAX] * 3)
    np.testing.assert_array_equal(value, again)
    np.testing.assert_allclose(scaled, value[:, None, None, None] * one, rtol=1e-6, atol=1e-5)
    assert (np.abs(one).max((1, 2, 3)) > 0)[value > 0].all() and (value > 0).any()


@pytest.mark.parametrize("method", ["gradient", "guided", "deconv"])
def test_saliency_is_zero_outside_the_receptive_field(method):
    model = deep(side=21)
    x = random_image(side=21)
    for unit in ("mid:1@0,0", "mid:1@2,3", "mid:1@5,5"):
        result = visualize.compute_saliency(model, x, unit, method, seed="one", value_range=(-1, 1))
        (top, bottom), (left, right) = visualize.receptive_field(model, str(result.unit)).box
        inside = np.zeros((21, 21), bool)
        inside[top:bottom, left:right] = True
        assert np.abs(result.values[~inside]).max() == 0 and np.abs(result.values[inside]).max() > 0


def test_an_image_counts_only_through_its_switches():
    """Section 2.1: the forward signs of ReLU are not used. Values that are no maximum of a window may change."""
    model = net(L.MaxPooling2D(3, 2), L.Conv2D(4, 3), L.ReLU(), L.Conv2D(3, 2, name="top"))
    x = random_image() + 1
    _, switches = pool(x[0], 3, 2)
    winner = np.zeros(x.shape[1:], bool)
    for switch in switches.values():
        winner[switch] = True
    other = np.where(winner, x[0] * 3, x[0] * np.random.default_rng(1).uniform(0, 1, winner.shape))[None]
    compute = SaliencyMethod(model, "top", "deconv", "one")
    a, b = compute(x, [1], [4])[0], compute(other, [1], [4])[0]
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(*(SaliencyMethod(model, "top", "gradient")(v, [1], [4])[0] for v in (x, -other)))
    assert not np.array_equal(a, compute(x[:, ::-1], [1], [4])[0])


def test_normalization_passes_the_deconvnet_unchanged():
    plain = [L.Conv2D(4, 3, use_bias=False, name="a"), L.ReLU(), L.Conv2D(3, 3, use_bias=False, name="top")]
    plain = net(*plain)
    extra = [kr.layers.LocalResponseNormalization(), L.BatchNormalization(), L.LayerNormalization()]
    normed = net(plain.layers[0], extra[0], L.ReLU(), extra[1], extra[2], plain.layers[2])
    x = random_image()
    a, b = (SaliencyMethod(m, "top", "deconv", "one")(x, [2], [5])[0] for m in (plain, normed))
    np.testing.assert_allclose(a, b, atol=1e-6)
    c = SaliencyMethod(normed, "top", "gradient")(x, [2], [5])[0]
    assert np.abs(c - a).max() > 1e-3


def test_global_max_pooling_sends_everything_to_the_first_maximum():
    model = net(L.Activation("relu"), L.GlobalMaxPooling2D(name="top"), side=4)
    x = -np.ones((1, 4, 4, 2), "float32")
    x[0, 1, 2, 0] = x[0, 3, 0, 0] = 2
    result = SaliencyMethod(model, "top", "deconv", "one")(x, [0], [0])[0][0]
    assert result[1, 2, 0] == 1 and np.abs(result).sum() == 1


def test_pooling_without_switches_is_refused():
    model = net(L.Conv2D(2, 3, name="low"), L.AdaptiveMaxPooling2D(3), L.Conv2D(2, 2, name="top"))
    with pytest.raises(KerasRecipesError, match=r"\(AdaptiveMaxPooling2D\) does not store it: .*MaxPooling2D"):
        SaliencyMethod(model, "top", "deconv")
    SaliencyMethod(model, "low", "deconv"), SaliencyMethod(model, "top", "guided")
    assert SaliencyMethod(net(L.Conv2D(2, 3, name="top")), "top")(random_image(), [0], [ARGMAX])[1].shape == (1,)


def test_a_whole_channel_is_the_sum_of_its_positions():
    model, x = deep(), random_image()
    compute = SaliencyMethod(model, "mid", "gradient")
    whole, total, _ = compute(x, [1], [ALL_POSITIONS])
    single = [compute(x, [1], [p]) for p in range(16)]
    np.testing.assert_allclose(whole[0], sum(s[0][0] for s in single), atol=1e-5)
    assert total[0] == pytest.approx(sum(s[1][0] for s in single), rel=1e-5)


def test_the_model_stays_unchanged():
    model, x = deep(), random_image()
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    before, weights = model(x), model.get_weights()
    for method in ("gradient", "guided", "deconv"):
        visualize.compute_saliency(model, x, "top:0", method)
    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes
    assert model.get_layer("top").activation is keras.activations.relu and model.get_layer("top").output is not None
    np.testing.assert_array_equal(before, model(x))
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_render_modes():
    values = np.zeros((9, 9, 3), "float32")
    values[4, 4] = (3, -4, 0)
    result = Saliency(visualize.Unit("a", 0, (0, 0)), "deconv", values)
    raw, gray, norm, soft = (result.render(mode) for mode in ("raw", "gray", "norm", "normblur"))
    assert raw.shape == (9, 9, 3) and raw[0, 0].tolist() == [128] * 3 and raw[4, 4, 0] > 200 and raw[4, 4, 1] == 1
    assert gray.shape == (9, 9) and gray[4, 4] == 1 and gray[0, 0] == 128
    assert norm[4, 4] == 255 and norm.sum() == 255
    assert soft.argmax() == 40 and soft.min() > 0 and result.bounding_box() != (slice(None), slice(None))
    with pytest.raises(KerasRecipesError, match="no render mode 'grey'; there are raw, gray, norm, normblur"):
        result.render("grey")


@pytest.mark.parametrize("name", IMAGES)
def test_every_image_recipe_can_be_visualized(name, tmp_path):
    keras.utils.set_random_seed(1)
    model = kr.load(name, weights=None, compile=False, **kr.get_recipe(name).tiny_config)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), "uint8")
    table = visualize.layer_table(model)
    assert table.parameters == model.count_params() and all(r.span for r in table.rows)
    layer = next(r.name for r in table.rows if r.kind == "Conv2D")
    results = [visualize.compute_saliency(model, pixels, f"{layer}:1", m) for m in ("deconv", "gradient")]
    results.append(visualize.compute_saliency(model, pixels, f"{table.rows[-1].name}:1", "deconv"))
    for result in results:
        assert result.values.shape == model.input_shape[1:] and np.isfinite(result.values).all()
    path = results[0].save(tmp_path / "a" / "deconv.png")
    assert path.read_bytes()[:4] == b"\x89PNG" and [p.name for p in path.parent.iterdir()] == ["deconv.png"]


def test_invalid_images_are_refused(tmp_path):
    model = deep()
    with pytest.raises(KerasRecipesError, match="takes 2 channels: an image has 1 or 3"):
        visualize.compute_saliency(model, np.zeros((9, 9), "uint8"), "top:0")
    model = net(L.Conv2D(2, 3, name="top"), channels=3)
    with pytest.raises(ImageError, match="no file"):
        visualize.compute_saliency(model, str(tmp_path / "x.png"), "top:0")
    with pytest.raises(ImageError, match=r"does not fit .*takes \(batch, 13, 13, 3\)"):
        visualize.compute_saliency(model, np.zeros((1, 12, 13, 3)), "top:0")
    with pytest.raises(KerasRecipesError, match="no method 'grad'; there are gradient, guided, deconv"):
        visualize.compute_saliency(model, np.zeros((13, 13), "uint8"), "top:0", "grad")
    speech = kr.load("wav2letter_small", weights=None, compile=False, **kr.get_recipe("wav2letter_small").tiny_config)
    with pytest.raises(KerasRecipesError, match="does not take an image"):
        visualize.compute_saliency(speech, np.zeros((13, 13), "uint8"), "logits:0")


BACKENDS = """
import json, sys, numpy as np, keras, kerasrecipes as kr
from kerasrecipes.visualize.saliency import SaliencyMethod
folder = sys.argv[1]
x, out = dict(np.load(folder + "/inputs.npz")), {}
for name, (config, layer, channel) in json.load(open(folder + "/configs.json")).items():
    model = kr.load(name, weights=f"{folder}/{name}.weights.h5", compile=False, **config)
    for method in ("gradient", "guided", "deconv"):
        for i, found in enumerate(SaliencyMethod(model, layer, method)(x[name], channel, [-1, -1])):
            out[f"{name} {method} {i}"] = found
sys.path.insert(0, sys.argv[2])
import test_activation_maximization
np.savez(folder + "/found.npz", **out, **test_activation_maximization.curves())
"""


@pytest.mark.parametrize("backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_backends_agree(backend, tmp_path):
    """Also in ties: after ReLU whole pooling windows are zero, and the first position is the switch on all backends."""
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    configs, inputs, expected = {}, {}, {}
    for name, layer in (("squeezenet", "scores"), ("zfnet", "relu3"), ("zfnet_small", "logits")):
        keras.utils.set_random_seed(2)
        config = dict(kr.get_recipe(name).tiny_config)
        model = kr.load(name, weights=None, compile=False, **config)
        model.save_weights(tmp_path / f"{name}.weights.h5")
        inputs[name] = np.random.default_rng(5).uniform(0, 255, (2, *model.input_shape[1:])).round().astype("float32")
        configs[name] = (config, layer, [1, 2])
        for method in ("gradient", "guided", "deconv"):
            for i, result in enumerate(SaliencyMethod(model, layer, method)(inputs[name], [1, 2], [-1, -1])):
                expected[f"{name} {method} {i}"] = result
    np.savez(tmp_path / "inputs.npz", **inputs)
    (tmp_path / "configs.json").write_text(json.dumps(configs))
    import test_activation_maximization

    in_new_process(BACKENDS, tmp_path, Path(__file__).parent, backend=backend)
    result = np.load(tmp_path / "found.npz")
    for key, curve in test_activation_maximization.curves().items():
        np.testing.assert_allclose(result[key][:4], curve[:4], rtol=1e-3, atol=1e-4)  # later, thresholds can tip
    for key, value in expected.items():
        np.testing.assert_allclose(result[key], value, atol=1e-4 * max(np.abs(value).max(), 1e-6), err_msg=key)
