"""Backward rules: what the deconvnet (arXiv 1311.2901, section 2.1) and guided backpropagation (1412.6806) do differently
from the gradient, layer by layer; the model itself is not touched.

| layer | gradient | guided | deconv |
| --- | --- | --- | --- |
| rectifier | g * 1[x > 0] | max(g, 0) * 1[x > 0] | max(g, 0) |
| max pooling | to the largest (the switch), the first where several are | same | same; windows that share a switch add |
| normalisation | its gradient | its gradient | g, as it is |
| convolution, dense | transposed filters, no bias | same | same |
| average pooling, all else | its gradient | its gradient | its gradient |
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.traversal import LayerCall, layer_edges

METHODS = ("gradient", "guided", "deconv")
RECTIFIERS = frozenset(("ReLU", "Relu", "Relu6", "ReLU6", "ClippedReLU"))
FUNCTIONS = frozenset(("relu", "relu6"))
_NORMALISATIONS = """BatchNormalization LayerNormalization GroupNormalization RMSNormalization UnitNormalization LocalResponseNormalization
    SequenceBatchNormalization SequenceStandardization UtteranceNormalization PowerNormalization"""
NORMALISATIONS = frozenset(_NORMALISATIONS.split())
MAX_POOLING_LAYERS = frozenset(
    (
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
        "MaxPool",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
    )
)
UNSUPPORTED_POOLING = frozenset(("Max", "Amax", "TopK"))


def backward_rule(method: str) -> Callable[[LayerCall], Callable | None]:
    """What runs in place of each step's operation; None for the operation itself.

    Raises:
        KerasRecipesError: no such method.
    """
    if method not in METHODS:
        raise KerasRecipesError(f"There is no method {method!r}; there are {', '.join(METHODS)}")
    if method == "gradient":
        return lambda step: None
    deconv = method == "deconv"

    def rule(step: LayerCall) -> Callable | None:
        operation, kind = step.operation, step.kind
        if is_rectifier(operation):
            return lambda x, *a, **k: rectified_backward(lambda v: operation(v, *a, **k), x, deconv)
        function = fused_activation(operation)
        if function is not None:
            plain = copy_layer(operation, activation=keras.activations.linear)
            return lambda *a, **k: rectified_backward(function, plain(*a, **k), deconv)
        if deconv and kind in NORMALISATIONS:
            return lambda x, *a, **k: identity_gradient(operation, x, *a, **k)
        if deconv and kind.startswith("GlobalMaxPooling"):
            return lambda x: max_pool_with_switches(operation, x)
        return None

    return rule


def is_rectifier(operation: Any) -> bool:
    """A layer or operation that is a rectifier and nothing else."""
    kind = type(operation).__name__
    if kind == "Activation":
        return getattr(operation.activation, "__name__", "") in FUNCTIONS
    return kind in RECTIFIERS and not getattr(operation, "negative_slope", 0) and not getattr(operation, "threshold", 0)


def fused_activation(operation: Any) -> Callable | None:
    """The rectifier that a convolution or dense layer ends with, if any."""
    function = getattr(operation, "activation", None)
    if type(operation).__name__ == "Activation" or not hasattr(operation, "kernel"):
        return None
    return function if getattr(function, "__name__", "") in FUNCTIONS else None


def copy_layer(layer: Any, **attributes: Any) -> Any:
    """A second layer object with the same weights and other attributes."""
    other = object.__new__(type(layer))
    other.__dict__.update(layer.__dict__)
    other.__dict__.update(attributes)
    return other


@ops.custom_gradient
def relu_gradient(x: Any) -> Any:
    """`x`; backward, only what is positive."""

    def backward(*arguments: Any, upstream: Any = None) -> Any:
        return ops.relu(arguments[0] if upstream is None else upstream)

    return ops.convert_to_tensor(x) * 1, backward


def rectified_backward(function: Callable, x: Any, deconv: bool) -> Any:
    """A rectifier whose backward signal is rectified, and masked by the forward signal unless `deconv`."""
    return relu_gradient(straight_through(function(x), x) if deconv else function(x))


def straight_through(y: Any, x: Any) -> Any:
    """The value of `y`, the gradient of `x`."""
    return ops.stop_gradient(y) + (x - ops.stop_gradient(x))


def identity_gradient(operation: Any, x: Any, *arguments: Any, **keywords: Any) -> Any:
    """A normalisation whose backward signal is left as it is."""
    found = operation(x, *arguments, **keywords)
    if isinstance(found, list | tuple):
        return (straight_through(found[0], x), *found[1:])
    return straight_through(found, x)


def max_pool_with_switches(operation: Any, x: Any) -> Any:
    """Global max pooling that sends everything back to the first of the largest."""
    first = operation.data_format == "channels_first"
    flat = ops.reshape(x, (*ops.shape(x)[:2], -1)) if first else ops.reshape(x, (ops.shape(x)[0], -1, ops.shape(x)[-1]))
    axis = 2 if first else 1
    switch = ops.expand_dims(ops.argmax(flat, axis=axis), axis)
    found = ops.squeeze(ops.take_along_axis(flat, switch, axis=axis), axis)
    if operation.keepdims:
        for _ in range(len(x.shape) - 2):
            found = ops.expand_dims(found, axis)
    return found


def check_switches(model: Any, layer: str) -> None:
    """Refuse a deconvnet through a pooling that keeps no switches.

    Raises:
        KerasRecipesError: there is one below `layer`.
    """
    links = {step.name: (step, inputs) for step, inputs in layer_edges(model)}
    waiting, seen = [layer], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in links:
            continue
        seen.add(name)
        step, inputs = links[name]
        waiting += inputs
        pools = "Pool" in step.kind and "Average" not in step.kind
        if (pools and step.kind not in MAX_POOLING_LAYERS) or step.kind in UNSUPPORTED_POOLING:
            raise KerasRecipesError(
                f"A deconvnet needs the place of each largest value, and {name} ({step.kind}) does not keep it: build it "
                f"from {', '.join(sorted(MAX_POOLING_LAYERS))}, or use the methods gradient or guided"
            )


def bypass_last_relu(model: Any, layer: str) -> Callable[[LayerCall], Callable | None]:
    """A rule under which the last rectifiers below `layer` pass the gradient: a unit that is off can then be climbed, by
    its value before the rectifier. The values stay as they are."""
    links = {step.name: (step, inputs) for step, inputs in layer_edges(model)}
    waiting, last = [layer], set()
    while waiting:
        name = waiting.pop()
        if name not in links or name in last:
            continue
        step, inputs = links[name]
        if is_rectifier(step.operation) or fused_activation(step.operation) is not None:
            last.add(name)
        elif not getattr(step.operation, "weights", []):
            waiting += inputs

    def rule(step: LayerCall) -> Callable | None:
        if step.name not in last:
            return None
        operation, function = step.operation, fused_activation(step.operation)
        if function is None:
            return lambda x, *a, **k: straight_through(operation(x, *a, **k), x)
        plain = copy_layer(operation, activation=keras.activations.linear)

        def opened(*arguments: Any, **keywords: Any) -> Any:
            x = plain(*arguments, **keywords)
            return straight_through(function(x), x)

        return opened

    return rule
