"""Gradients, guided backpropagation, deconvnet and occlusion against Captum on the same net in plain torch; run on the torch backend."""

import warnings

import keras
import numpy as np
import pytest

from kerasrecipes import visualize
from kerasrecipes.visualize.saliency import SaliencyMethod

torch = pytest.importorskip("torch")
attr = pytest.importorskip("captum.attr")

L = keras.layers


def twins():
    """Return a Keras model and the same in plain torch."""
    keras.utils.set_random_seed(3)
    layers = [
        L.Conv2D(8, 5, 2, activation="relu"), L.MaxPooling2D(3, 2), L.Conv2D(12, 3, activation="relu"), L.AveragePooling2D(2),
        L.Conv2D(10, 3, activation="relu"), L.Flatten(), L.Dense(20, activation="relu"), L.Dense(7, name="top"),
    ]  # fmt: skip
    model = keras.Sequential([keras.Input((45, 45, 3)), *layers])
    plain = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, 2), torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2), torch.nn.Conv2d(8, 12, 3), torch.nn.ReLU(),
        torch.nn.AvgPool2d(2), torch.nn.Conv2d(12, 10, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(40, 20),
        torch.nn.ReLU(), torch.nn.Linear(20, 7),
    )  # fmt: skip
    trained = [layer for layer in model.layers if layer.weights]
    for source, target in zip(trained, [m for m in plain if hasattr(m, "weight")], strict=True):
        kernel, bias = (torch.tensor(w) for w in source.get_weights())
        if kernel.ndim == 4:
            kernel = kernel.permute(3, 2, 0, 1)
        elif kernel.shape[0] == 40:  # rows, columns, maps in Keras; maps, rows, columns in torch
            kernel = kernel.reshape(2, 2, 10, 20).permute(2, 0, 1, 3).reshape(40, 20).T
        else:
            kernel = kernel.T
        target.weight.data, target.bias.data = kernel.contiguous(), bias
    return model, plain


METHODS = {
    "gradient": attr.Saliency, "guided": attr.GuidedBackprop, "deconv": attr.Deconvolution,
}  # fmt: skip


def attribute(plain, x, channel, method):
    """Return Captum's attribution of the inputs, and the activations of the unit."""
    inputs = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_(True)
    options = {"abs": False} if method == "gradient" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it sets hooks
        attribution = METHODS[method](plain).attribute(inputs, target=channel, **options)
    return attribution.detach().permute(0, 2, 3, 1).numpy(), plain(inputs)[:, channel].detach().numpy()


def test_all_three_methods():
    model, plain = twins()
    x = np.random.default_rng(0).normal(size=(3, 45, 45, 3)).astype("float32")
    for method in ("gradient", "guided", "deconv"):
        for channel in (0, 4):
            expected, value = attribute(plain, x, channel, method)
            saliency, activation, _ = SaliencyMethod(model, "top", method, "one")(x, [channel] * 3, [0] * 3)
            np.testing.assert_allclose(activation, value, atol=1e-5)
            np.testing.assert_allclose(saliency, expected, atol=1e-5 * np.abs(expected).max() + 1e-8)
            assert np.abs(expected).max() > 0


def test_occlusion():
    """Without overlap each pixel's attribution is the probability that covering its square removes."""
    model, plain = twins()
    x = np.random.default_rng(1).uniform(0, 2, (1, 45, 45, 3)).astype("float32")
    inputs = torch.tensor(x).permute(0, 3, 1, 2)
    occlusion = attr.Occlusion(lambda images: torch.softmax(plain(images), 1))
    expected = occlusion.attribute(inputs, (3, 9, 9), strides=(3, 9, 9), baselines=1.0, target=2)[0, 0]
    maps = visualize.compute_occlusion(model, x, 2, patch_size=9, stride=9, fill_value=1)
    with torch.no_grad():
        whole = float(torch.softmax(plain(inputs), 1)[0, 2])
    assert len(maps.corners) == 25 and float(expected.abs().max()) > 1e-4
    for (top, left), probability in zip(maps.corners, maps.probability.ravel(), strict=True):
        np.testing.assert_allclose(whole - probability, expected[top + 4, left + 4], atol=1e-6)
