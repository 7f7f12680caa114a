"""What each kind of layer does to places, as `Reach` per axis of the input; the table `RULES` is by class name."""

from typing import Any

import keras

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.visualize import reach as rc
from kerasrecipes.visualize.reach import Reach
from kerasrecipes.visualize.walk import Step

Field = tuple[Reach, ...]  # one for each axis of places of the input

_POINTWISE = """Activation ReLU LeakyReLU PReLU ELU Softmax ClippedReLU Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D
    AlphaDropout GaussianDropout GaussianNoise ActivityRegularization Identity BatchNormalization Rescaling Normalization
    ChannelMeans LocalResponseNormalization UnitNormalization RMSNormalization Mask MuLaw Masking Embedding Discretization
    Relu Relu6 Silu Gelu Elu Selu Sigmoid Tanh Softplus Softsign HardSigmoid HardSilu HardTanh LogSigmoid Negative Absolute Square
    Sqrt Rsqrt Exp Log Log1p Clip Cast Sign Reciprocal Power Hardtanh"""
POINTWISE = frozenset(_POINTWISE.split())
_MERGES = "Add Subtract Multiply Average Maximum Minimum Divide TrueDivide FloorDivide Where GreaterEqual Greater Less"
MERGES = frozenset(_MERGES.split())


def apply(step: Step, arguments: list[tuple[Any, Field | None]], outputs: list[Any]) -> list[Field | None]:
    """The fields of a step's outputs.

    Args:
        arguments: shape and field of each tensor that it takes; None for tensors without places (lengths).
        outputs: its outputs' shapes.

    Raises:
        KerasRecipesError: a kind of layer that no rule knows.
    """
    seen = [(shape, field) for shape, field in arguments if field is not None]
    if not seen:
        return [None] * len(outputs)
    operation, kind = step.operation, step.kind
    shape, field = seen[0]
    fixed: Field | None = None
    if hasattr(operation, "geometry"):  # the layers of sequences: time is axis 1
        g = operation.geometry
        fixed = tuple(_timed(r, g, outputs[0][1]) for r in field)
    elif kind in MERGES or (kind in POINTWISE and len(seen) > 1):
        fixed = _aligned(seen, outputs[0])
    elif kind in POINTWISE:
        fixed = field
    elif kind == "Concatenate":
        fixed = _concatenate(operation, seen)
    elif kind in ("LayerNormalization", "GroupNormalization"):
        axes = operation.axis if kind == "LayerNormalization" else range(1, len(shape))
        axes = {a % len(shape) for a in (axes if isinstance(axes, list | tuple | range) else [axes])}
        fixed = tuple(rc.everywhere(r) if r.axis in axes else r for r in field)
    elif kind in RULES:
        fixed = RULES[kind](operation, shape, field, outputs[0])
    if fixed is None:
        raise KerasRecipesError(
            f"What {step.name} ({kind}) does to places is not known, so no receptive field can be told at or above it; "
            f"known are {', '.join(sorted({*RULES, *MERGES, *POINTWISE, 'Concatenate'}))}"
        )
    return [fixed, *[None] * (len(outputs) - 1)]


def _timed(r: Reach, g: Any, places: int) -> Reach:
    if r.axis != 1:
        return r
    if g.span is None:
        return rc.everywhere(r)
    return rc.window(r, places, g.span, g.stride, 1, g.left)


def _aligned(seen: list[tuple[Any, Field]], output: Any) -> Field:
    """Axes counted from the last, as broadcasting does."""
    found = []
    for number in range(len(seen[0][1])):
        moved = []
        for shape, field in seen:
            r = field[number]
            axis = None if r.axis is None or shape[r.axis] == 1 != output[r.axis + len(output) - len(shape)] else r.axis
            moved.append(
                Reach(None if axis is None else axis + len(output) - len(shape), r.low, r.high, r.span, r.stride)
            )
        found.append(rc.merged(moved))
    return tuple(found)


def _concatenate(operation: Any, seen: list[tuple[Any, Field]]) -> Field:
    axis = operation.axis % len(seen[0][0])
    found = []
    for number in range(len(seen[0][1])):
        reaches = [field[number] for _, field in seen]
        along = any(r.axis == axis for r in reaches)
        found.append(rc.appended(reaches) if along else rc.merged(reaches))
    return tuple(found)


def _spatial(operation: Any, shape: Any) -> int:
    """The first axis of places that a layer slides over."""
    return 2 if getattr(operation, "data_format", None) == "channels_first" else 1


def _slide(operation: Any, shape: Any, field: Field, output: Any, kernel: Any, strides: Any, dilation: Any) -> Field:
    first = _spatial(operation, shape)

    def one(r: Reach) -> Reach:
        d = None if r.axis is None else r.axis - first
        if d is None or not 0 <= d < len(kernel):
            return rc.collapsed(r) if d is not None and "Depthwise" not in type(operation).__name__ else r
        k, s, e = kernel[d], strides[d], dilation[d]
        padding = operation.padding
        before = {"valid": 0, "causal": (k - 1) * e}.get(padding, rc.same_padding(shape[r.axis], k, s, e))
        return rc.window(r, output[r.axis], k, s, e, before)

    return tuple(one(r) for r in field)


