"""ConvNetJS: parameter counts, initialization, its trainer's arithmetic, and snapshots against its loops in numpy."""

import json

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.errors import DataError
from kerasrecipes.export.convnetjs_export import to_json
from kerasrecipes.export.convnetjs_import import from_json

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
    """Compute ConvNetJS's logits of one Vol (height, width, depth), with its index arithmetic written out."""
    for layer in snapshot["layers"][1:]:
        kind = layer["layer_type"]
        if kind == "conv":
            out = np.zeros((layer["out_sy"], layer["out_sx"], layer["out_depth"]))
            for d, f in enumerate(layer["filters"]):
                for ay in range(layer["out_sy"]):
                    for ax in range(layer["out_sx"]):
                        a = layer["biases"]["w"][d]
                        for fy in range(f["sy"]):
                            oy = ay * layer["stride"] - layer.get("pad", 0) + fy
                            for fx in range(f["sx"]):
                                ox = ax * layer["stride"] - layer.get("pad", 0) + fx
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


def made_up(pad=1):
    """A snapshot with rectangular filters, strides, padding on convolution and pooling, two dense layers and dropout."""
    rng = np.random.default_rng(3)
    height, width = (8 + 2 * pad - 2) // 2 + 1, (9 + 2 * pad - 3) // 2 + 1
    rows, columns = ((n + 2 * pad - 3) // 2 + 1 for n in (height, width))
    sized = lambda kind, y, x, d: {"layer_type": kind, "out_sy": y, "out_sx": x, "out_depth": d}  # noqa: E731
    filled = lambda n, *size: {"filters": [vol(rng, *size) for _ in range(n)], "biases": vol(rng, 1, 1, n)}  # noqa: E731
    first = {"sx": 3, "sy": 2, "stride": 2, "pad": pad, "in_depth": 2}
    fc = [
        {**sized("fc", 1, 1, m), "num_inputs": n, **filled(m, 1, 1, n)} for n, m in ((4 * rows * columns, 6), (6, 3))
    ]  # fmt: skip
    return {"layers": [
        sized("input", 8, 9, 2), {**sized("conv", height, width, 4), **first, **filled(4, 3, 2, 2)}, sized("tanh", height, width, 4),
        {**sized("pool", rows, columns, 4), "sx": 3, "sy": 3, "stride": 2, "pad": pad, "in_depth": 4}, fc[0],
        sized("relu", 1, 1, 6), {**sized("dropout", 1, 1, 6), "drop_prob": 0.3}, fc[1], {**sized("softmax", 1, 1, 3), "num_inputs": 3},
    ]}  # fmt: skip


def pictures(*shape):
    return np.random.default_rng(4).normal(size=(2, *shape)).astype("float32")


def bare(snapshot):
    """Return a snapshot without its decay factors, which importers may drop, and with float32 numbers."""
    single = lambda volume: {**volume, "w": np.float32(volume["w"]).tolist()}  # noqa: E731
    return [
        {k: [single(f) for f in v] if k == "filters" else single(v) if k == "biases" else v
         for k, v in layer.items() if not k.endswith("decay_mul")}
        for layer in snapshot["layers"]
    ]  # fmt: skip


def test_a_snapshot_gives_what_its_loops_give(tmp_path):
    snapshot = made_up()
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(snapshot))
    x = pictures(8, 9, 2)
    expected = np.stack([loops(snapshot, v) for v in x])
    for source in (path, snapshot):
        np.testing.assert_allclose(from_json(source).predict(x, verbose=0), expected, atol=1e-4)
    old = json.loads(json.dumps(snapshot))  # typed arrays as old browsers wrote them
    for layer in old["layers"]:
        for volume in [*layer.get("filters", []), *([layer["biases"]] if "biases" in layer else [])]:
            volume["w"] = {str(i): v for i, v in enumerate(volume["w"])}
    np.testing.assert_allclose(from_json(old).predict(x, verbose=0), expected, atol=1e-4)


@pytest.mark.parametrize(("number", "key", "value", "said"), [
    (1, "sx", None, r"Layer 1 of the snapshot \(conv\) lacks 'sx'"), (1, "filters", None, "lacks 'filters'"),
    (4, "biases", None, r"Layer 4 of the snapshot \(fc\) lacks 'biases'"), (6, "drop_prob", None, "lacks 'drop_prob'"),
    (1, "pad", -1, "`pad` is -1"), (3, "pad", "x", "`pad` is 'x'"), (1, "pad", 2, "out_sy and out_sx"), (3, "pad", 0, "out_sy"),
    (3, "stride", 0, r"Layer 3 of the snapshot \(pool\) does not fit"), (0, "out_sx", "wide", "does not fit"),
    (4, "filters", [], "does not fit"), (4, "filters", [1], "does not fit"), (6, "drop_prob", "half", "does not fit"),
])  # fmt: skip
def test_a_layer_that_does_not_fit_is_named(number, key, value, said):
    snapshot = made_up()
    snapshot["layers"][number] |= {key: value}
    if value is None:
        del snapshot["layers"][number][key]
    with pytest.raises(DataError, match=said):
        from_json(snapshot)


