"""Receptive intervals through any layer call: merges, attention and normalization here, other layers by `receptive_rules`."""

from typing import Any

import keras

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph import receptive_interval as rc
from kerasrecipes.graph.receptive_interval import ReceptiveInterval
from kerasrecipes.graph.receptive_rules import LAYER_RULES, REDUCTIONS, ReceptiveIntervals
from kerasrecipes.graph.traversal import LayerCall

_POINTWISE = """Activation ReLU LeakyReLU PReLU ELU Softmax Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D
    AlphaDropout GaussianDropout GaussianNoise ActivityRegularization Identity BatchNormalization Rescaling Normalization
    SubtractChannelMeans LocalResponseNormalization UnitNormalization RMSNormalization SequenceMask MuLaw Masking Embedding Discretization
    Relu Relu6 Silu Gelu Elu Selu Sigmoid Tanh Softplus Softsign HardSigmoid HardSilu HardTanh LogSigmoid Negative Absolute Square
    Sqrt Rsqrt Exp Log Log1p Clip Cast Sign Reciprocal Power Hardtanh"""
# active in training only: in inference they return their input
_AUGMENTATION = """RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomElasticTransform RandomErasing RandomFlip
    RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation
    RandomSharpness RandomShear RandomTranslation RandomZoom AugMix RandAugment"""
POINTWISE_LAYERS = frozenset(f"{_POINTWISE} {_AUGMENTATION}".split())
_MERGES = "Add Subtract Multiply Average Maximum Minimum Divide TrueDivide FloorDivide Where GreaterEqual Greater Less"
MERGE_LAYERS = frozenset(_MERGES.split())
ATTENTION = ("MultiHeadAttention", "GroupedQueryAttention")


def propagate(
    call: LayerCall, arguments: list[tuple[Any, ReceptiveIntervals | None]], outputs: list[Any]
) -> list[ReceptiveIntervals | None]:
    """Return the intervals of a call's outputs.

    Args:
        call: Layer call.
        arguments: Shape and intervals of each tensor argument; None for tensors without positions (lengths).
        outputs: Shapes of the outputs.

    Raises:
        KerasRecipesError: No rule exists for this class of layer.
    """
    inputs = [(shape, intervals) for shape, intervals in arguments if intervals is not None]
    if not inputs:
        return [None] * len(outputs)
    operation, kind = call.operation, call.kind
    shape, intervals = inputs[0]
    rules = REDUCTIONS if kind in REDUCTIONS and hasattr(operation, "axis") else LAYER_RULES
    if hasattr(operation, "geometry"):  # sequence layers: time is axis 1
        result = tuple(_sequence_layer(r, operation.geometry, outputs[0][1]) for r in intervals)
    elif kind in ATTENTION:
        result = _attention(operation, arguments)
    elif rules is LAYER_RULES and (kind in MERGE_LAYERS or (kind in POINTWISE_LAYERS and len(inputs) > 1)):
        result = _merge(inputs, outputs[0])
    elif rules is LAYER_RULES and kind in POINTWISE_LAYERS:
        result = intervals
    elif kind == "Concatenate":
        result = _concatenate(operation, inputs)
    elif kind in ("LayerNormalization", "GroupNormalization"):
        axes = operation.axis if kind == "LayerNormalization" else range(1, len(shape))
        axes = {a % len(shape) for a in (axes if isinstance(axes, list | tuple | range) else [axes])}
        result = tuple(rc.full_context(r) if r.axis in axes else r for r in intervals)
    elif kind in rules:
        result = tuple(rules[kind](operation, shape, r, outputs[0]) for r in intervals)
    else:
        supported = {*LAYER_RULES, *REDUCTIONS, *MERGE_LAYERS, *POINTWISE_LAYERS, *ATTENTION, "Concatenate"}
        raise KerasRecipesError(
            f"The receptive field of {call.name} ({kind}) and of the layers after it is not known; supported are "
            f"{', '.join(sorted(supported))}"
        )
    return [result, *[None] * (len(outputs) - 1)]


def _sequence_layer(r: ReceptiveInterval, geometry: Any, size: int) -> ReceptiveInterval:
    if r.axis != 1:
        return r
    if geometry.receptive_field is None:
        return rc.full_context(r)
    return rc.sliding_window(r, size, geometry.receptive_field, geometry.stride, 1, geometry.left)


def _merge(inputs: list[tuple[Any, ReceptiveIntervals]], output: Any) -> ReceptiveIntervals:
    """Merge inputs whose axes are aligned from the last, as broadcasting does."""
    results = []
    for number in range(len(inputs[0][1])):
        aligned = []
        for shape, intervals in inputs:
            r = intervals[number]
            axis = None if r.axis is None else r.axis + len(output) - len(shape)
            if axis is not None and shape[r.axis] == 1 != output[axis]:
                axis = None
            aligned.append(ReceptiveInterval(axis, r.low, r.high, r.span, r.stride))
        results.append(rc.union(aligned))
    return tuple(results)


def _concatenate(operation: Any, inputs: list[tuple[Any, ReceptiveIntervals]]) -> ReceptiveIntervals:
    axis = operation.axis % len(inputs[0][0])
    columns = ([intervals[i] for _, intervals in inputs] for i in range(len(inputs[0][1])))
    return tuple(rc.concatenate(c) if any(r.axis == axis for r in c) else rc.union(c) for c in columns)


def _attention(operation: Any, arguments: list[tuple[Any, ReceptiveIntervals | None]]) -> ReceptiveIntervals:
    """Each query position depends on itself and on everything that it attends to (key, value, masks)."""
    (shape, query), *rest = arguments
    attended = getattr(operation, "_attention_axes", None) or range(1, len(shape) - 1)

    def pool(r: ReceptiveInterval) -> ReceptiveInterval:
        return rc.global_pool(r) if r.axis in attended or r.axis == len(shape) - 1 else r

    def pool_features(r: ReceptiveInterval) -> ReceptiveInterval:
        return rc.global_pool(r) if r.axis == len(shape) - 1 else r

    inputs = [tuple(map(pool_features, query))] if query is not None else []
    inputs += [tuple(map(pool, intervals)) for _, intervals in rest if intervals is not None]
    return tuple(rc.union(list(column)) for column in zip(*inputs, strict=True))


def input_intervals(shape: tuple, channels_first: bool | None = None) -> ReceptiveIntervals:
    """Return the intervals of an input: (batch, height, width, channels), (batch, time, features) or (batch, samples)."""
    first = keras.config.image_data_format() == "channels_first" if channels_first is None else channels_first
    axes = [1] if len(shape) == 2 else range(2, len(shape)) if first and len(shape) > 3 else range(1, len(shape) - 1)
    return tuple(rc.input_interval(axis, shape[axis]) for axis in axes)
