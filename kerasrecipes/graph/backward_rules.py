"""Backward rules of the deconvnet (arXiv 1311.2901, section 2.1) and guided backpropagation (1412.6806).

They replace operations during traversal; the model itself is not changed.

| layer | gradient | guided | deconv |
| --- | --- | --- | --- |
| ReLU | g * 1[x > 0] | max(g, 0) * 1[x > 0] | max(g, 0) |
| max pooling | to the position of the maximum (switch), the first of equal ones | same | same; windows with a common switch add |
| normalization | its gradient | its gradient | g, unchanged |
| convolution, dense | transposed filters, no bias | same | same |
| average pooling, all others | its gradient | its gradient | its gradient |
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.traversal import LayerCall, calls_before

METHODS = ("gradient", "guided", "deconv")
RELU_LAYERS = frozenset(("ReLU", "Relu", "Relu6", "ReLU6"))
RELU_FUNCTIONS = frozenset(("relu", "relu6"))
_NORMALIZATIONS = """BatchNormalization LayerNormalization GroupNormalization RMSNormalization UnitNormalization LocalResponseNormalization
    SpatialResponseNormalization MaskedBatchNormalization UtteranceStandardization UtteranceNormalization UtterancePowerNormalization"""
NORMALIZATION_LAYERS = frozenset(_NORMALIZATIONS.split())
MAX_POOLING_LAYERS = frozenset(["MaxPool", *(f"{k}MaxPooling{n}D" for k in ("", "Global") for n in (1, 2, 3))])
UNSUPPORTED_POOLING = frozenset(("Max", "Amax", "TopK"))


def backward_rule(method: str) -> Callable[[LayerCall], Callable | None]:
    """Return the rule that replaces operations for a method. It returns None for operations that stay."""
    if method not in METHODS:
        raise KerasRecipesError(f"There is no method {method!r}; there are {', '.join(METHODS)}")
    if method == "gradient":
        return lambda call: None
    deconv = method == "deconv"

    def rule(call: LayerCall) -> Callable | None:
        operation, kind = call.operation, call.kind
        if is_relu(operation):
            return lambda x, *a, **k: rectified_backward(lambda v: operation(v, *a, **k), x, deconv)
        function = fused_activation(operation)
        if function is not None:
            linear = copy_layer(operation, activation=keras.activations.linear)
            return lambda *a, **k: rectified_backward(function, linear(*a, **k), deconv)
        if deconv and kind in NORMALIZATION_LAYERS:
            return lambda x, *a, **k: identity_gradient(operation, x, *a, **k)
        if deconv and kind.startswith("GlobalMaxPooling"):
            return lambda x: max_pool_with_switches(operation, x)
        return None

    return rule


def is_relu(operation: Any) -> bool:
    """Return whether a layer or operation is a ReLU and nothing else."""
    kind = type(operation).__name__
    if kind == "Activation":
        return getattr(operation.activation, "__name__", "") in RELU_FUNCTIONS
    return (
        kind in RELU_LAYERS and not getattr(operation, "negative_slope", 0) and not getattr(operation, "threshold", 0)
    )


def fused_activation(operation: Any) -> Callable | None:
    """Return the ReLU that a convolution or dense layer ends with, if any."""
    function = getattr(operation, "activation", None)
    if type(operation).__name__ == "Activation" or not hasattr(operation, "kernel"):
        return None
    return function if getattr(function, "__name__", "") in RELU_FUNCTIONS else None


def copy_layer(layer: Any, **attributes: Any) -> Any:
    """Return a second layer object with the same weights and other attributes."""
    other = object.__new__(type(layer))
    other.__dict__.update(layer.__dict__)
    other.__dict__.update(attributes)
    return other


@ops.custom_gradient
def relu_gradient(x: Any) -> Any:
    """Return `x`. Only the positive part of the gradient passes backward."""

    def backward(*arguments: Any, upstream: Any = None) -> Any:
        return ops.relu(arguments[0] if upstream is None else upstream)

    return ops.convert_to_tensor(x) * 1, backward


def rectified_backward(function: Callable, x: Any, deconv: bool) -> Any:
    """Apply a ReLU whose gradient is rectified and, unless `deconv`, masked by the forward signal."""
    return relu_gradient(straight_through(function(x), x) if deconv else function(x))


def straight_through(y: Any, x: Any) -> Any:
    """Return the value of `y` with the gradient of `x`."""
    return ops.stop_gradient(y) + (x - ops.stop_gradient(x))


def identity_gradient(operation: Any, x: Any, *arguments: Any, **keywords: Any) -> Any:
    """Apply a normalization that passes the gradient unchanged."""
    outputs = operation(x, *arguments, **keywords)
    if isinstance(outputs, list | tuple):
        return (straight_through(outputs[0], x), *outputs[1:])
    return straight_through(outputs, x)


def max_pool_with_switches(operation: Any, x: Any) -> Any:
    """Apply global max pooling whose whole gradient goes to the first maximum."""
    first = operation.data_format == "channels_first"
    flat = ops.reshape(x, (*ops.shape(x)[:2], -1)) if first else ops.reshape(x, (ops.shape(x)[0], -1, ops.shape(x)[-1]))
    axis = 2 if first else 1
    switch = ops.expand_dims(ops.argmax(flat, axis=axis), axis)
    maxima = ops.squeeze(ops.take_along_axis(flat, switch, axis=axis), axis)
    if operation.keepdims:
        for _ in range(len(x.shape) - 2):
            maxima = ops.expand_dims(maxima, axis)
    return maxima


def check_switches(model: Any, layer: str) -> None:
    """Check that every pooling layer below `layer` has switches."""
    for call in calls_before(model, layer):
        pools = "Pool" in call.kind and "Average" not in call.kind
        if (pools and call.kind not in MAX_POOLING_LAYERS) or call.kind in UNSUPPORTED_POOLING:
            raise KerasRecipesError(
                f"A deconvnet needs the position of each maximum, and {call.name} ({call.kind}) does not store it: build the model "
                f"from {', '.join(sorted(MAX_POOLING_LAYERS))}, or use the methods gradient or guided"
            )


def bypass_last_relu(model: Any, layer: str) -> Callable[[LayerCall], Callable | None]:
    """Return a rule under which the last ReLU layers below `layer` pass the whole gradient, with unchanged values.

    Gradient ascent can then raise an inactive unit, by its value before the ReLU.
    """

    def ends_with_relu(call: LayerCall) -> bool:
        return is_relu(call.operation) or fused_activation(call.operation) is not None

    calls = calls_before(model, layer, lambda c: ends_with_relu(c) or bool(getattr(c.operation, "weights", [])))
    last = {call.name for call in calls if ends_with_relu(call)}

    def rule(call: LayerCall) -> Callable | None:
        if call.name not in last:
            return None
        operation, function = call.operation, fused_activation(call.operation)
        if function is None:
            return lambda x, *a, **k: straight_through(operation(x, *a, **k), x)
        linear = copy_layer(operation, activation=keras.activations.linear)

        def apply_bypassed(*arguments: Any, **keywords: Any) -> Any:
            x = linear(*arguments, **keywords)
            return straight_through(function(x), x)

        return apply_bypassed

    return rule