@pytest.mark.parametrize("name", NAMES)
def test_recipes_go_to_snapshots_and_back(name):
    model = kr.load(name, weights=None, compile=False)
    snapshot = json.loads(json.dumps(to_json(model)))
    x = np.random.default_rng(0).integers(0, 256, size=(2, *model.input_shape[1:])).astype("float32")
    again = from_json(snapshot)
    np.testing.assert_allclose(again.predict(x / 255 - 0.5, verbose=0), model.predict_logits(x), atol=1e-5)
    np.testing.assert_allclose(loops(snapshot, x[0] / 255 - 0.5), model.predict_logits(x)[0], atol=1e-4)
    assert to_json(again) == snapshot
    kinds = [v["layer_type"] for v in snapshot["layers"]]
    assert kinds[:4] == ["input", "conv", "relu", "pool"] and kinds[-2:] == ["fc", "softmax"]


@pytest.mark.parametrize("pad", [0, 1])
def test_any_snapshot_comes_back(pad, tmp_path):
    snapshot, x = made_up(pad), pictures(8, 9, 2)
    model = from_json(snapshot)
    model.save(tmp_path / "model.keras")
    for kept in (model, keras.models.load_model(tmp_path / "model.keras")):
        again = json.loads(json.dumps(to_json(kept)))
        assert bare(again) == bare(snapshot)
        np.testing.assert_allclose([loops(again, v) for v in x], model.predict(x, verbose=0), atol=1e-4)
        np.testing.assert_array_equal(from_json(again).predict(x, verbose=0), model.predict(x, verbose=0))


def test_without_pad_nothing_is_padded():
    snapshot, x = made_up(pad=0), pictures(8, 9, 2)
    expected = from_json(snapshot).predict(x, verbose=0)
    for layer in snapshot["layers"]:
        layer.pop("pad", None)
    np.testing.assert_array_equal(from_json(snapshot).predict(x, verbose=0), expected)
    np.testing.assert_allclose([loops(snapshot, v) for v in x], expected, atol=1e-4)


def layered(*added, end=True):
    x = y = keras.Input((9, 9, 2))
    for layer in added:
        y = layer(y)
    return keras.Model(x, keras.layers.Dense(3)(keras.layers.Flatten()(y)) if end else y)


def padded(value):
    return lambda x: keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=value)


Conv, Pool, Zeros, Scale = (getattr(keras.layers, n) for n in ("Conv2D", "MaxPooling2D", "ZeroPadding2D", "Rescaling"))


@pytest.mark.parametrize("layers", [
    [Conv(4, 3, padding="same", activation="tanh")], [Conv(4, 3, 2, padding="same"), Pool(3, 2, padding="same")],
    [Zeros(2), Conv(4, (3, 2))], [Zeros(((1, 2), (1, 2))), Conv(4, 4, 3)], [Zeros(1), Conv(4, 3, padding="same")],
    [padded(-99999.0), Pool(4, 3)], [padded(-99999.0), Pool(3)],
    [Pool((3, 2), 2), keras.layers.Flatten(), keras.layers.Dense(4, activation="sigmoid")],
])  # fmt: skip
def test_what_is_written_gives_the_same(layers):
    model, x = layered(*layers), pictures(9, 9, 2)
    np.testing.assert_allclose([loops(to_json(model), v) for v in x], model.predict(x, verbose=0), atol=1e-4)


