"""Gradients, guided backpropagation and deconvnet against plain torch with hooks; run on the torch backend."""

import keras
import numpy as np
import torch

from kerasrecipes import visualize
from kerasrecipes.visualize.backward import Projector

L = keras.layers


def twins():
    """A Keras net and the same in plain torch."""
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
    own = [layer for layer in model.layers if layer.weights]
    for source, target in zip(own, [m for m in plain if hasattr(m, "weight")], strict=True):
        kernel, bias = (torch.tensor(w) for w in source.get_weights())
        if kernel.ndim == 4:
            kernel = kernel.permute(3, 2, 0, 1)
        elif kernel.shape[0] == 40:  # rows, columns, maps in Keras; maps, rows, columns in torch
            kernel = kernel.reshape(2, 2, 10, 20).permute(2, 0, 1, 3).reshape(40, 20).T
        else:
            kernel = kernel.T
        target.weight.data, target.bias.data = kernel.contiguous(), bias
    return model, plain


def projected(plain, x, channel, method):
    """Backpropagation with the backward signal of every rectifier changed by a hook."""
    inputs = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_(True)
    hooks = []
    for module in plain:
        if isinstance(module, torch.nn.ReLU):
            change = {
                "gradient": lambda m, g_in, g_out: None,
                "guided": lambda m, g_in, g_out: (torch.clamp(g_in[0], min=0),),
                "deconv": lambda m, g_in, g_out: (torch.clamp(g_out[0], min=0),),
            }[method]
            hooks.append(module.register_full_backward_hook(change))
    y = plain(inputs)
    y[:, channel].sum().backward()
    for hook in hooks:
        hook.remove()
    return inputs.grad.permute(0, 2, 3, 1).numpy(), y[:, channel].detach().numpy()


def test_all_three_methods():
    model, plain = twins()
    x = np.random.default_rng(0).normal(size=(3, 45, 45, 3)).astype("float32")
    for method in ("gradient", "guided", "deconv"):
        for channel in (0, 4):
            expected, value = projected(plain, x, channel, method)
            found, activation, _ = Projector(model, "top", method, "one")(x, [channel] * 3, [0] * 3)
            np.testing.assert_allclose(activation, value, atol=1e-5)
            np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max() + 1e-8)
            assert np.abs(expected).max() > 0


def test_occlusion():
    model, plain = twins()
    x = np.random.default_rng(1).uniform(0, 255, (1, 45, 45, 3)).astype("float32")
    found = visualize.occlude(model, x, 2, size=12, stride=9, grey=100)
    for (top, left), chance in zip(found.corners, found.probability.ravel(), strict=True):
        covered = x.copy()
        covered[0, max(top, 0) : top + 12, max(left, 0) : left + 12] = 100
        with torch.no_grad():
            scores = plain(torch.tensor(covered).permute(0, 3, 1, 2))[0]
        np.testing.assert_allclose(chance, torch.softmax(scores, 0)[2], rtol=1e-3)
