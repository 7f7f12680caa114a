"""ConvNetJS: its counts, its start, its trainer's arithmetic, and snapshots against a numpy version of its loops."""

import json

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.errors import DataError
from kerasrecipes.recipes.convnetjs import from_json, to_json

NAMES = ("convnetjs_mnist", "convnetjs_cifar10")


@pytest.mark.parametrize(
    ("name", "count", "sides"), [(NAMES[0], 5994, [24, 12, 12, 4]), (NAMES[1], 22466, [32, 16, 16, 8, 8, 4])]
)
def test_counts_and_sides(name, count, sides):
    model = kr.load(name, weights=None)
    assert model.count_params() == count
    assert [v.output.shape[1] for v in model.layers if type(v).__name__ in ("Conv2D", "MaxPooling2D")] == sides


def test_weights_start_as_convnetjs_starts_them():
    keras.utils.set_random_seed(0)
    model = kr.load("convnetjs_cifar10", weights=None, layers=((256, 5, 2), (256, 5, 2)), compile=False)
    first, second = (v for v in model.layers if isinstance(v, keras.layers.Conv2D))
    for layer, inputs in ((first, 75), (second, 6400)):
        kernel, bias = layer.get_weights()
        assert abs(kernel.std() * np.sqrt(inputs) - 1) < 0.03 and (bias == np.float32(0.1)).all()
    assert not model.get_layer("logits").get_weights()[1].any()


def test_adadelta_is_karpathys():
    """convnet_trainers: G = ro G + (1-ro) g^2; dx = -sqrt((X+eps)/(G+eps)) g; X = ro X + (1-ro) dx^2; the l2 gradient is
    divided by the batch as the rest."""
    model = kr.load("convnetjs_mnist", weights=None)
    optimizer = model.optimizer
    rng = np.random.default_rng(1)
    p = rng.normal(size=(3, 4))
    variable = keras.Variable(p.astype("float32"))
    optimizer.build([variable])
    g2, x2 = np.zeros_like(p), np.zeros_like(p)
    for _ in range(20):
        g = rng.normal(size=p.shape)
        g2 = 0.95 * g2 + 0.05 * g * g
        dx = -np.sqrt((x2 + 1e-8) / (g2 + 1e-8)) * g
        x2 = 0.95 * x2 + 0.05 * dx * dx
        p = p + dx
        optimizer.apply([keras.ops.convert_to_tensor(g.astype("float32"))], [variable])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variable.value), p, atol=1e-5)


def test_decay_is_l2_over_the_batch_and_spares_biases():
    model = kr.load("convnetjs_mnist", weights=None)
    kernels = [v.kernel for v in model.layers if hasattr(v, "kernel")]
    expected = sum(0.001 / 20 * float(keras.ops.sum(k**2)) / 2 for k in kernels)
    assert sum(float(v) for v in model.losses) == pytest.approx(expected, rel=1e-5)


def loops(snapshot, x):
    """ConvNetJS's forward passes of one Vol (height, width, depth), its index arithmetic written out; scores before softmax."""
    for layer in snapshot["layers"][1:]:
        kind = layer["layer_type"]
        if kind == "conv":
            out = np.zeros((layer["out_sy"], layer["out_sx"], layer["out_depth"]))
            for d, f in enumerate(layer["filters"]):
                for ay in range(layer["out_sy"]):
                    for ax in range(layer["out_sx"]):
                        a = layer["biases"]["w"][d]
                        for fy in range(f["sy"]):
                            oy = ay * layer["stride"] - layer["pad"] + fy
                            for fx in range(f["sx"]):
                                ox = ax * layer["stride"] - layer["pad"] + fx
                                if 0 <= oy < x.shape[0] and 0 <= ox < x.shape[1]:
                                    at = ((f["sx"] * fy) + fx) * f["depth"]
                                    a += np.dot(f["w"][at : at + f["depth"]], x[oy, ox])
                        out[ay, ax, d] = a
            x = out
        elif kind == "pool":
            out = np.zeros((layer["out_sy"], layer["out_sx"], layer["out_depth"]))
            for ay in range(layer["out_sy"]):
                for ax in range(layer["out_sx"]):
                    oy, ox = ay * layer["stride"] - layer.get("pad", 0), ax * layer["stride"] - layer.get("pad", 0)
                    window = x[max(oy, 0) : oy + layer["sy"], max(ox, 0) : ox + layer["sx"]]
                    out[ay, ax] = window.max((0, 1))
            x = out
        elif kind == "fc":
            flat = x.ravel()
            x = np.array([np.dot(f["w"], flat) for f in layer["filters"]]) + layer["biases"]["w"]
        elif kind == "dropout":
            x = x * layer["drop_prob"]
        elif kind != "softmax":
            x = {"relu": lambda v: np.maximum(v, 0), "tanh": np.tanh, "sigmoid": lambda v: 1 / (1 + np.exp(-v))}[kind](
                x
            )
    return x.ravel()


