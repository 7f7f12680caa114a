"""CaffeNet, the model that the Deep Visualization Toolbox looks into (Yosinski et al., arXiv 1506.06579).

    227 x 227 -> conv 11 x 11 / 4 -> pool -> norm -> conv 5 x 5 (2 groups) -> pool -> norm -> 3 convs -> pool -> 3 dense layers

Krizhevsky's model on one graphics card, with pooling before normalization.
"""

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.hub.checkpoint_layouts import CheckpointLayout, caffe_layers
from kerasrecipes.registry import Recipe

IMAGENET_MEANS = (123.0, 117.0, 104.0)  # red, green, blue


def caffenet(
    *,
    size: int = 227,
    num_classes: int = 1000,
    conv: tuple = ((96, 11, 4, 0, 1), (256, 5, 1, 2, 2), (384, 3, 1, 1, 1), (384, 3, 1, 1, 2), (256, 3, 1, 1, 2)),
    dense: tuple = (4096, 4096),
    dropout: float = 0.5,
    channel_means: tuple = IMAGENET_MEANS,
    unit_bias_layers: tuple = (2, 4, 5, 6, 7),
):
    """Build CaffeNet.

    Args:
        size: Height and width of the input.
        num_classes: Number of logits.
        conv: (filters, kernel size, stride, zeros around, groups) of each convolution; maps of different groups do not
            see each other. Poolings 3 x 3 / 2 follow the first two and the last convolution.
        dense: Units of the layers before the logits.
        dropout: Fraction of features dropped after each of them.
        channel_means: Subtracted from red, green, blue; the model reads blue, green, red.
        unit_bias_layers: Numbers of the layers, from 1, whose biases begin at 1 (BVLC's train_val.prototxt). All others begin at 0.

    Returns:
        A functional `keras.Model`: (batch, size, size, 3), 0 to 255 -> logits (batch, num_classes).
    """
    image = keras.Input((size, size, 3), dtype="float32", name="picture")
    x = layers.SubtractChannelMeans(tuple(reversed(channel_means)), bgr=True, dtype="float32", name="means")(image)
    normal = keras.initializers.RandomNormal

    def bias(number):
        return "ones" if number in unit_bias_layers else "zeros"

    for number, (filters, kernel, stride, zeros, groups) in enumerate(conv, 1):
        if zeros:
            x = keras.layers.ZeroPadding2D(zeros, name=f"zeros{number}")(x)
        options = {"groups": groups, "kernel_initializer": normal(stddev=0.01), "bias_initializer": bias(number)}
        x = keras.layers.Conv2D(filters, kernel, stride, name=f"conv{number}", **options)(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)  # sides 55, 27, 13, 13, 13
        if number in (1, 2, len(conv)):
            x = keras.layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)  # sides 27, 13, 6
        if number in (1, 2):  # as in Caffe: alpha is divided by the 5 maps, and the sum starts at 1
            x = layers.LocalResponseNormalization(5, 1e-4, 0.75, 1.0, mean=True, name=f"norm{number}")(x)
    x = keras.layers.Flatten()(x)  # (batch, 6 * 6 * 256)
    for number, units in enumerate(dense, len(conv) + 1):
        options = {"kernel_initializer": normal(stddev=0.005), "bias_initializer": bias(number)}
        x = keras.layers.Dense(units, name=f"fc{number}", **options)(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
        x = keras.layers.Dropout(dropout)(x)
    options = {"kernel_initializer": normal(stddev=0.01), "dtype": "float32", "name": "logits"}
    return keras.Model(image, keras.layers.Dense(num_classes, **options)(x), name="caffenet")


RECIPES = (
    Recipe(
        name="caffenet", paper="arXiv:1506.06579", title="Understanding Neural Networks Through Deep Visualization",
        task="image-classification", builder="kerasrecipes.recipes.caffenet:caffenet",
        summary="Five convolutions, some in two groups, pooling before normalization, and three dense layers.",
        tags=("cnn", "paper"), classes="imagenet",
        preprocessing={"resize_to": (256, 256), "horizontal_flip": True, "crop_mode": "corners"},
        optimizer={"class_name": "CaffeSGD", "config": {"learning_rate": 0.01, "weight_decay": 5e-4, "bias_rate": 2.0}},
        tiny_config={
            "size": 67, "conv": ((4, 11, 4, 0, 1), (6, 5, 1, 2, 2), (4, 3, 1, 1, 1), (4, 3, 1, 1, 2)), "dense": (8,),
        },
    ),
)  # fmt: skip

PUBLIC_LAYOUTS = (
    CheckpointLayout(
        "caffe", ("caffenet",),
        caffe_layers("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", logits="fc8"),
    ),
)  # fmt: skip
