"""Receptive fields against perturbation, the layer table against sums by hand, names of units."""

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import layers, visualize
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.receptive_field import parse_size, receptive_intervals, spatial_axes, unit_box
from kerasrecipes.graph.units import expand_units, find_layer_call, find_unit, layer_names

L = keras.layers
SIDE = 19


def positive(model):
    """All weights above zero and activations linear: an output changes wherever an input can reach it."""
    rng = np.random.default_rng(0)
    for w in model.weights:
        w.assign(rng.uniform(0.5, 1.5, w.shape))
    return model


def branches(x):
    left = L.Conv2D(2, 3, 2, padding="same")(x)
    right = L.Conv2D(2, 3, padding="valid")(L.ZeroPadding2D(((2, 2), (1, 2)))(L.Conv2D(2, 5, 2, padding="valid")(x)))
    left = L.Cropping2D(((0, left.shape[1] - right.shape[1]), (0, left.shape[2] - right.shape[2])))(left)
    return L.Concatenate()([left, right])


def squeeze_and_excite(x):
    gate = L.Dense(2)(L.GlobalAveragePooling2D(keepdims=True)(x))
    return L.Conv2D(2, 3)(L.Multiply()([L.Conv2D(2, 3, padding="same")(x), gate]))


NETS = {
    "strides": lambda x: L.Conv2D(2, 3, 2)(L.Conv2D(2, (5, 3), (2, 1), padding="same")(x)),
    "dilated": lambda x: L.Conv2D(2, 3, dilation_rate=(3, 2), padding="same")(L.Conv2D(2, 2)(x)),
    "pooled": lambda x: L.Conv2D(2, 3)(L.AveragePooling2D(3, 2, padding="same")(L.Conv2D(2, 4, padding="same")(x))),
    "depthwise": lambda x: L.SeparableConv2D(2, 3, strides=2, padding="same")(L.DepthwiseConv2D((2, 3))(x)),
    "branches": branches,
    "added": lambda x: L.Add()([L.Conv2D(2, 7, padding="same")(x), L.Conv2D(2, (1, 3), padding="same")(x)]),
    "stacked": lambda x: L.Conv2D(2, 3, padding="same")(L.Concatenate(axis=1)([L.Conv2D(2, 3)(x), L.Conv2D(2, 3)(x)])),
    "nearest": lambda x: L.Conv2D(1, 2)(L.UpSampling2D((2, 3))(L.Conv2D(2, 3, 3)(x))),
    "bilinear": lambda x: L.Conv2D(1, 1)(L.UpSampling2D(2, interpolation="bilinear")(L.Conv2D(2, 3, 3)(x))),
    "bilinear of 3": lambda x: L.Conv2D(1, 1)(L.UpSampling2D(3, interpolation="bilinear")(L.Conv2D(2, 3, 3)(x))),
    "transposed": lambda x: L.Conv2DTranspose(2, 3, 2)(L.Conv2D(2, 4, 3)(x)),
    "transposed same": lambda x: L.Conv2DTranspose(2, (4, 5), 2, padding="same")(L.Conv2D(2, 4, 3)(x)),
    "gated by all": squeeze_and_excite,
    "padding alone": lambda x: L.ZeroPadding2D(((2, 1), (0, 3)))(L.Conv2D(2, 5, 2)(x)),
    "dense": lambda x: L.Dense(3)(L.Flatten()(L.Conv2D(2, 4, 4)(x))),
    "local": lambda x: L.Conv2D(2, 3)(layers.LocallyConnected2D(2, (4, 3), 2, "full")(x)),
    "local same": lambda x: layers.LocallyConnected2D(2, (4, 3), (2, 3), "same")(x),
    "tiled": lambda x: L.Conv2D(2, 2)(layers.TiledConv2D(2, (2, 4), (2, 3), strides=(1, 2), padding="same")(x)),
    "adaptive": lambda x: L.Conv2D(2, 2)(L.AdaptiveAveragePooling2D((4, 7))(L.Conv2D(2, 3)(x))),
    "mean of rows": lambda x: L.Conv1D(2, 3)(keras.ops.mean(L.Conv2D(2, 3)(x), axis=1)),
    "sum kept": lambda x: L.Conv2D(2, 3, 2)(x) * keras.ops.sum(x, axis=(1, 2), keepdims=True),
    "flipped in training": lambda x: L.Conv2D(2, 3, 2)(L.RandomZoom(0.3)(L.RandomFlip()(x))),
    "turned": lambda x: L.Conv2D(2, 3)(L.Permute((2, 1, 3))(L.Conv2D(2, (2, 5))(x))),
}


