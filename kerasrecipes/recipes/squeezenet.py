"""SqueezeNet: AlexNet-level accuracy with 50x fewer parameters (Iandola et al., arXiv 1602.07360), version 1.0.

    227 x 227 -> conv 7 x 7 / 2 -> pool -> fire2-4 -> pool -> fire5-8 -> pool -> fire9 -> conv 1 x 1 -> global average

A fire module squeezes its maps to a few with 1 x 1 filters and expands them with 1 x 1 and 3 x 3 filters in parallel.
"""

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

MEANS_BGR = (104.0, 117.0, 123.0)


def squeezenet(
    *,
    size: int = 227,
    num_classes: int = 1000,
    filters: int = 96,
    fire: tuple = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)),
    pool_after: tuple = (1, 4, 8),
    dropout: float = 0.5,
):
    """Build SqueezeNet v1.0 (table 1).

    Args:
        size: Height and width of the input.
        num_classes: Number of logits.
        filters: Filters of the first convolution.
        fire: (squeeze, expand) of each fire module, fire2 first: `expand` filters of 1 x 1 and as many of 3 x 3.
        pool_after: Numbers of the layers (1 is conv1, 2 fire2 ...) that a max pooling 3 x 3 / 2 follows.
        dropout: Fraction of features dropped before the last convolution.

    Returns:
        A functional `keras.Model`: (batch, size, size, 3), 0 to 255 -> logits (batch, num_classes).
    """
    image = keras.Input((size, size, 3), dtype="float32", name="picture")
    x = layers.SubtractChannelMeans(MEANS_BGR, bgr=True, dtype="float32", name="means")(image)

    def conv(x, name, filters, kernel, initializer="glorot_uniform", **options):
        options |= {"activation": "relu", "kernel_initializer": initializer, "name": name}
        return keras.layers.Conv2D(filters, kernel, **options)(x)

    x = conv(x, "conv1", filters, 7, strides=2)  # (batch, 111, 111, 96)
    for number in range(1, len(fire) + 2):
        if number > 1:
            squeeze, expand = fire[number - 2]
            x = conv(x, f"fire{number}_squeeze", squeeze, 1)
            sides = [conv(x, f"fire{number}_expand{k}", expand, k, padding="same") for k in (1, 3)]
            x = keras.layers.Concatenate(name=f"fire{number}")(sides)
        if number in pool_after:
            x = keras.layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)  # sides 55, 27, 13
    x = keras.layers.Dropout(dropout)(x)
    x = conv(
        x, "logits", num_classes, 1, keras.initializers.RandomNormal(stddev=0.01)
    )  # conv10: (batch, 13, 13, classes)
    logits = keras.layers.GlobalAveragePooling2D(name="scores", dtype="float32")(x)
    return keras.Model(image, logits, name="squeezenet")


RECIPES = (
    Recipe(
        name="squeezenet", paper="arXiv:1602.07360", task="image-classification",
        title="SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
        builder="kerasrecipes.recipes.squeezenet:squeezenet",
        summary="A first convolution and eight fire modules, 1.2 M parameters, with ImageNet weights.",
        tags=("cnn", "imagenet", "pretrained"), classes="imagenet",
        preprocessing={"resize_to": (256, 256), "horizontal_flip": True, "crop_mode": "corners"},
        tiny_config={"size": 64, "filters": 6, "fire": ((2, 4), (2, 4)), "pool_after": (1, 2)},
    ),
)  # fmt: skip
