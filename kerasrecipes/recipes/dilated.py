"""Multi-Scale Context Aggregation by Dilated Convolutions (Yu and Koltun, arXiv 1511.07122).

    picture with a margin -> front end: VGG-16 without its last poolings, dilated instead -> class maps at 1/8
                          -> context module: 3 x 3 convolutions with dilations 1, 1, 2, 4, 8, 16, 1 -> class maps

No convolution of the front end is padded: a cell of its output is 8 x 8 pixels in the middle of 380 x 380.
"""

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
BASIC = ((1, 1), (1, 1), (1, 2), (1, 4), (1, 8), (1, 16), (1, 1))  # (multiple of the classes, dilation), table 1
LARGE = ((2, 1), (2, 1), (4, 2), (8, 4), (16, 8), (32, 16), (32, 1))


def dilated(
    *,
    classes: int = 21,
    blocks: tuple = VGG16,
    pools: int = 3,
    dense: tuple = ((4096, 7), (4096, 1)),
    dropout: float = 0.5,
    context: tuple = LARGE,
    padding: str = "once",
    noise: float = 0.0,
    batch_norm: bool = False,
    means: tuple = (116.52, 111.36, 102.93),
    scale: float = 1.0,
):
    """Build the net; the defaults are that of Pascal VOC with the large context module.

    Args:
        classes: of the maps.
        blocks: filters of the 3 x 3 convolutions of each block (VGG-16).
        pools: blocks that a 2 x 2 pooling follows; each pooling left out doubles the dilation behind it (section 4).
        dense: (filters, kernel) of the layers that were fully connected. dropout: share dropped behind each.
        context: (multiple of the classes, dilation) of each 3 x 3 layer of the context module (table 1); a 1 x 1 layer without
            rectifier ends it; () for the front end alone.
        padding: "once" puts all zeros around the front end's maps (VOC), "each" layer its own (the others).
        noise: standard deviation of what the context module's first kernels are apart from passing maps on.
        batch_norm: normalise before each rectifier of the front end (the paper does not).
        means: subtracted from red, green, blue; the net reads blue, green, red. scale: factor afterwards.

    Returns:
        A functional `keras.Model`: (batch, height, width, 3), 0 to 255, the picture with a margin on each side -> scores
        (batch, rows, columns, classes), one cell for 2^pools pixels of the picture inside the margin; no softmax. The front
        end's own maps are the output of the layer `front`, or `logits` where no context module follows. The margin is 186 pixels
        for VGG-16, where sides are 372 + 8 n.
    """
    picture = keras.Input((None, None, 3), dtype="float32", name="picture")
    x = layers.SubtractChannelMeans(tuple(reversed(means)), bgr=True, dtype="float32", name="means")(picture)
    if scale != 1.0:
        x = keras.layers.Rescaling(scale, dtype="float32", name="scale")(x)

    def conv(x, name, filters, kernel, dilation=1):
        start = "he_normal"
        x = layers.FastConv2D(
            filters, kernel, dilation_rate=dilation, use_bias=not batch_norm, kernel_initializer=start, name=name
        )(x)  # fmt: skip
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
    small = keras.initializers.RandomNormal(stddev=0.001)
    last = "front" if context else "logits"
    x = layers.FastConv2D(classes, 1, kernel_initializer=small, dtype="float32", name=last)(x)
    if context:
        if padding == "once":
            x = keras.layers.ZeroPadding2D(sum(d for _, d in context), name="context_zeros")(x)
        for number, (multiple, d) in enumerate(context, 1):
            if padding == "each":
                x = keras.layers.ZeroPadding2D(d, name=f"context{number}_zeros")(x)
            x = layers.FastConv2D(
                multiple * classes, 3, dilation_rate=d, activation="relu", name=f"context{number}",
                kernel_initializer=layers.IdentityInitializer(classes, noise, number),
            )(x)  # fmt: skip
        x = layers.FastConv2D(
            classes, 1, kernel_initializer=layers.IdentityInitializer(classes, noise, 0), dtype="float32", name="logits"
        )(x)  # fmt: skip
    return keras.Model(picture, x, name="dilated")


PAPER = {
    "classes": 21, "blocks": VGG16, "pools": 3, "dense": ((4096, 7), (4096, 1)), "dropout": 0.5, "context": LARGE,
    "padding": "once", "noise": 0.01, "batch_norm": False, "means": (116.52, 111.36, 102.93), "scale": 1.0,
}  # fmt: skip
URBAN = PAPER | {"context": BASIC, "padding": "each"}
SMALL = PAPER | {
    "classes": 11, "blocks": ((16, 16), (32, 32), (48, 48), (64, 64)), "pools": 2, "dense": ((128, 3),), "dropout": 0.2,
    "context": BASIC, "padding": "each", "noise": 0.0, "batch_norm": True, "means": (105.41, 108.78, 110.7), "scale": 1 / 64,
}  # fmt: skip

SGD = {"class_name": "SGD", "config": {"learning_rate": 0.001, "momentum": 0.9, "weight_decay": 5e-4}}
TINY = {"blocks": ((4,), (4,), (6,), (6,)), "dense": ((8, 3),), "pools": 2, "context": ((1, 1), (1, 2))}


def _recipe(name, config, summary, classes, tags=("paper",), tiny_config=TINY):
    return Recipe(
        name=name, paper="arXiv:1511.07122", title="Multi-Scale Context Aggregation by Dilated Convolutions",
        task="segmentation", builder="kerasrecipes.recipes.dilated:dilated", config=config, summary=summary,
        tags=("cnn", "dilation", *tags), classes=classes, optimizer=SGD if "paper" in tags else {}, tiny_config=tiny_config,
    )  # fmt: skip


RECIPES = (
    _recipe("dilation8_voc", PAPER, "VGG-16 front end and the large context module for Pascal VOC's 21 classes.", "voc"),
    _recipe("dilation8_voc_basic", PAPER | {"context": BASIC}, "With the basic context module.", "voc"),
    _recipe(
        "dilation_voc_front", PAPER | {"context": ()}, "The front end alone.", "voc", tiny_config=TINY | {"context": ()}
    ),
    _recipe(
        "dilation8_camvid", URBAN | {"classes": 11, "means": (105.41212523, 108.77808759, 110.70313206)},
        "For CamVid's 11 classes, basic context module.", "urban",
    ),
    _recipe(
        "dilation7_kitti",
        URBAN | {
            "classes": 11, "means": (91.34692262, 95.55136972, 96.19429688),
            "context": tuple(layer for layer in BASIC if layer[1] != 16),
        },
        "For KITTI's 11 classes, without the layer of dilation 16.", "urban",
    ),
    _recipe(
        "dilation10_cityscapes",
        URBAN | {"classes": 19, "means": (73.16, 82.91, 72.39), "context": (*BASIC[:-1], (1, 32), (1, 64), (1, 1))},
        "For Cityscapes' 19 classes, with dilations of 32 and 64.", "cityscapes",
    ),
    _recipe(
        "dilated_camvid_small", SMALL, "A small front end at 1/4 and the basic context module, for CamVid at 240 x 180.",
        "camvid", ("pretrained",),
    ),
)  # fmt: skip
