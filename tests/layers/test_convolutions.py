"""The convolutions of *Deep Learning*, chapter 9: sizes, sharing, adjoints, and the chapter's other statements."""

import keras
import numpy as np
import pytest
from paths import ROOT

from kerasrecipes import layers
from kerasrecipes.layers.locally_connected import output_size

rng = np.random.default_rng(0)


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def fill(layer):
    for v in layer.weights:
        v.assign(rng.normal(size=v.shape))
    return layer


@pytest.mark.parametrize("m", [5, 8, 16])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_valid_same_full(m, k):
    """Section 9.5: m - k + 1, m, m + k - 1; "full" is numpy.convolve with the reversed kernel."""
    x, w = rng.normal(size=m), rng.normal(size=k)
    for padding, mode in (("valid", "valid"), ("same", "same"), ("full", "full")):
        layer = layers.TiledConv1D(1, k, tiles=1, padding=padding, use_bias=False)
        layer.build((None, m, 1))
        layer.set_weights([w.reshape(k, 1, 1)])
        found = numpy(layer(x.reshape(1, m, 1)))[0, :, 0]
        whole = np.convolve(x, w[::-1], "full")
        begin = {"valid": k - 1, "same": k // 2, "full": 0}[padding]
        np.testing.assert_allclose(found, whole[begin : begin + output_size(m, k, 1, padding)], atol=1e-5)
        assert len(found) == {"valid": m - k + 1, "same": m, "full": m + k - 1}[mode]
        if mode != "full":
            conv = keras.layers.Conv1D(1, k, padding=padding, use_bias=False)
            conv.build((None, m, 1))
            conv.set_weights([w.reshape(k, 1, 1)])
            np.testing.assert_allclose(numpy(conv(x.reshape(1, m, 1)))[0, :, 0], found, atol=1e-5)


def test_figure_9_13():
    """Kernels of 6 without zeros: 16 units become 11, 6 and 1; with zeros they stay 16."""
    sizes = [16]
    while sizes[-1] >= 6:
        sizes.append(output_size(sizes[-1], 6))
    assert sizes == [16, 11, 6, 1] and output_size(16, 6, 1, "same") == 16


def local_reference(x, kernel, bias, size, stride, padding):
    """Compute equation 9.9 position by position."""
    kh, kw = size
    around = {"valid": ((0, 0), (0, 0)), "full": ((kh - 1, kh - 1), (kw - 1, kw - 1))}[padding]
    x = np.pad(x, ((0, 0), *around, (0, 0)))
    rows, columns = kernel.shape[:2]
    y = np.zeros((len(x), rows, columns, kernel.shape[-1]))
    for j in range(rows):
        for k in range(columns):
            patch = x[:, j * stride[0] : j * stride[0] + kh, k * stride[1] : k * stride[1] + kw].reshape(len(x), -1)
            y[:, j, k] = patch @ kernel[j, k] + bias[j, k]
    return y


@pytest.mark.parametrize("padding", ["valid", "full"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
def test_locally_connected_is_its_equation(padding, strides):
    x = rng.normal(size=(2, 7, 8, 3)).astype("float32")
    layer = layers.LocallyConnected2D(4, (3, 2), strides, padding)
    layer.build(x.shape)
    fill(layer)
    found = numpy(layer(x))
    np.testing.assert_allclose(found, local_reference(x, *layer.get_weights(), (3, 2), strides, padding), atol=1e-4)
    assert found.shape == layer.compute_output_shape(x.shape)


def test_locally_connected_with_equal_kernels_is_a_convolution():
    x = rng.normal(size=(2, 9, 3)).astype("float32")
    layer = layers.LocallyConnected1D(4, 3)
    layer.build(x.shape)
    kernel = rng.normal(size=(3, 3, 4)).astype("float32")
    layer.set_weights([np.repeat(kernel.reshape(1, 9, 4), 7, 0), np.zeros((7, 4))])
    np.testing.assert_allclose(numpy(layer(x)), numpy(keras.ops.conv(x, kernel)), atol=1e-5)
    assert layer.count_params() == 7 * (3 * 3 * 4) + 7 * 4  # kernel and bias per position
    with pytest.raises(ValueError, match="fixed size"):
        layers.LocallyConnected1D(4, 3).build((None, None, 3))


@pytest.mark.parametrize("padding", ["valid", "same", "full"])
@pytest.mark.parametrize(("tiles", "strides"), [(2, 1), ((3, 2), (1, 2)), (1, 2), ((4, 1), 1)])
def test_tiled_is_its_equation(padding, tiles, strides):
    """Equation 9.10: the output at (j, k) comes from kernel (j mod t, k mod t)."""
    x = rng.normal(size=(2, 8, 7, 2)).astype("float32")
    layer = layers.TiledConv2D(3, (3, 2), tiles, strides=strides, padding=padding)
    layer.build(x.shape)
    fill(layer)
    found = numpy(layer(x))
    assert found.shape == layer.compute_output_shape(x.shape)
    (ty, tx), (sy, sx) = layer.tiles, layer.strides
    zeros = {"valid": ((0, 0), (0, 0)), "same": ((1, 1), (0, 1)), "full": ((2, 2), (1, 1))}[padding]
    padded = np.pad(x, ((0, 0), *zeros, (0, 0)))
    for j in range(found.shape[1]):
        for k in range(found.shape[2]):
            at = (j % ty) * tx + k % tx
            patch = padded[:, j * sy : j * sy + 3, k * sx : k * sx + 2]
            expected = np.einsum("bmnl,mnlf->bf", patch, numpy(layer.kernels[at])) + numpy(layer.biases[at])
            np.testing.assert_allclose(found[:, j, k], expected, atol=1e-4)


def test_one_tile_is_a_convolution_and_one_per_position_is_locally_connected():
    x = rng.normal(size=(1, 10, 2)).astype("float32")
    one = layers.TiledConv1D(3, 4, tiles=1)
    one.build(x.shape)
    fill(one)
    expected = numpy(keras.ops.conv(x, one.kernels[0])) + numpy(one.biases[0])
    np.testing.assert_allclose(numpy(one(x)), expected, atol=1e-5)
    many = layers.TiledConv1D(3, 4, tiles=7)
    many.build(x.shape)
    fill(many)
    local = layers.LocallyConnected1D(3, 4)
    local.build(x.shape)
    local.set_weights(
        [np.stack([numpy(k).reshape(8, 3) for k in many.kernels]), np.stack([numpy(b) for b in many.biases])]
    )
    np.testing.assert_allclose(numpy(local(x)), numpy(many(x)), atol=1e-5)
    assert many.count_params() == 7 * one.count_params() == local.count_params()


def test_units_t_apart_share_weights():
    layer = layers.TiledConv1D(2, 3, tiles=3)
    layer.build((None, 20, 1))
    fill(layer)
    x = rng.normal(size=(1, 20, 1)).astype("float32")
    y = numpy(layer(x))
    np.testing.assert_allclose(numpy(layer(x[:, 3:]))[0], y[0, 3:], atol=1e-5)
    assert np.abs(numpy(layer(x[:, 1:]))[0] - y[0, 1:]).max() > 0.1


def test_layers_load_from_a_saved_model(tmp_path):
    x = keras.Input((12, 12, 1))
    y = layers.LocallyConnected2D(2, 3, activation="relu")(layers.TiledConv2D(2, 3, (2, 3), padding="full")(x))
    model = keras.Model(x, y)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    v = rng.normal(size=(1, 12, 12, 1)).astype("float32")
    np.testing.assert_array_equal(again.predict(v, verbose=0), model.predict(v, verbose=0))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolution_and_its_two_gradients_are_adjoint(stride):
    """Section 9.5: <c(K, V), G> = <V, h(K, G)> = <K, g(G, V)>; h is Keras's transposed convolution (equation 9.13)."""
    v = rng.normal(size=(1, 2 + 5 * stride + 2, 3)).astype("float32")  # one of the sizes with this number of outputs
    k = rng.normal(size=(3, 3, 4)).astype("float32")
    out = numpy(keras.ops.conv(v, k, strides=stride))
    g = rng.normal(size=out.shape).astype("float32")
    left = float((out * g).sum())
    h = np.zeros_like(v)  # dJ/dV, written out
    gk = np.zeros_like(k)  # dJ/dK (equation 9.11)
    for place in range(out.shape[1]):
        for m in range(3):
            h[0, place * stride + m] += k[m] @ g[0, place]
            gk[m] += np.outer(v[0, place * stride + m], g[0, place])
    assert float((v * h).sum()) == pytest.approx(left, rel=1e-4) and float((k * gk).sum()) == pytest.approx(
        left, rel=1e-4
    )
    transposed = numpy(keras.ops.conv_transpose(g, k.transpose(0, 1, 2), strides=stride, padding="valid"))
    np.testing.assert_allclose(transposed[0], h[0, : transposed.shape[1]], atol=1e-4)


def test_a_separable_kernel_is_an_outer_product():
    x = rng.normal(size=(1, 9, 9, 1)).astype("float32")
    column, row = rng.normal(size=(5, 1, 1, 1)), rng.normal(size=(1, 5, 1, 1))
    twice = keras.ops.conv(keras.ops.conv(x, column.astype("float32")), row.astype("float32"))
    np.testing.assert_allclose(numpy(keras.ops.conv(x, (column * row).astype("float32"))), numpy(twice), atol=1e-4)
    assert column.size + row.size == 10 < (column * row).size == 25


def test_pooling_is_invariant_to_small_shifts_and_the_fft_multiplies():
    """Section 9.3: after a shift by one at least half of the maxima stay, though every input changed. Section 9.8: the FFT."""
    x = rng.permutation(64).astype("float32").reshape(1, 64, 1)
    pool = keras.layers.MaxPooling1D(3, 1)
    same = numpy(pool(x))[0, 1:, 0] == numpy(pool(np.roll(x, 1, 1)))[0, 1:, 0]
    assert same.mean() > 0.5 and (x[0, 1:] != np.roll(x, 1, 1)[0, 1:]).all()
    a, k = rng.normal(size=32), np.pad(rng.normal(size=5), (0, 27))
    direct = np.array([sum(a[(i - j) % 32] * k[j] for j in range(32)) for i in range(32)])
    np.testing.assert_allclose(np.fft.irfft(np.fft.rfft(a) * np.fft.rfft(k)), direct, atol=1e-9)


def test_recurrent_refinement_needs_no_more_weights_for_more_steps():
    """Section 9.6: H_t = U * X + W * Y_{t-1}, Y_t = V * H_t with shared kernels; without W all steps are equal."""
    x = rng.normal(size=(1, 8, 8, 3)).astype("float32")
    u, w, v = (keras.layers.Conv2D(n, 3, padding="same", use_bias=False) for n in (6, 6, 4))
    u(x), w(x[..., :1].repeat(4, -1)), v(x[..., :1].repeat(6, -1))

    def labels(steps):
        y = keras.ops.zeros((1, 8, 8, 4))
        for _ in range(steps):
            y = keras.ops.softmax(v(keras.ops.relu(u(x) + w(y))))
        return numpy(y)

    assert np.abs(labels(3) - labels(1)).max() > 1e-4
    w.set_weights([np.zeros_like(w.get_weights()[0])])
    np.testing.assert_allclose(labels(5), labels(1), atol=1e-6)


def test_pooling_over_a_fixed_number_of_cells_takes_any_size():
    """Section 9.7: an output of fixed size from images of any size, by pooling over regions that grow with the image."""
    head = lambda x: keras.ops.stack(  # noqa: E731
        [
            keras.ops.max(part, axis=(1, 2))
            for half in keras.ops.array_split(x, 2, axis=1)
            for part in keras.ops.array_split(half, 2, axis=2)
        ],
        1,
    )
    for size in ((6, 6), (9, 13), (32, 5)):
        assert head(rng.normal(size=(2, *size, 3)).astype("float32")).shape == (2, 4, 3)


def test_trained_features_beat_random_ones_on_what_a_linear_layer_cannot_see():
    """Section 9.9 on small synthetic images: classify one of two textures at a random position."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("features", ROOT / "examples" / "features_mnist.py")
    features = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(features)
    draw = np.random.default_rng(0)
    labels = draw.integers(2, size=700).astype("int32")
    pictures = np.zeros((700, 28, 28, 1), "uint8")
    stripes = np.tile([[255, 0], [255, 0]], (4, 4)), np.tile([[255, 255], [0, 0]], (4, 4))
    for picture, label in zip(pictures, labels, strict=True):
        y, x = draw.integers(20, size=2)
        picture[y : y + 8, x : x + 8, 0] = stripes[label]
    train, test = (pictures[:500], labels[:500]), (pictures[500:], labels[500:])
    found = {kind: features.errors(kind, train, test, 4)[0].rate for kind in ("random", "k-means", "trained")}
    assert found["trained"] < 0.1 and found["k-means"] < 0.1 and found["random"] < 0.3

    values = np.concatenate([c + 0.1 * draw.normal(size=(200, 3)) for c in np.eye(3)])  # three clusters of directions
    centers = features.kmeans_centers(values, 3, draw)
    np.testing.assert_allclose(np.sort(centers.max(1)), 1, atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 1)
