"""Visualizing and Understanding Convolutional Networks (Zeiler and Fergus, arXiv 1311.2901): ZFNet.

    224 x 224 -> conv 7 x 7 / 2 -> pool -> norm -> conv 5 x 5 / 2 -> pool -> norm -> 3 convs 3 x 3 -> pool -> 3 dense layers

Sides 110, 55, 26, 13, 13, 13, 13, 6 (figure 3). Filters of the convolutions are held below a root mean square of 0.1.
"""

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.recipes.convnetjs import CIFAR10
from kerasrecipes.registry import Recipe

IMAGENET_MEANS = (123.0, 117.0, 104.0)  # red, green, blue; the paper subtracts a mean picture


def zfnet(
    *,
    size: int = 224,
    classes: int = 1000,
    conv: tuple = ((96, 7, 2, 1), (256, 5, 2, 0), (384, 3, 1, 1), (384, 3, 1, 1), (256, 3, 1, 1)),
    pool: tuple = (1, 2, 5),
    norm: tuple = (1, 2),
    dense: tuple = (4096, 4096),
    dropout: float = 0.5,
    rms: float | None = 0.1,
    batch_norm: bool = False,
    means: tuple = IMAGENET_MEANS,
    scale: float = 1.0,
):
    """Build ZFNet; the defaults are the net of figure 3.

    Args:
        size: height and width of the input.
        classes: of the scores.
        conv: (filters, kernel, stride, zeros around) of each convolution.
        pool: numbers, from 1, of the convolutions that a max pooling 3 x 3 / 2 follows; an odd row too many is padded, but
            for the last, where it is left out (13 -> 6).
        norm: numbers of those that contrast normalisation over 5 maps follows, behind the pooling; the paper names no
            constants: those of Krizhevsky et al. (alpha 1e-4, beta 0.75, k 2).
        dense: units of the layers before the scores. dropout: share dropped before each of them and the scores.
        rms: limit of a filter's root mean square, None for none (section 3: 0.1).
        batch_norm: normalise each layer's output before its rectifier (the paper, of 2013, does not).
        means: subtracted from red, green, blue. scale: factor afterwards (1: inputs from about -128 to 128, as the paper has them).

    Returns:
        A functional `keras.Model`: (batch, size, size, 3), 0 to 255 -> scores (batch, classes); no softmax.
    """
    picture = keras.Input((size, size, 3), dtype="float32", name="picture")
    x = layers.SubtractChannelMeans(means, dtype="float32", name="means")(picture)
    if scale != 1.0:
        x = keras.layers.Rescaling(scale, dtype="float32", name="scale")(x)
    start = "he_normal" if batch_norm else keras.initializers.RandomNormal(stddev=0.01)  # "1e-2" in section 3
    last = max(pool, default=0)

    def rectified(x, number):
        if batch_norm:
            x = layers.FastBatchNormalization(momentum=0.95, name=f"batch_norm{number}")(x)
        return keras.layers.ReLU(name=f"relu{number}")(x)

    for number, (filters, kernel, stride, zeros) in enumerate(conv, 1):
        if zeros:
            x = keras.layers.ZeroPadding2D(zeros, name=f"zeros{number}")(x)
        limit = layers.MaxFilterRMS(rms) if rms else None
        x = layers.FastConv2D(
            filters, kernel, stride, kernel_initializer=start, kernel_constraint=limit, use_bias=not batch_norm,
            name=f"conv{number}",
        )(x)  # fmt: skip
        x = rectified(x, number)  # sides 110, 26, 13, 13, 13
        if number in pool:  # sides 55, 13, 6
            x = layers.FastMaxPooling2D(3, 2, "valid" if number == last else "same", name=f"pool{number}")(x)
        if number in norm:
            x = layers.LocalResponseNormalization(name=f"norm{number}")(x)
    x = keras.layers.Flatten()(x)  # (batch, 6 * 6 * 256)
    for number, units in enumerate(dense, len(conv) + 1):
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
        x = keras.layers.Dense(units, kernel_initializer=start, use_bias=not batch_norm, name=f"fc{number}")(x)
        x = rectified(x, number)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    scores = keras.layers.Dense(
        classes, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), dtype="float32", name="logits"
    )(x)  # fmt: skip
    return keras.Model(picture, scores, name="zfnet")


PAPER = {
    "size": 224, "classes": 1000,
    "conv": ((96, 7, 2, 1), (256, 5, 2, 0), (384, 3, 1, 1), (384, 3, 1, 1), (256, 3, 1, 1)),
    "pool": (1, 2, 5), "norm": (1, 2), "dense": (4096, 4096), "dropout": 0.5, "rms": 0.1, "batch_norm": False,
    "means": IMAGENET_MEANS, "scale": 1.0,
}  # fmt: skip

SGD = {"class_name": "SGD", "config": {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 5e-4}}


def _recipe(name, config, summary, tags, **more):
    return Recipe(
        name=name, paper="arXiv:1311.2901", title="Visualizing and Understanding Convolutional Networks",
        task="image-classification", builder="kerasrecipes.recipes.zfnet:zfnet", config=config, summary=summary,
        tags=("cnn", *tags), **more,
    )  # fmt: skip


CROPS = {
    "resize_to": (256, 256),
    "horizontal_flip": True,
    "crop_mode": "corners",
}  # four corners and the centre, mirrored too (section 3)
TINY = {
    "size": 48, "conv": ((4, 7, 2, 1), (6, 5, 2, 0), (4, 3, 1, 1)), "pool": (1, 3), "norm": (1,), "dense": (8,),
}  # fmt: skip

RECIPES = (
    _recipe(
        "zfnet", PAPER, "Five convolutions and three dense layers for 224 x 224, the net of figure 3.", ("paper",),
        classes="imagenet", preprocessing=CROPS, optimizer=SGD, tiny_config=TINY,
    ),
    _recipe(
        "zfnet_wide", PAPER | {"conv": ((96, 7, 2, 1), (256, 5, 2, 0), (512, 3, 1, 1), (1024, 3, 1, 1), (512, 3, 1, 1))},
        "With 512, 1024 and 512 maps in layers 3 to 5 (table 2, model b).", ("paper",),
        classes="imagenet", preprocessing=CROPS, optimizer=SGD, tiny_config=TINY,
    ),
    _recipe(
        "zfnet_small",
        PAPER | {
            "size": 32, "classes": 10, "conv": ((64, 3, 1, 1), (128, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1)),
            "norm": (), "dense": (384,), "rms": None, "batch_norm": True, "means": (125.3, 123.0, 113.9), "scale": 1 / 64,
        },
        "The same plan for 32 x 32, with batch normalisation in place of contrast normalisation and the limit.",
        ("pretrained",), classes=CIFAR10, preprocessing={"padding": 4, "fill_value": 122.0, "horizontal_flip": True},
        tiny_config={"conv": ((4, 3, 1, 1), (6, 3, 1, 1), (4, 3, 1, 1)), "pool": (1, 2, 3), "dense": (8,)},
    ),
)  # fmt: skip