@pytest.mark.parametrize("name", NETS)
def test_boxes_match_perturbation(name):
    """Each pixel is changed alone; the box of a unit is the smallest one around the pixels that change it."""
    x = keras.Input((SIDE, SIDE, 1))
    model = positive(keras.Model(x, NETS[name](x)))
    base = np.random.default_rng(1).uniform(1, 2, (1, SIDE, SIDE, 1)).astype("float32")
    changed = np.repeat(base, SIDE * SIDE, 0)
    changed.reshape(SIDE * SIDE, -1)[np.arange(SIDE * SIDE), np.arange(SIDE * SIDE)] += 5
    outputs = keras.ops.convert_to_numpy(model(np.concatenate([base, changed]), training=False))
    moved = (np.abs(outputs[1:] - outputs[0]) > 1e-4 * np.abs(outputs[0])).any(-1)  # (pixels, *positions)
    moved = moved.reshape(SIDE, SIDE, *moved.shape[1:])
    layer = layer_names(model)[-1]
    shape, intervals = receptive_intervals(model)[layer]
    axes = spatial_axes(find_layer_call(model, layer))
    for position in np.ndindex(*(shape[a] for a in axes)):
        pixels = moved[(slice(None), slice(None), *position)]
        rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        expected = ((rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)) if pixels.any() else ((0, 0), (0, 0))
        box = unit_box(intervals, axes, position)
        assert box == expected if pixels.any() else any(a == b for a, b in box), position


def test_attention_keeps_query_positions_and_depends_on_all_values():
    x = keras.Input((12, 3))
    query = L.Conv1D(4, 3, 2, name="query")(x)
    apart = L.MultiHeadAttention(2, 4, name="apart")(query, L.Conv1D(4, 3)(L.Cropping1D((0, 4))(x)))
    itself = L.MultiHeadAttention(2, 4, name="itself")(query, query)
    model = keras.Model(x, [apart, itself])
    boxes = [visualize.receptive_field(model, f"{name}:0@4").box for name in ("query", "apart", "itself")]
    assert boxes == [((8, 11),), ((0, 11),), ((0, 11),)]
    assert visualize.receptive_field(model, "apart:0@0").box == ((0, 8),)
    assert visualize.receptive_field(model, "apart:0").stride == (2.0,)


def test_an_adaptive_pool_that_divides_is_an_ordinary_one():
    x = keras.Input((20, 20, 1))
    model = keras.Model(x, [L.AdaptiveMaxPooling2D(5, name="a")(x), L.MaxPooling2D(4, name="b")(x)])
    a, b = (visualize.receptive_field(model, f"{name}:0@1,2") for name in "ab")
    assert (a.box, a.span, a.stride) == (b.box, b.span, b.stride)


def test_spans_and_strides_are_the_textbook_ones():
    """In AlexNet the receptive field of pool5 has 195 pixels and a stride of 32."""
    model = kr.load("caffenet", weights=None, compile=False, dense=(8,))
    field = visualize.receptive_field(model, "pool5:3@2,3")
    assert (field.span, field.stride) == ((195, 195), (32.0, 32.0))
    assert [visualize.receptive_field(model, f"{n}:0").span[0] for n in ("conv1", "pool1", "conv2", "conv5")] == [
        11,
        19,
        51,
        163,
    ]
    assert visualize.receptive_field(model, "fc6:0").span == (None, None)
    assert visualize.receptive_field(model, "fc6:0").box == ((0, 227), (0, 227))


