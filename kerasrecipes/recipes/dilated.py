"""Multi-Scale Context Aggregation by Dilated Convolutions (Yu and Koltun, arXiv 1511.07122).

    image with a margin -> front end: VGG-16 without its last poolings, dilated instead -> class maps at 1/8
                        -> context module: 3 x 3 convolutions with dilations 1, 1, 2, 4, 8, 16, 1 -> class maps

The convolutions of the front end are not padded: a cell of its output covers the central 8 x 8 pixels of 380 x 380.
"""

from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.hub.checkpoint_layouts import CheckpointLayout, Source, caffe_layers
from kerasrecipes.registry import Recipe

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
BASIC = ((1, 1), (1, 1), (1, 2), (1, 4), (1, 8), (1, 16), (1, 1))  # (multiple of the classes, dilation), table 1
LARGE = ((2, 1), (2, 1), (4, 2), (8, 4), (16, 8), (32, 16), (32, 1))


def dilated(
    *,
    num_classes: int = 21,
    blocks: tuple = VGG16,
    pools: int = 3,
    dense: tuple = ((4096, 7), (4096, 1)),
    dropout: float = 0.5,
    context: tuple = LARGE,
    padding: str = "once",
    noise: float = 0.01,
    batch_norm: bool = False,
    channel_means: tuple = (116.52, 111.36, 102.93),
    input_scale: float = 1.0,
    alignment: str = "center",
):
    """Build the model. The defaults are the one for Pascal VOC with the large context module.

    Args:
        num_classes: Number of output maps.
        blocks: Filters of the 3 x 3 convolutions of each block (VGG-16).
        pools: Number of blocks that a 2 x 2 pooling follows; each omitted pooling doubles all later dilations (section 4).
        dense: (filters, kernel size) of the layers that were fully connected.
        dropout: Fraction of features dropped after each of them.
        context: (multiple of the classes, dilation) of each 3 x 3 layer of the context module (table 1), which ends with
            a 1 x 1 layer without ReLU; () for the front end alone.
        padding: "once" puts all zeros around the front end's maps (VOC), "each" pads every layer (all others).
        noise: Standard deviation of the noise in the context module's identity initialization.
        batch_norm: Normalize before each ReLU of the front end (the paper does not).
        channel_means: Subtracted from red, green, blue; the model reads blue, green, red.
        input_scale: Factor after the subtraction.
        alignment: Pixel that a cell's class belongs to, in the labels of training and in the enlargement: "center", or
            "release" for the first pixel, as in the authors' program and weights for VOC, CamVid and KITTI. The network is the
            same.

    Returns:
        A functional `keras.Model`: (batch, height, width, 3), 0 to 255, the image with a margin on each side -> logits
        (batch, rows, columns, num_classes), one cell for 2^pools pixels of the image inside the margin. The front end's
        own maps are the output of the layer `front`, or `logits` without a context module. The margin is 186 pixels for
        VGG-16, where sides are 372 + 8 n.
    """
    image = keras.Input((None, None, 3), dtype="float32", name="picture")
    means = tuple(reversed(channel_means))
    x = layers.SubtractChannelMeans(means, bgr=True, dtype="float32", name="means")(image)
    if input_scale != 1.0:
        x = keras.layers.Rescaling(input_scale, dtype="float32", name="scale")(x)

    def conv(x, name, filters, kernel, dilation=1):
        options = {"use_bias": not batch_norm, "kernel_initializer": "he_normal", "name": name}
        x = layers.FastConv2D(filters, kernel, dilation_rate=dilation, **options)(x)
        if batch_norm:
            x = layers.FastBatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    dilation = 1
    for number, block in enumerate(blocks, 1):
        for k, filters in enumerate(block, 1):
            x = conv(x, f"conv{number}_{k}", filters, 3, dilation)
        if number <= pools:
            x = layers.FastMaxPooling2D(2, name=f"pool{number}")(x)
        else:
            dilation *= 2
    for number, (filters, kernel) in enumerate(dense, len(blocks) + 1):
        x = conv(x, f"fc{number}", filters, kernel, dilation if kernel > 1 else 1)
        x = keras.layers.Dropout(dropout, name=f"drop{number}")(x)
    options = {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.001), "dtype": "float32"}
    x = layers.FastConv2D(num_classes, 1, name="front" if context else "logits", **options)(x)
    if context:
        if padding == "once":
            x = keras.layers.ZeroPadding2D(sum(d for _, d in context), name="context_zeros")(x)
        for number, (multiple, d) in enumerate(context, 1):
            if padding == "each":
                x = keras.layers.ZeroPadding2D(d, name=f"context{number}_zeros")(x)
            identity = layers.IdentityInitializer(num_classes, noise, number)
            options = {"dilation_rate": d, "activation": "relu", "kernel_initializer": identity}
            x = layers.FastConv2D(multiple * num_classes, 3, name=f"context{number}", **options)(x)
        identity = layers.IdentityInitializer(num_classes, noise, 0)
        x = layers.FastConv2D(num_classes, 1, kernel_initializer=identity, dtype="float32", name="logits")(x)
    return keras.Model(image, x, name="dilated")


URBAN: dict[str, Any] = {"context": BASIC, "padding": "each"}
SMALL: dict[str, Any] = URBAN | {
    "num_classes": 11, "blocks": ((16, 16), (32, 32), (48, 48), (64, 64)), "pools": 2, "dense": ((128, 3),), "dropout": 0.2,
    "noise": 0.0, "batch_norm": True, "channel_means": (105.41, 108.78, 110.7), "input_scale": 1 / 64,
}  # fmt: skip

