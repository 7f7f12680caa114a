"""SqueezeNet: AlexNet-level accuracy with 50x fewer parameters (Iandola et al., arXiv 1602.07360), version 1.0.

    227 x 227 -> conv 7 x 7 / 2 -> pool -> fire2-4 -> pool -> fire5-8 -> pool -> fire9 -> conv 1 x 1 -> global average

A fire module squeezes its maps to a few with 1 x 1 filters and expands them with 1 x 1 and 3 x 3 filters in parallel.
The authors' definition of version 1.0 pads the maps by 1 before the last convolution, and so does this one.
"""

from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.hub.checkpoint_layouts import CheckpointLayout, caffe_layers
from kerasrecipes.registry import Recipe

MEANS_BGR = (104.0, 117.0, 123.0)


def squeezenet(
    *,
    size: int = 227,
    num_classes: int = 1000,
    filters: int = 96,
    kernel_size: int = 7,
    fire: tuple = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)),
    pool_after: tuple = (1, 4, 8),
    dropout: float = 0.5,
    logits_padding: int = 1,
):
    """Build SqueezeNet. The defaults are version 1.0 (table 1).

    Args:
        size: Height and width of the input.
        num_classes: Number of logits.
        filters: Filters of the first convolution.
        kernel_size: Side of its filters.
        fire: (squeeze, expand) of each fire module, fire2 first: `expand` filters of 1 x 1 and as many of 3 x 3.
        pool_after: Numbers of the layers (1 is conv1, 2 fire2 ...) that a max pooling 3 x 3 / 2 follows.
        dropout: Fraction of features dropped before the last convolution.
        logits_padding: Zeros around the maps before it, 1 in the authors' definition of version 1.0 and 0 in that of 1.1.

    Returns:
        A functional `keras.Model`: (batch, size, size, 3), 0 to 255 -> logits (batch, num_classes).
    """
    image = keras.Input((size, size, 3), dtype="float32", name="picture")
    x = layers.SubtractChannelMeans(MEANS_BGR, bgr=True, dtype="float32", name="means")(image)

    def conv(x, name, filters, kernel, initializer="glorot_uniform", **options):
        options |= {"activation": "relu", "kernel_initializer": initializer, "name": name}
        return keras.layers.Conv2D(filters, kernel, **options)(x)

    x = conv(x, "conv1", filters, kernel_size, strides=2)  # (batch, 111, 111, 96)
    for number in range(1, len(fire) + 2):
        if number > 1:
            squeeze, expand = fire[number - 2]
            x = conv(x, f"fire{number}_squeeze", squeeze, 1)
            sides = [conv(x, f"fire{number}_expand{k}", expand, k, padding="same") for k in (1, 3)]
            x = keras.layers.Concatenate(name=f"fire{number}")(sides)
        if number in pool_after:
            padding = "valid" if x.shape[1] % 2 else "same"  # Caffe keeps an incomplete window
            x = keras.layers.MaxPooling2D(3, 2, padding, name=f"pool{number}")(x)  # sides 55, 27, 13; in 1.1 56, 28, 14
    x = keras.layers.Dropout(dropout)(x)
    if logits_padding:
        x = keras.layers.ZeroPadding2D(logits_padding, name="logits_zeros")(x)
    x = conv(
        x, "logits", num_classes, 1, keras.initializers.RandomNormal(stddev=0.01)
    )  # conv10: (batch, 15, 15, classes)
    logits = keras.layers.GlobalAveragePooling2D(name="scores", dtype="float32")(x)
    return keras.Model(image, logits, name="squeezenet")


FIRE_LAYERS = {
    f"fire{number}_{ours}": f"fire{number}/{theirs}"
    for number in range(2, 10)
    for ours, theirs in (("squeeze", "squeeze1x1"), ("expand1", "expand1x1"), ("expand3", "expand3x3"))
}
COMMON: dict[str, Any] = {
    "paper": "arXiv:1602.07360", "task": "image-classification", "builder": "kerasrecipes.recipes.squeezenet:squeezenet",
    "title": "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", "classes": "imagenet",
    "preprocessing": {"resize_to": (256, 256), "horizontal_flip": True, "crop_mode": "corners"},
}  # fmt: skip

RECIPES = (
    Recipe(
        name="squeezenet", summary="A first convolution and eight fire modules, 1.2 M parameters, with ImageNet weights.",
        tags=("cnn", "imagenet", "pretrained"),
        tiny_config={"size": 64, "filters": 6, "fire": ((2, 4), (2, 4)), "pool_after": (1, 2)}, **COMMON,
    ),
    Recipe(
        name="squeezenet_v1_1", summary="Version 1.1: smaller first filters and earlier poolings, 2.4 times less computation.",
        changes={"filters": 64, "kernel_size": 3, "pool_after": (1, 3, 5), "logits_padding": 0}, tags=("cnn", "imagenet"),
        tiny_config={"size": 64, "filters": 6, "fire": ((2, 4), (2, 4), (2, 4)), "pool_after": (1, 3)}, **COMMON,
    ),
)  # fmt: skip

PUBLIC_LAYOUTS = (
    CheckpointLayout("caffe", ("squeezenet", "squeezenet_v1_1"), caffe_layers("conv1", logits="conv10", **FIRE_LAYERS)),
)