def _conv(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    strides = operation.strides
    strides = (strides,) * len(operation.kernel_size) if isinstance(strides, int) else strides
    return _slide(operation, shape, field, output, operation.kernel_size, strides, operation.dilation_rate)


def _pool(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    sizes = operation.pool_size
    sizes = (sizes,) * (len(shape) - 2) if isinstance(sizes, int) else sizes
    strides = operation.strides if operation.strides is not None else sizes
    strides = (strides,) * len(sizes) if isinstance(strides, int) else strides
    return _slide(operation, shape, field, output, sizes, strides, (1,) * len(sizes))


def _transpose(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    first = _spatial(operation, shape)

    def one(r: Reach) -> Reach:
        if r.axis is None:
            return r
        d = r.axis - first
        k, s, e = operation.kernel_size[d], operation.strides[d], operation.dilation_rate[d]
        before = max((k - 1) * e + 1 - s, 0) // 2 if operation.padding == "same" else 0
        return rc.transposed(r, output[r.axis], k, s, e, before)

    return tuple(one(r) for r in field)


def _pad(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    if hasattr(operation, "pad_width"):  # keras.ops.pad
        amounts = dict(enumerate(operation.pad_width))
        if getattr(operation, "mode", "constant") != "constant":
            raise KerasRecipesError("Receptive fields through ops.pad are known for constant padding only")
    else:
        padding = operation.cropping if hasattr(operation, "cropping") else operation.padding
        pairs = [padding] if isinstance(padding[0], int) else padding
        amounts = {axis + _spatial(operation, shape): pair for axis, pair in enumerate(pairs)}
    sign = -1 if hasattr(operation, "cropping") else 1
    return tuple(
        r if r.axis is None else rc.window(r, output[r.axis], 1, 1, 1, sign * int(amounts.get(r.axis, (0, 0))[0]))
        for r in field
    )


def _upsample(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    linear = getattr(operation, "interpolation", "nearest")
    if linear not in ("nearest", "bilinear"):
        raise KerasRecipesError(f"Receptive fields through {linear} upsampling are not known: nearest and bilinear are")
    factors = operation.size if isinstance(operation.size, tuple | list) else (operation.size,)
    first = _spatial(operation, shape)
    return tuple(r if r.axis is None else rc.repeated(r, factors[r.axis - first], linear == "bilinear") for r in field)


def _collapse(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    return tuple(rc.collapsed(r) for r in field)


def _dense(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    return tuple(rc.collapsed(r) if r.axis == len(shape) - 1 else r for r in field)


def _global(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    axes = range(2, len(shape)) if _spatial(operation, shape) == 2 else range(1, len(shape) - 1)
    return tuple(rc.collapsed(r) if r.axis in axes else r for r in field)


def _reshape(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    kept = 0  # leading axes that stay as they are
    while kept < min(len(shape), len(output)) and shape[kept] == output[kept]:
        kept += 1
    return tuple(r if r.axis is not None and r.axis < kept else rc.collapsed(r) for r in field)


def _permute(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    order = (0, *operation.dims)
    return tuple(r if r.axis is None else Reach(order.index(r.axis), r.low, r.high, r.span, r.stride) for r in field)


def _recurrent(operation: Any, shape: Any, field: Field, output: Any) -> Field:
    keeps = len(output) > 2
    return tuple(rc.everywhere(r) if keeps and r.axis == 1 else rc.collapsed(r) for r in field)


RULES: dict[str, Any] = {
    **dict.fromkeys([f"{k}Conv{n}D" for k in ("", "Depthwise", "Separable") for n in (1, 2, 3)], _conv),
    **dict.fromkeys([f"Conv{n}DTranspose" for n in (1, 2, 3)], _transpose),
    **dict.fromkeys([f"{k}Pooling{n}D" for k in ("Max", "Average") for n in (1, 2, 3)], _pool),
    **dict.fromkeys([f"Global{k}Pooling{n}D" for k in ("Max", "Average") for n in (1, 2, 3)], _global),
    **dict.fromkeys([f"{k}{n}D" for k in ("ZeroPadding", "Cropping") for n in (1, 2, 3)] + ["Pad"], _pad),
    **dict.fromkeys([f"UpSampling{n}D" for n in (1, 2, 3)], _upsample),
    **dict.fromkeys(["LSTM", "GRU", "SimpleRNN", "Bidirectional", "RNN"], _recurrent),
    "Flatten": _collapse, "Dense": _dense, "Reshape": _reshape, "Permute": _permute,
}  # fmt: skip


def start(shape: tuple, first: bool | None = None) -> Field:
    """The field of the input itself: (batch, height, width, channels), (batch, time, features) or (batch, samples)."""
    first = keras.config.image_data_format() == "channels_first" if first is None else first
    axes = [1] if len(shape) == 2 else range(2, len(shape)) if first and len(shape) > 3 else range(1, len(shape) - 1)
    return tuple(rc.identity(axis, shape[axis]) for axis in axes)