TINY: dict[str, Any] = {"blocks": ((4,), (4,), (6,), (6,)), "dense": ((8, 3),), "pools": 2, "context": ((1, 1), (1, 2))}
COMMON: dict[str, Any] = {
    "paper": "arXiv:1511.07122", "title": "Multi-Scale Context Aggregation by Dilated Convolutions",
    "task": "segmentation", "builder": "kerasrecipes.recipes.dilated:dilated",
}  # fmt: skip
PAPER: dict[str, Any] = COMMON | {
    "tags": ("cnn", "dilation", "paper"),
    "optimizer": {"class_name": "CaffeSGD", "config": {"learning_rate": 0.001, "weight_decay": 5e-4, "bias_rate": 2.0}},
}

RECIPES = (
    Recipe(
        name="dilation8_voc", classes="voc", tiny_config=TINY, **PAPER,
        summary="VGG-16 front end and the large context module for Pascal VOC's 21 classes.",
    ),
    Recipe(
        name="dilation8_voc_basic", summary="With the basic context module.", changes={"context": BASIC}, classes="voc",
        tiny_config=TINY, **PAPER,
    ),
    Recipe(
        name="dilation_voc_front", summary="The front end alone.", changes={"context": ()}, classes="voc",
        tiny_config=TINY | {"context": ()}, **PAPER,
    ),
    Recipe(
        name="dilation8_camvid", summary="For CamVid's 11 classes, basic context module.", classes="urban",
        changes=URBAN | {"num_classes": 11, "channel_means": (105.41212523, 108.77808759, 110.70313206)},
        tiny_config=TINY, **PAPER,
    ),
    Recipe(
        name="dilation7_kitti", summary="For KITTI's 11 classes, without the layer of dilation 16.", classes="urban",
        changes=URBAN | {
            "num_classes": 11, "channel_means": (91.34692262, 95.55136972, 96.19429688),
            "context": tuple(layer for layer in BASIC if layer[1] != 16),
        },
        tiny_config=TINY, **PAPER,
    ),
    Recipe(
        name="dilation10_cityscapes", summary="For Cityscapes' 19 classes, with dilations of 32 and 64.", classes="cityscapes",
        changes=URBAN | {
            "num_classes": 19, "channel_means": (73.16, 82.91, 72.39), "context": (*BASIC[:-1], (1, 32), (1, 64), (1, 1)),
        },
        tiny_config=TINY, **PAPER,
    ),
    Recipe(
        name="dilated_camvid_small", changes=SMALL, tags=("cnn", "dilation", "pretrained"), classes="camvid",
        summary="A small front end at 1/4 and the basic context module, for CamVid at 240 x 180.", tiny_config=TINY, **COMMON,
    ),
)  # fmt: skip


def authors_layout(recipe: str, prefix: str, front: str, num_layers: int, **config: Any) -> CheckpointLayout:
    """Return where the weights of a network with a context module are in the authors' file.

    Args:
        recipe: Name of the recipe.
        prefix: Beginning of the names of the context module's layers in the file.
        front: Name of the front end's output in the file.
        num_layers: Number of 3 x 3 layers of the context module. The last one is called fc1 there.
        **config: Changes to the recipe's configuration.
    """
    names = ["conv1_1", "conv1_2", *(f"conv{number}_1" for number in range(2, num_layers - 1)), "fc1"]
    context = {f"context{number}": f"{prefix}_{name}" for number, name in enumerate(names, 1)}
    weights = caffe_layers(*VGG16_LAYERS, front=front, logits=f"{prefix}_final", **context)
    return CheckpointLayout("caffe", (recipe,), weights, config=config)


VGG16_LAYERS = (*(f"conv{n}_{k}" for n, block in enumerate(VGG16, 1) for k in range(1, len(block) + 1)), "fc6", "fc7")
FIRST_PIXEL = {"alignment": "release"}  # Cityscapes' file enlarges inside the network, around the centers
KERAS_VGG16 = {
    f"{name}/{variable}": Source((f"{layer}.{number}",), "reshaped")
    for name, layer in zip(
        VGG16_LAYERS, [*(name.replace("conv", "block").replace("_", "_conv") for name in VGG16_LAYERS[:-2]), "fc1", "fc2"], strict=True
    )
    for number, variable in enumerate(("kernel", "bias"))
}  # fmt: skip
PUBLIC_LAYOUTS = (
    authors_layout("dilation8_voc", "ct", "fc-final", 7, **FIRST_PIXEL),
    authors_layout("dilation8_camvid", "ctx", "final", 7, **FIRST_PIXEL),
    authors_layout("dilation7_kitti", "ctx", "final", 6, **FIRST_PIXEL),
    authors_layout("dilation10_cityscapes", "ctx", "final", 9),
    CheckpointLayout(
        "caffe", ("dilation_voc_front",), caffe_layers(*VGG16_LAYERS, logits="fc-final"), config=FIRST_PIXEL,
    ),
    CheckpointLayout(  # ImageNet's classes are left over, and the layers for those of the recipe begin anew
        "keras_h5", tuple(recipe.name for recipe in RECIPES), KERAS_VGG16, ("front/*", "context*", "logits/*"),
    ),
)  # fmt: skip