@pytest.mark.parametrize(("layers", "said"), [
    ([Conv(4, 2, padding="same")], "use kernels of odd sides"), ([Conv(4, (3, 5), padding="same")], "use kernels of odd sides"),
    ([Conv(4, 4, 3, padding="same")], "one padding"), ([Pool(2, padding="same")], "one padding"),
    ([Pool(2, 1, padding="same")], "one padding"), ([Zeros(((1, 0), (1, 0))), Conv(4, 3)], "one padding"),
    ([Pool(2, (1, 2))], "one stride"), ([Zeros(1), Pool(2)], "only before a Conv2D"), ([Zeros(1)], "only before a Conv2D"),
    ([padded(0.0), Pool(2)], "never wins"), ([padded(-99999.0), Conv(4, 3)], "only before a MaxPooling2D"),
    ([Conv(4, 3, dilation_rate=2)], "dilation"), ([Conv(4, 3, groups=2)], "groups"), ([Conv(4, 3, use_bias=False)], "biases"),
    ([Conv(4, 3, activation="gelu")], "activations are relu, tanh, sigmoid"), ([keras.layers.Dense(4)], "put a Flatten"),
    ([Scale(0.5)], "by drop_prob"), ([Pool(2), Scale(1 / 255, -0.5)], "by drop_prob"), ([Scale(1 / 127.5, -1)], "by drop_prob"),
    ([keras.layers.Flatten("channels_first")], "channels last"), ([keras.layers.Dropout(0.5)], "has no layer for dropout"),
])  # fmt: skip
def test_what_cannot_be_written_is_refused(layers, said):
    with pytest.raises(DataError, match=said):
        to_json(layered(*layers))


def test_only_chains_of_known_sizes_are_written():
    x = keras.Input((9, 9, 2))
    pool = Pool(2, 1, padding="same")
    twice = keras.Model(x, pool(pool(x)))
    two = keras.Model(x, [keras.layers.Flatten()(x), Pool(2)(x)])
    beside = keras.Model(x, keras.layers.Add()([x, Conv(2, 1)(x)]))
    wide = keras.Input((None, None, 2))
    for model in (twice, two, beside, keras.Model(wide, Conv(4, 3)(wide)), layered(Zeros(1), end=False)):
        with pytest.raises(DataError, match="which holds a chain of layers"):
            to_json(model)


def test_scores_are_flat_as_a_softmax_takes_them():
    model = layered(Conv(4, 3), end=False)
    snapshot, x = to_json(model), pictures(9, 9, 2)
    assert snapshot["layers"][-1]["num_inputs"] == 7 * 7 * 4
    np.testing.assert_allclose(
        from_json(snapshot).predict(x, verbose=0), model.predict(x, verbose=0).reshape(2, -1), atol=1e-6
    )


def test_what_is_no_snapshot_is_named(tmp_path):
    (tmp_path / "x.json").write_text("[1, 2")
    with pytest.raises(DataError, match="cannot be read as a ConvNetJS snapshot"):
        from_json(tmp_path / "x.json")
    for other in ({"weights": []}, [], {"layers": [1]}, {"layers": {"0": {}}}, {"layers": [{"layer_type": "conv"}]}):
        with pytest.raises(DataError, match="holds `layers`"):
            from_json(other)
    with pytest.raises(DataError, match=r"Layer 0 of the snapshot \(input\) lacks 'out_sy'"):
        from_json({"layers": [{"layer_type": "input"}]})
    unknown = made_up()
    unknown["layers"][2]["layer_type"] = "quadtransform"
    with pytest.raises(DataError, match="Layer 2 of the snapshot has the unknown layer_type 'quadtransform'"):
        from_json(unknown)
    short = made_up()
    short["layers"][4]["filters"][0]["w"].pop()
    with pytest.raises(DataError, match=r"Layer 4 of the snapshot \(fc\) does not fit its sizes"):
        from_json(short)
    with pytest.raises(DataError, match="ConvNetJS has no layer for"):
        to_json(kr.load("zfnet_small", weights=None, compile=False, **kr.get_recipe("zfnet_small").tiny_config))


@pytest.mark.parametrize(("network", "message"), [
    (
        {"type": "NeuralNetwork", "sizes": [2, 3, 1], "layers": [{"weights": [], "biases": []}, {"weights": [[1, 2]], "biases": [0]}]},
        "Brain.js \\(NeuralNetwork\\).* of sizes 2, 3, 1 in Keras",
    ),
    ({"sizes": [2, 1], "layers": {"0": {}, "1": {"0": {"bias": 1, "weights": {"0": 2}}}}}, "of sizes 2, 1 in Keras"),
    ({"layers": [{"x": {}, "y": {}}, {"0": {"bias": 1, "weights": {"x": 2, "y": 3}}}]}, "Brain.js \\(NeuralNetwork\\)"),
    ({"type": "LSTMTimeStep", "options": {"hiddenLayers": [8]}, "hiddenLayers": []}, "Brain.js \\(LSTMTimeStep\\)"),
])  # fmt: skip
def test_networks_of_brain_js_are_named(network, message, tmp_path):
    (tmp_path / "net.json").write_text(json.dumps(network))
    for source in (network, tmp_path / "net.json"):
        with pytest.raises(DataError, match=message):
            from_json(source)