def test_speech_recipes_agree_with_their_own_geometry():
    for name in ("wav2letter_raw_small", "wav2letter_small", "deepspeech1_small"):
        model = kr.load(name, weights=None, compile=False, **kr.get_recipe(name).tiny_config)
        field = visualize.receptive_field(model, "logits:0", size=(64000,))
        assert (field.span[0], field.stride[0]) == (model.receptive_field, model.stride), name


def test_table_counts_by_hand():
    x = keras.Input((12, 10, 3))
    y = L.Conv2D(8, 3, padding="same", groups=1, name="a")(x)  # 12 x 10 positions, 3 x 3 x 3 x 8
    y = L.DepthwiseConv2D(3, name="b")(y)  # 10 x 8 positions, 3 x 3 x 8
    y = L.BatchNormalization(name="c")(y)
    shared = L.Dense(5, name="d")
    y = L.Concatenate(name="e")([shared(y), shared(y)])
    y = L.Conv2DTranspose(2, 2, 2, name="f")(y)  # from 10 x 8 positions
    table = visualize.layer_table(keras.Model(x, y))
    assert [(r.name, r.multiply_adds, r.parameters) for r in table.rows] == [
        ("a", 12 * 10 * 216, 224), ("b", 80 * 72, 80), ("c", 0, 32), ("d", 80 * 40, 45), ("d#2", 80 * 40, 0), ("e", 0, 0),
        ("f", 80 * 2 * 2 * 10 * 2, 82),
    ]  # fmt: skip
    assert table["e"].inputs == ("d", "d#2") and table["f"].shape == (20, 16, 2) and table["b"].span == (5, 5)
    assert table.parameters == 224 + 80 + 32 + 45 + 82 == keras.Model(x, y).count_params()
    assert len(str(table).splitlines()) == len(table.to_markdown().splitlines()) - 1 == 9


@pytest.mark.parametrize(
    ("shape", "layer", "expected"),
    [
        ((12, 12, 2), lambda: layers.LocallyConnected2D(3, 3), 100 * 54),
        ((12, 12, 2), lambda: layers.TiledConv2D(3, 3, 2), 100 * 54),
        ((12, 2), lambda: layers.LocallyConnected1D(3, 3), 10 * 18),
        ((7, 5), lambda: L.GRU(4), 7 * 3 * (5 * 4 + 4 * 4)),
        ((7, 5), lambda: L.Bidirectional(L.LSTM(4, return_sequences=True)), 2 * 7 * 4 * (5 * 4 + 4 * 4)),
        ((7, 8), lambda: lambda x: L.MultiHeadAttention(2, 3)(x, x), 7 * 4 * 8 * 6),
    ],
)
def test_multiply_adds_of_weights_used_once_and_without_biases(shape, layer, expected):
    x = keras.Input(shape)
    assert visualize.layer_table(keras.Model(x, layer()(x))).multiply_adds == expected


def test_open_sizes_are_question_marks_until_they_are_passed():
    model = keras.Sequential([keras.Input((None, None, 3)), L.ReLU(), L.Conv2D(2, 3, name="c")], name="open")
    table = visualize.layer_table(model)
    assert table["c"].multiply_adds is table.multiply_adds is None and table.parameters == 56
    assert [line.split()[-1] for line in str(table).splitlines()[2:]] == ["?", "?"] and table.rows[0].multiply_adds == 0
    assert parse_size(model, "240x180") == (180, 240)
    assert visualize.layer_table(model, (180, 240)).multiply_adds == 178 * 238 * 54
    for words in ("240", "240x180x3", "240xa", "0x180", ""):
        with pytest.raises(KerasRecipesError, match=r"not an input size of open: \?x\?, where"):
            parse_size(model, words)
    with pytest.raises(KerasRecipesError, match=r"c \(Conv2D\) cannot take \(1, 2, 2, 3\): give the model"):
        visualize.layer_table(model, (2, 2))