def vol(rng, sx, sy, depth):
    return {"sx": sx, "sy": sy, "depth": depth, "w": rng.normal(size=sx * sy * depth).tolist()}


def made_up():
    """A snapshot with rectangular filters, strides, padding on convolution and pooling, two dense layers and dropout."""
    rng = np.random.default_rng(3)
    conv = {
        "layer_type": "conv", "sx": 3, "sy": 2, "stride": 2, "pad": 1, "in_depth": 2, "out_sx": 5, "out_sy": 5, "out_depth": 4,
        "filters": [vol(rng, 3, 2, 2) for _ in range(4)], "biases": vol(rng, 1, 1, 4),
    }  # fmt: skip
    pool = {
        "layer_type": "pool",
        "sx": 3,
        "sy": 3,
        "stride": 2,
        "pad": 1,
        "in_depth": 4,
        "out_sx": 3,
        "out_sy": 3,
        "out_depth": 4,
    }
    fc = [
        {"layer_type": "fc", "num_inputs": n, "out_sx": 1, "out_sy": 1, "out_depth": m,
         "filters": [vol(rng, 1, 1, n) for _ in range(m)], "biases": vol(rng, 1, 1, m)}
        for n, m in ((36, 6), (6, 3))
    ]  # fmt: skip
    step = lambda kind: {"layer_type": kind, "out_sx": 1, "out_sy": 1, "out_depth": 1}  # noqa: E731
    return {"layers": [
        {"layer_type": "input", "out_sx": 9, "out_sy": 8, "out_depth": 2}, conv, step("tanh"), pool, fc[0], step("relu"),
        {**step("dropout"), "drop_prob": 0.3}, fc[1], {**step("softmax"), "num_inputs": 3},
    ]}  # fmt: skip


def test_a_snapshot_gives_what_its_loops_give(tmp_path):
    snapshot = made_up()
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(snapshot))
    x = np.random.default_rng(4).normal(size=(2, 8, 9, 2)).astype("float32")
    expected = np.stack([loops(snapshot, v) for v in x])
    for source in (path, snapshot):
        np.testing.assert_allclose(from_json(source).predict(x, verbose=0), expected, atol=1e-4)
    old = json.loads(json.dumps(snapshot))  # typed arrays as old browsers wrote them
    for layer in old["layers"]:
        for volume in [*layer.get("filters", []), *([layer["biases"]] if "biases" in layer else [])]:
            volume["w"] = {str(i): v for i, v in enumerate(volume["w"])}
    np.testing.assert_allclose(from_json(old).predict(x, verbose=0), expected, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_recipes_go_to_snapshots_and_back(name):
    model = kr.load(name, weights=None, compile=False)
    snapshot = json.loads(json.dumps(to_json(model)))
    x = np.random.default_rng(0).integers(0, 256, size=(2, *model.input_shape[1:])).astype("float32")
    again = from_json(snapshot)
    np.testing.assert_allclose(again.predict(x / 255 - 0.5, verbose=0), model.scores(x), atol=1e-5)
    np.testing.assert_allclose(loops(snapshot, x[0] / 255 - 0.5), model.scores(x)[0], atol=1e-4)
    assert to_json(again) == snapshot
    kinds = [v["layer_type"] for v in snapshot["layers"]]
    assert kinds[:4] == ["input", "conv", "relu", "pool"] and kinds[-2:] == ["fc", "softmax"]


def test_what_is_no_snapshot_is_named(tmp_path):
    (tmp_path / "x.json").write_text("[1, 2")
    with pytest.raises(DataError, match="cannot be read as a ConvNetJS snapshot"):
        from_json(tmp_path / "x.json")
    with pytest.raises(DataError, match="holds `layers`"):
        from_json({"weights": []})
    unknown = made_up()
    unknown["layers"][2]["layer_type"] = "quadtransform"
    with pytest.raises(DataError, match="Layer 2 of the snapshot is of the layer_type 'quadtransform'"):
        from_json(unknown)
    short = made_up()
    short["layers"][4]["filters"][0]["w"].pop()
    with pytest.raises(DataError, match="layer fc_4 does not fit its sizes"):
        from_json(short)
    with pytest.raises(DataError, match="ConvNetJS has no layer for"):
        to_json(kr.load("zfnet_small", weights=None, compile=False, **kr.get_recipe("zfnet_small").test_config))
