"""What a step of a graph does to places, as `Reach` per axis of the input: layers of one input by the table of `effects`, merges,
attention and normalisation here."""

from typing import Any

import keras

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph import receptive_interval as rc
from kerasrecipes.graph.receptive_interval import ReceptiveInterval
from kerasrecipes.graph.receptive_rules import LAYER_RULES, REDUCTIONS, ReceptiveIntervals
from kerasrecipes.graph.traversal import LayerCall

_POINTWISE = """Activation ReLU LeakyReLU PReLU ELU Softmax ClippedReLU Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D
    AlphaDropout GaussianDropout GaussianNoise ActivityRegularization Identity BatchNormalization Rescaling Normalization
    ChannelMeans LocalResponseNormalization UnitNormalization RMSNormalization Mask MuLaw Masking Embedding Discretization
    Relu Relu6 Silu Gelu Elu Selu Sigmoid Tanh Softplus Softsign HardSigmoid HardSilu HardTanh LogSigmoid Negative Absolute Square
    Sqrt Rsqrt Exp Log Log1p Clip Cast Sign Reciprocal Power Hardtanh"""
# of training alone: elsewhere they hand on what they get
_TRAINING = """RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomElasticTransform RandomErasing RandomFlip
    RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation
    RandomSharpness RandomShear RandomTranslation RandomZoom AugMix RandAugment"""
POINTWISE_LAYERS = frozenset(f"{_POINTWISE} {_TRAINING}".split())
_MERGES = "Add Subtract Multiply Average Maximum Minimum Divide TrueDivide FloorDivide Where GreaterEqual Greater Less"
MERGE_LAYERS = frozenset(_MERGES.split())
ATTENTION = ("MultiHeadAttention", "GroupedQueryAttention")


def propagate(
    step: LayerCall, arguments: list[tuple[Any, ReceptiveIntervals | None]], outputs: list[Any]
) -> list[ReceptiveIntervals | None]:
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
    fixed: ReceptiveIntervals | None = None
    if hasattr(operation, "geometry"):  # the layers of sequences: time is axis 1
        g = operation.geometry
        fixed = tuple(_sequence_layer(r, g, outputs[0][1]) for r in field)
    elif kind in ATTENTION:
        fixed = _attention(operation, arguments)
    elif kind in REDUCTIONS and hasattr(operation, "axis"):
        fixed = REDUCTIONS[kind](operation, shape, field, outputs[0])
    elif kind in MERGE_LAYERS or (kind in POINTWISE_LAYERS and len(seen) > 1):
        fixed = _aligned(seen, outputs[0])
    elif kind in POINTWISE_LAYERS:
        fixed = field
    elif kind == "Concatenate":
        fixed = _concatenate(operation, seen)
    elif kind in ("LayerNormalization", "GroupNormalization"):
        axes = operation.axis if kind == "LayerNormalization" else range(1, len(shape))
        axes = {a % len(shape) for a in (axes if isinstance(axes, list | tuple | range) else [axes])}
        fixed = tuple(rc.full_context(r) if r.axis in axes else r for r in field)
    elif kind in LAYER_RULES:
        fixed = LAYER_RULES[kind](operation, shape, field, outputs[0])
    if fixed is None:
        raise KerasRecipesError(
            f"What {step.name} ({kind}) does to places is not known, so no receptive field can be told at or above it; "
            f"known are {', '.join(sorted({*LAYER_RULES, *REDUCTIONS, *MERGE_LAYERS, *POINTWISE_LAYERS, *ATTENTION, 'Concatenate'}))}"
        )
    return [fixed, *[None] * (len(outputs) - 1)]


def _sequence_layer(r: ReceptiveInterval, g: Any, places: int) -> ReceptiveInterval:
    if r.axis != 1:
        return r
    if g.span is None:
        return rc.full_context(r)
    return rc.sliding_window(r, places, g.span, g.stride, 1, g.left)


def _aligned(seen: list[tuple[Any, ReceptiveIntervals]], output: Any) -> ReceptiveIntervals:
    """Axes counted from the last, as broadcasting does."""
    found = []
    for number in range(len(seen[0][1])):
        moved = []
        for shape, field in seen:
            r = field[number]
            axis = None if r.axis is None or shape[r.axis] == 1 != output[r.axis + len(output) - len(shape)] else r.axis
            moved.append(
                ReceptiveInterval(
                    None if axis is None else axis + len(output) - len(shape), r.low, r.high, r.span, r.stride
                )
            )
        found.append(rc.union(moved))
    return tuple(found)


def _concatenate(operation: Any, seen: list[tuple[Any, ReceptiveIntervals]]) -> ReceptiveIntervals:
    axis = operation.axis % len(seen[0][0])
    found = []
    for number in range(len(seen[0][1])):
        reaches = [field[number] for _, field in seen]
        along = any(r.axis == axis for r in reaches)
        found.append(rc.concatenate(reaches) if along else rc.union(reaches))
    return tuple(found)


def _attention(operation: Any, arguments: list[tuple[Any, ReceptiveIntervals | None]]) -> ReceptiveIntervals:
    """Each place of the query stays and sees, beside itself, all of what is attended to (key, value, masks)."""
    (shape, query), *rest = arguments
    over = getattr(operation, "_attention_axes", None) or range(1, len(shape) - 1)

    def all_of(r: ReceptiveInterval) -> ReceptiveInterval:
        return rc.global_pool(r) if r.axis in over or r.axis == len(shape) - 1 else r

    def own(r: ReceptiveInterval) -> ReceptiveInterval:
        return rc.global_pool(r) if r.axis == len(shape) - 1 else r

    fields = [tuple(map(own, query))] if query is not None else []
    fields += [tuple(map(all_of, field)) for _, field in rest if field is not None]
    return tuple(rc.union(list(reaches)) for reaches in zip(*fields, strict=True))


def input_intervals(shape: tuple, first: bool | None = None) -> ReceptiveIntervals:
    """The field of the input itself: (batch, height, width, channels), (batch, time, features) or (batch, samples)."""
    first = keras.config.image_data_format() == "channels_first" if first is None else first
    axes = [1] if len(shape) == 2 else range(2, len(shape)) if first and len(shape) > 3 else range(1, len(shape) - 1)
    return tuple(rc.input_interval(axis, shape[axis]) for axis in axes)
