"""Caffe's files with seeded weights, written field by field: the three generations of NetParameter, and mean images."""

import numpy as np

SEED = 7


def varint(number):
    parts = []
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def field(number, content, wire_type=2):
    """Bytes of a message or text, or an integer with the wire type 0."""
    if wire_type == 0:
        return varint(number << 3) + varint(content)
    return varint(number << 3 | wire_type) + varint(len(content)) + content


def blob(values, *, shape=True, packed=True, double=False):
    """A BlobProto. Without `shape` it has num, channels, height and width, as older files."""
    values = np.asarray(values)
    if shape:
        dims = field(7, field(1, b"".join(varint(n) for n in values.shape)))
    else:
        sizes = (*(1,) * (4 - values.ndim), *values.shape)
        dims = b"".join(field(number, size, 0) for number, size in enumerate(sizes, 1))
    number, dtype, wire_type = (8, "<f8", 1) if double else (5, "<f4", 5)
    data = values.astype(dtype).ravel()
    if packed:
        return dims + field(number, data.tobytes())
    items = np.zeros(len(data), [("tag", "u1"), ("value", dtype)])
    items["tag"], items["value"] = number << 3 | wire_type, data
    return dims + items.tobytes()


def caffemodel(layers, version=2, **options):
    """A NetParameter of {layer: blobs}. `version` is 2 (`layer`), 1 (`layers`) or 0 (layers in `layers`)."""
    parts = [field(1, b"net")]
    for name, blobs in layers.items():
        number = {2: 7, 1: 6, 0: 50}[version]
        content = b"".join(field(number, blob(values, **options)) for values in blobs)
        named = field(4 if version == 1 else 1, name.encode())
        if version == 0:
            parts.append(field(2, field(1, named + content)))
        else:
            parts.append(field(100 if version == 2 else 2, named + content))
    return b"".join(parts)


def seeded_layers(shapes, seed=SEED):
    """Weights of {layer: shape of the kernel, outputs first}: normal with the deviation sqrt(2 / inputs), biases of 0.1."""
    rng, layers = np.random.default_rng(seed), {}
    for name, shape in shapes.items():
        kernel = rng.standard_normal(shape, "float32") * np.float32(np.sqrt(2 / np.prod(shape[1:])))
        layers[name] = kernel, 0.1 * rng.standard_normal(shape[0], "float32")
    return layers


def seeded_image(height, width, seed=SEED):
    """An image (height, width, 3) uint8 of coarse and fine noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 200, (-(-height // 16), -(-width // 16), 3)).repeat(16, 0).repeat(16, 1)[:height, :width]
    return (coarse + rng.integers(0, 56, (height, width, 3))).astype("uint8")


CAFFENET = {
    "conv1": (96, 3, 11, 11), "conv2": (256, 48, 5, 5), "conv3": (384, 256, 3, 3), "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3), "fc6": (4096, 9216), "fc7": (4096, 4096), "fc8": (1000, 4096),
}  # fmt: skip
NARROW_CAFFENET = {
    "conv1": (8, 3, 11, 11), "conv2": (12, 4, 5, 5), "conv3": (16, 12, 3, 3), "conv4": (16, 8, 3, 3),
    "conv5": (6, 8, 3, 3), "fc6": (20, 216), "fc7": (14, 20), "fc8": (1000, 14),
}  # fmt: skip


def squeezenet_shapes(first, fire, classes):
    """Shapes of the kernels of SqueezeNet: of conv1, then of the fire modules (squeeze, expand) and conv10."""
    shapes, inputs = {"conv1": first}, first[0]
    for number, (squeeze, expand) in enumerate(fire, 2):
        shapes[f"fire{number}/squeeze1x1"] = (squeeze, inputs, 1, 1)
        for side in (1, 3):
            shapes[f"fire{number}/expand{side}x{side}"] = (expand, squeeze, side, side)
        inputs = 2 * expand
    return shapes | {"conv10": (classes, inputs, 1, 1)}


FIRE = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
SQUEEZENET_1_0 = squeezenet_shapes((96, 3, 7, 7), FIRE, 1000)
SQUEEZENET_1_1 = squeezenet_shapes((64, 3, 3, 3), FIRE, 1000)


def dilated_shapes(widths, dense, classes, context, prefix, final):
    """Shapes of the kernels of a dilated network.

    `widths` are those of VGG-16's five blocks, `context` the filters of the layers of 3 x 3, which are called `prefix`_...
    """
    shapes, inputs = {}, 3
    for block, (width, count) in enumerate(zip(widths, (2, 2, 3, 3, 3), strict=True), 1):
        for layer in range(1, count + 1):
            shapes[f"conv{block}_{layer}"] = (width, inputs, 3, 3)
            inputs = width
    shapes |= {"fc6": (dense, inputs, 7, 7), "fc7": (dense, dense, 1, 1), final: (classes, dense, 1, 1)}
    names = ["conv1_1", "conv1_2", *(f"conv{n}_1" for n in range(2, len(context) - 1)), "fc1"]
    inputs = classes
    for name, filters in zip(names, context, strict=True):
        shapes[f"{prefix}_{name}"] = (filters, inputs, 3, 3)
        inputs = filters
    return shapes | {f"{prefix}_final": (classes, inputs, 1, 1)}


VGG, NARROW_VGG = (64, 128, 256, 512, 512), (4, 4, 6, 6, 8)
NARROW_DENSE = 12
DILATED = {  # name of the prototxt: (recipe, classes, filters of the context module, prefix, name of the front end's output)
    "dilation8_pascal_voc": ("dilation8_voc", 21, (42, 42, 84, 168, 336, 672, 672), "ct", "fc-final"),
    "dilation8_camvid": ("dilation8_camvid", 11, (11,) * 7, "ctx", "final"),
    "dilation7_kitti": ("dilation7_kitti", 11, (11,) * 6, "ctx", "final"),
    "dilation10_cityscapes": ("dilation10_cityscapes", 19, (19,) * 9, "ctx", "final"),
}


def shapes_of_dilated(name, full):
    """Shapes of the kernels of one of `DILATED`, with its own widths or narrow ones."""
    _, classes, context, prefix, final = DILATED[name]
    return dilated_shapes(VGG if full else NARROW_VGG, 4096 if full else NARROW_DENSE, classes, context, prefix, final)


def with_upsampling(layers):
    """Add the fixed bilinear enlargement that the file for Cityscapes holds, a kernel without a bias."""
    line = 1 - np.abs((np.arange(16) - 7.5) / 8)
    classes = len(layers["ctx_final"][1])
    return layers | {"ctx_upsample": (np.broadcast_to(np.outer(line, line), (classes, 1, 16, 16)).astype("float32"),)}


NARROW_ZF = {
    "conv1": (6, 3, 7, 7), "conv2": (8, 6, 5, 5), "conv3": (10, 8, 3, 3), "conv4": (10, 10, 3, 3), "conv5": (6, 10, 3, 3),
    "fc6": (16, 216), "fc7": (12, 16),
}  # fmt: skip
