"""Visualizing and Understanding Convolutional Networks (Zeiler and Fergus, arXiv 1311.2901): ZFNet.

    224 x 224 -> conv 7 x 7 / 2 -> pool -> norm -> conv 5 x 5 / 2 -> pool -> norm -> 3 convs 3 x 3 -> pool -> 3 dense layers

Sides 110, 55, 26, 13, 13, 13, 13, 6 (figure 3). The root mean square of a convolution's filter is limited to 0.1.
"""

from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.hub.checkpoint_layouts import CheckpointLayout, caffe_layers
from kerasrecipes.recipes.convnetjs import CIFAR10
from kerasrecipes.registry import Recipe

IMAGENET_MEANS = (123.0, 117.0, 104.0)  # red, green, blue; the paper subtracts a mean image


def zfnet(
    *,
    size: int = 224,
    num_classes: int = 1000,
    conv: tuple = ((96, 7, 2, 1), (256, 5, 2, 0), (384, 3, 1, 1), (384, 3, 1, 1), (256, 3, 1, 1)),
    pool_after: tuple = (1, 2, 5),
    lrn_after: tuple = (1, 2),
    dense: tuple = (4096, 4096),
    dropout: float = 0.5,
    input_dropout: float = 0.0,
    max_filter_rms: float | None = 0.1,
    batch_norm: bool = False,
    channel_means: tuple = IMAGENET_MEANS,
    input_scale: float = 1.0,
    normalization: str = "maps",
    pool_padding: int = 0,
    pooled_side: int | None = None,
):
    """Build ZFNet. The defaults are the model of figure 3.

    Args:
        size: Height and width of the input.
        num_classes: Number of logits.
        conv: (filters, kernel size, stride, zeros around) of each convolution.
        pool_after: Numbers, from 1, of the convolutions that a max pooling 3 x 3 / 2 follows. An incomplete window is
            padded, except in the last pooling, which drops it (13 -> 6).
        lrn_after: Numbers of the convolutions that local response normalization over 5 maps follows, after the pooling.
            The paper gives no constants; these are Krizhevsky et al.'s (alpha 1e-4, beta 0.75, k 2).
        dense: Units of the layers before the logits.
        dropout: Fraction of features dropped after each of them (section 3: layers 6 and 7).
        input_dropout: Fraction of features dropped before the first of them.
        max_filter_rms: Limit of a filter's root mean square, None for none (section 3: 0.1).
        batch_norm: Normalize each layer's output before its ReLU (the paper, of 2013, does not).
        channel_means: Subtracted from red, green, blue.
        input_scale: Factor after the subtraction (1 gives inputs from about -128 to 128, as in the paper).
        normalization: "maps" after the pooling, or "space": over 3 x 3 positions of a map, before the pooling.
        pool_padding: Zeros around the maps before each pooling.
        pooled_side: Side of the maps after the last pooling, which divides its input evenly. Default: windows of 3 x 3 / 2.

    Returns:
        A functional `keras.Model`: (batch, size, size, 3), 0 to 255 -> logits (batch, num_classes).
    """
    image = keras.Input((size, size, 3), dtype="float32", name="picture")
    x = layers.SubtractChannelMeans(channel_means, dtype="float32", name="means")(image)
    if input_scale != 1.0:
        x = keras.layers.Rescaling(input_scale, dtype="float32", name="scale")(x)
    initializer = "he_normal" if batch_norm else keras.initializers.RandomNormal(stddev=0.01)  # "1e-2" in section 3
    options = {"kernel_initializer": initializer, "use_bias": not batch_norm}
    last = max(pool_after, default=0)

    def relu(x, number):
        if batch_norm:
            x = layers.FastBatchNormalization(momentum=0.95, name=f"batch_norm{number}")(x)
        return keras.layers.ReLU(name=f"relu{number}")(x)

    for number, (filters, kernel, stride, zeros) in enumerate(conv, 1):
        if zeros:
            x = keras.layers.ZeroPadding2D(zeros, name=f"zeros{number}")(x)
        limit = layers.MaxFilterRMS(max_filter_rms) if max_filter_rms else None
        x = layers.FastConv2D(filters, kernel, stride, kernel_constraint=limit, name=f"conv{number}", **options)(x)
        x = relu(x, number)  # sides 110, 26, 13, 13, 13
        if number in lrn_after and normalization == "space":
            x = layers.SpatialResponseNormalization(name=f"norm{number}")(x)
        if number == last and pooled_side:
            x = keras.layers.AdaptiveMaxPooling2D(pooled_side, name=f"pool{number}")(x)
        elif number in pool_after:  # sides 55, 13, 6
            if pool_padding:
                after = pool_padding + (x.shape[1] + 1) % 2  # Caffe keeps an incomplete window
                x = keras.layers.ZeroPadding2D(((pool_padding, after),) * 2, name=f"pool{number}_zeros")(x)
            padding = "valid" if number == last or pool_padding else "same"
            x = layers.FastMaxPooling2D(3, 2, padding, name=f"pool{number}")(x)
        if number in lrn_after and normalization == "maps":
            x = layers.LocalResponseNormalization(name=f"norm{number}")(x)
    x = keras.layers.Flatten()(x)  # (batch, 6 * 6 * 256)
    x = keras.layers.Dropout(input_dropout)(x) if input_dropout else x
    for number, units in enumerate(dense, len(conv) + 1):
        x = relu(keras.layers.Dense(units, name=f"fc{number}", **options)(x), number)
        x = keras.layers.Dropout(dropout)(x) if dropout else x
    normal = keras.initializers.RandomNormal(stddev=0.01)
    logits = keras.layers.Dense(num_classes, kernel_initializer=normal, dtype="float32", name="logits")(x)
    return keras.Model(image, logits, name="zfnet")


