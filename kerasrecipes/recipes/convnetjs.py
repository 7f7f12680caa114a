"""ConvNetJS (Karpathy, 2014): the digit and CIFAR-10 models that train in a browser, and their JSON snapshots.

    image -> p / 255 - 0.5 -> [5 x 5 convolution, ReLU, max pooling] x 2 or 3 -> fully connected -> logits

5,994 parameters for MNIST, 22,466 for CIFAR-10: the models of demo/mnist.html and demo/cifar10.html.
"""

from typing import Any

from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

CIFAR10 = ("airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def convnetjs(
    *,
    size: int = 32,
    channels: int = 3,
    num_classes: int = 10,
    layers: tuple = ((16, 5, 2), (20, 5, 2), (20, 5, 2)),
    l2: float = 2.5e-5,
):
    """Build a model of the demos. The defaults are those of CIFAR-10.

    Args:
        size: Height and width of the input.
        channels: 3, or 1 for gray.
        num_classes: Number of logits.
        layers: (filters, kernel size, pool size) of each stage: a convolution of stride 1 with (kernel size - 1) / 2
            zeros around the image, and a max pooling without overlap.
        l2: Decay of the weights, not of the biases: l2 p^2 / 2 is added to the mean loss. ConvNetJS divides its
            l2_decay by the batch size: 0.0001 / 4 for CIFAR-10, 0.001 / 20 for MNIST.

    Returns:
        A functional `keras.Model`: (batch, size, size, channels), 0 to 255 -> logits (batch, num_classes).
    """
    image = keras.Input((size, size, channels), dtype="float32", name="picture")
    x = keras.layers.Rescaling(1 / 255, -0.5, dtype="float32")(image)

    def weight_options(bias):  # N(0, 1 / fan-in); biases of 0.1 before a ReLU
        return {
            "kernel_initializer": keras.initializers.VarianceScaling(1.0, "fan_in", "untruncated_normal"),
            "bias_initializer": keras.initializers.Constant(bias),
            "kernel_regularizer": keras.regularizers.L2(l2 / 2) if l2 else None,
        }

    for filters, kernel, pool in layers:
        x = keras.layers.Conv2D(filters, kernel, padding="same", activation="relu", **weight_options(0.1))(x)
        x = keras.layers.MaxPooling2D(pool)(x)  # (batch, side / pool, side / pool, filters)
    x = keras.layers.Flatten()(x)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits", **weight_options(0.0))(x)
    return keras.Model(image, logits, name="convnetjs")


COMMON: dict[str, Any] = {
    "paper": "https://cs.stanford.edu/people/karpathy/convnetjs/", "title": "ConvNetJS: deep learning in your browser",
    "task": "image-classification", "builder": "kerasrecipes.recipes.convnetjs:convnetjs", "tags": ("cnn", "pretrained"),
    "optimizer": {"class_name": "Adadelta", "config": {"learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-8}},
}  # fmt: skip

RECIPES = (
    Recipe(
        name="convnetjs_mnist", changes={"size": 24, "channels": 1, "layers": ((8, 5, 2), (16, 5, 3)), "l2": 5e-5},
        summary="Two convolutions for digits, 5,994 parameters; crops are 24 x 24 of 28 x 28.",
        classes=tuple("0123456789"), preprocessing={"resize_to": (28, 28)}, **COMMON,
    ),
    Recipe(
        name="convnetjs_cifar10", classes=CIFAR10,
        summary="Three convolutions for small images, 22,466 parameters; crops are shifted by up to 2 pixels and mirrored.",
        preprocessing={"padding": 2, "fill_value": 127.5, "horizontal_flip": True}, **COMMON,
    ),
)  # fmt: skip