def test_squeezenet_has_its_published_size():
    table = visualize.layer_table(kr.load("squeezenet", weights=None, compile=False))
    assert table.parameters == 1_248_424  # table 1 of the paper without biases: 1,244,448 weights and 3,976 biases
    assert table["fire9"].span == (155, 155) and table["pool8"].stride == (16.0, 16.0)


def test_nested_and_sequential_models():
    inner = keras.Sequential([keras.Input((9, 9, 2)), L.Conv2D(3, 3, name="c"), L.ReLU(name="r")], name="block")
    x = keras.Input((11, 11, 1))
    model = keras.Model(x, inner(L.Conv2D(2, 3, name="c")(x)))
    assert layer_names(model) == ["c", "block/c", "block/r"]
    assert visualize.receptive_field(model, "block/r:2@0,0").box == ((0, 5), (0, 5))
    assert visualize.layer_table(inner).parameters == 57


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("conv9:0", "no layer 'conv9'. Did you mean conv1"),
        ("conv1:4", "no channel 4: it has 4, numbered from 0 to 3"),
        ("conv1", "has 4 channels: name one"),
        ("conv1:0@99,0", "no position 99,0: it has 29 x 29 positions"),
        ("conv1:0@3", "no position 3"),
        ("conv1:0@x", 'write "conv3:17"'),
        ("conv1:cat", "is not a channel of conv1"),
        (3, '3 is not a unit: write "conv3:17"'),
        ("scores:siamese", "is not a class of squeezenet; did you mean siamese cat"),
        ("picture:0", "is the model's input"),
    ],
)
def test_unknown_names_list_what_exists(unit, message):
    from kerasrecipes.registry import get_recipe

    model = kr.load("squeezenet", weights=None, compile=False, **get_recipe("squeezenet").tiny_config | {"filters": 4})
    with pytest.raises(KerasRecipesError, match=message):
        find_unit(model, unit)


def test_ranges_and_lists_of_units():
    assert expand_units(["conv1:0-2,fire5:3@1,2", "a:1@4,5,b:all me"]) == [
        "conv1:0", "conv1:1", "conv1:2", "fire5:3@1,2", "a:1@4,5", "b:all me",
    ]  # fmt: skip


def test_classes_and_symbols_are_names_of_units():
    model = kr.load("squeezenet", weights=None, compile=False, **kr.get_recipe("squeezenet").tiny_config)
    assert find_unit(model, "scores:Tabby").channel == model.classes.index("tabby")
    assert str(find_unit(model, "conv1:2@3,4")) == "conv1:2@3,4" and find_unit(model, "scores:7").position == ()
    speech = kr.load("wav2letter_small", weights=None, compile=False, **kr.get_recipe("wav2letter_small").tiny_config)
    assert [find_unit(speech, f"logits:{s}").channel for s in ("blank", "'", "z")] == [0, 2, 28]


def test_a_model_without_a_graph_and_an_unknown_layer_are_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(KerasRecipesError, match="no graph of layers"):
        layer_names(Own())

    class Mystery(L.Layer):
        def call(self, x):
            return x[:, ::-1]

    x = keras.Input((8, 8, 1))
    model = keras.Model(x, L.Conv2D(2, 3, name="top")(Mystery(name="m")(x)))
    with pytest.raises(
        KerasRecipesError, match=r"The receptive field of m \(Mystery\) and of the layers after it is not known"
    ):
        visualize.receptive_field(model, "top:0")
    assert visualize.layer_table(model)["top"].span == ()
    with pytest.raises(KerasRecipesError, match="leaves its size open"):
        visualize.receptive_field(keras.Sequential([keras.Input((None, None, 1)), L.Conv2D(1, 3, name="c")]), "c:0")