COMMON: dict[str, Any] = {
    "paper": "arXiv:1311.2901", "title": "Visualizing and Understanding Convolutional Networks",
    "task": "image-classification", "builder": "kerasrecipes.recipes.zfnet:zfnet",
}  # fmt: skip
IMAGENET = COMMON | {
    "tags": ("cnn", "paper"), "classes": "imagenet",
    # four corners and the center, mirrored too (section 3)
    "preprocessing": {"resize_to": (256, 256), "horizontal_flip": True, "crop_mode": "corners"},
    "optimizer": {
        "class_name": "CaffeSGD", "config": {"learning_rate": 0.01, "weight_decay": 5e-4, "bias_weight_decay": 5e-4},
    },
    "tiny_config": {
        "size": 48, "conv": ((4, 7, 2, 1), (6, 5, 2, 0), (4, 3, 1, 1)), "pool_after": (1, 3), "lrn_after": (1,), "dense": (8,),
    },
}  # fmt: skip

RECIPES = (
    Recipe(name="zfnet", summary="Five convolutions and three dense layers for 224 x 224, the model of figure 3.", **IMAGENET),
    Recipe(
        name="zfnet_wide", summary="With 512, 1024 and 512 maps in layers 3 to 5 (table 2, model b).",
        changes={"conv": ((96, 7, 2, 1), (256, 5, 2, 0), (512, 3, 1, 1), (1024, 3, 1, 1), (512, 3, 1, 1))}, **IMAGENET,
    ),
    Recipe(
        name="zfnet_small", summary="The same layers for 32 x 32, with batch normalization instead of LRN and the filter limit.",
        changes={
            "size": 32, "num_classes": 10, "lrn_after": (), "dense": (384,), "input_dropout": 0.5, "max_filter_rms": None,
            "batch_norm": True,
            "conv": ((64, 3, 1, 1), (128, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1)),
            "channel_means": (125.3, 123.0, 113.9), "input_scale": 1 / 64,
        },
        tags=("cnn", "pretrained"), classes=CIFAR10,
        preprocessing={"padding": 4, "fill_value": 122.0, "horizontal_flip": True},
        tiny_config={"conv": ((4, 3, 1, 1), (6, 3, 1, 1), (4, 3, 1, 1)), "pool_after": (1, 2, 3), "dense": (8,)}, **COMMON,
    ),
)  # fmt: skip

# The ZF network of py-faster-rcnn, whose definition has no classes of ImageNet. Its region of interest is the whole image here. Its
# dropout (scale_train: false) does not scale what it keeps in training, and halves everything in inference.
PUBLIC_LAYOUTS = (
    CheckpointLayout(
        "caffe", ("zfnet",),
        caffe_layers("conv2", "conv3", "conv4", "conv5", "fc6") | caffe_layers("conv1", conversion="caffe_bgr")
        | caffe_layers("fc7", conversion="caffe_halved"),
        optional=("logits/*",),
        config={
            "conv": ((96, 7, 2, 3), (256, 5, 2, 2), (384, 3, 1, 1), (384, 3, 1, 1), (256, 3, 1, 1)), "normalization": "space",
            "pool_padding": 1, "pooled_side": 6, "max_filter_rms": None, "channel_means": (122.7717, 115.9465, 102.9801),
        },
    ),
)  # fmt: skip
