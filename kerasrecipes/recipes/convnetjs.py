"""ConvNetJS (Karpathy, 2014): the digit and CIFAR-10 nets that train in a browser, and their JSON snapshots.

    picture -> p / 255 - 0.5 -> [5 x 5 convolution, rectifier, max pooling] x 2 or 3 -> fully connected -> scores

5,994 parameters for MNIST, 22,466 for CIFAR-10: the nets of demo/mnist.html and demo/cifar10.html.
"""

from kerasrecipes._lazy import keras
from kerasrecipes.export.convnetjs_export import to_json
from kerasrecipes.export.convnetjs_import import from_json
from kerasrecipes.registry import Recipe

__all__ = ["RECIPES", "convnetjs", "from_json", "to_json"]


def convnetjs(
    *,
    size: int = 32,
    channels: int = 3,
    classes: int = 10,
    layers: tuple = ((16, 5, 2), (20, 5, 2), (20, 5, 2)),
    l2: float = 2.5e-5,
):
    """Build a net of the demos; the defaults are those of CIFAR-10.

    Args:
        size: height and width of the input. channels: 3, or 1 for grey.
        classes: of the scores.
        layers: (filters, kernel, pool) of each stage: a convolution of stride 1 with (kernel - 1) / 2 zeros around, and a
            max pooling over windows of `pool` without overlap.
        l2: decay of the weights, not of the biases: l2 p^2 / 2 is added to the mean loss. ConvNetJS divides its
            l2_decay by the batch: 0.0001 / 4 for CIFAR-10, 0.001 / 20 for MNIST.

    Returns:
        A functional `keras.Model`: (batch, size, size, channels), 0 to 255 -> scores (batch, classes); no softmax.
    """
    picture = keras.Input((size, size, channels), dtype="float32", name="picture")
    x = keras.layers.Rescaling(1 / 255, -0.5, dtype="float32")(picture)

    def weighted(layer, bias, *arguments, **keywords):  # N(0, 1 / fan-in); biases of 0.1 before a rectifier
        start = keras.initializers.VarianceScaling(1.0, "fan_in", "untruncated_normal")
        decay = keras.regularizers.L2(l2 / 2) if l2 else None
        return layer(
            *arguments, kernel_initializer=start, bias_initializer=keras.initializers.Constant(bias), kernel_regularizer=decay,
            **keywords,
        )  # fmt: skip

    for filters, kernel, pool in layers:
        x = weighted(keras.layers.Conv2D, 0.1, filters, kernel, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D(pool)(x)  # (batch, side / pool, side / pool, filters)
    x = keras.layers.Flatten()(x)
    scores = weighted(keras.layers.Dense, 0.0, classes, dtype="float32", name="logits")(x)
    return keras.Model(picture, scores, name="convnetjs")


# ---------------------------------------------------------------------------------------------- recipes

CIFAR10 = ("airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ADADELTA = {"class_name": "Adadelta", "config": {"learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-8}}


def _recipe(name, config, summary, classes, preprocessing):
    return Recipe(
        name=name, paper="https://cs.stanford.edu/people/karpathy/convnetjs/", title="ConvNetJS: deep learning in your browser",
        task="image-classification", builder="kerasrecipes.recipes.convnetjs:convnetjs", config=config, summary=summary,
        tags=("cnn", "pretrained"), classes=classes, preprocessing=preprocessing, optimizer=ADADELTA,
    )  # fmt: skip


RECIPES = (
    _recipe(
        "convnetjs_mnist",
        {"size": 24, "channels": 1, "classes": 10, "layers": ((8, 5, 2), (16, 5, 3)), "l2": 5e-5},
        "Two convolutions for digits, 5,994 parameters; views are 24 x 24 cut-outs of 28 x 28.",
        tuple("0123456789"), {"resize_to": (28, 28)},
    ),
    _recipe(
        "convnetjs_cifar10",
        {"size": 32, "channels": 3, "classes": 10, "layers": ((16, 5, 2), (20, 5, 2), (20, 5, 2)), "l2": 2.5e-5},
        "Three convolutions for small pictures, 22,466 parameters; views are shifted by up to 2 pixels and mirrored.",
        CIFAR10, {"padding": 2, "fill_value": 127.5, "horizontal_flip": True},
    ),
)  # fmt: skip
