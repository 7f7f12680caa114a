"""Grad-CAM: the maps of a convolution, weighted by their mean gradient (Selvaraju et al., arXiv 1610.02391)."""

import functools
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import compile_function, forward_to_layers, select_unit, value_and_vjp
from kerasrecipes.graph.backward_rules import NORMALIZATION_LAYERS, is_relu
from kerasrecipes.graph.traversal import LayerCall, calls_before, layer_calls
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call
from kerasrecipes.visualize.attribution import AttributionTarget, prepare_target


def compute_grad_cam(model: Any, source: Any, unit: str | Unit, *, layer: str | None = None, **options: Any) -> Any:
    """Compute the Grad-CAM of a unit: which places of the input have the features that raise its activation.

    The maps of a convolution are added with the mean of their gradient over all positions as weight. Negative sums become zero.
    The map is enlarged to the input bilinearly. A 1D convolution has one value for each time, so all bands of a frame have it.

    Args:
        model: See `prepare_target`.
        source: An image, or audio for a speech recognizer.
        unit: "scores:tabby", "logits:e@37" or "transcript:4", see `prepare_target`.
        layer: Layer of the maps. Default: the last convolution before the unit, after its normalization and ReLU.
        **options: `sample_rate`, `from_layer` and `value_range` of `prepare_target`.

    Returns:
        `Attribution` for an image, `AudioSaliency` for speech.

    Raises:
        KerasRecipesError: There is no such unit or layer, or no convolution before the unit.

    Example:
        >>> compute_grad_cam(kerasrecipes.load("squeezenet"), "cat.png", "scores:tabby").save("grad_cam.png")
    """
    target = prepare_target(model, source, unit, **options)
    return target.result("Grad-CAM", grad_cam_values(target, layer))


def grad_cam_values(target: AttributionTarget, layer: str | None = None) -> np.ndarray:
    """Return the map of a target in the shape of its input, for images with one channel."""
    name = layer or last_convolution(target.model, target.unit.layer)
    axis = channel_axis(find_layer_call(target.model, name))
    maps, gradient = (np.moveaxis(v, axis, -1)[0] for v in layer_gradient(target, name))
    if maps.ndim < 2:
        raise KerasRecipesError(f"{name} has no positions, so it has no map: name a convolution (layer=...)")
    weights = gradient.reshape(-1, gradient.shape[-1]).mean(0)
    cam = np.maximum(maps @ weights, 0)
    shape = target.inputs.shape[1:]
    for dimension in range(min(cam.ndim, 2 if target.is_image else len(shape))):
        matrix = interpolation_matrix(cam.shape[dimension], shape[dimension])
        cam = np.moveaxis(np.tensordot(matrix, cam, (1, dimension)), 0, dimension)
    if target.is_image:
        return cam[..., None].astype("float32")
    return np.broadcast_to(cam.reshape(*cam.shape, *[1] * (len(shape) - cam.ndim)), shape).astype("float32")


def layer_gradient(target: AttributionTarget, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the output of a layer and the gradient of the target's activation for it, both (1, ...)."""
    model, unit, origin = target.model, target.unit, target.from_layer
    between = {c.name for c in calls_before(model, unit.layer, lambda c: c.name == origin)} - {unit.layer, origin}
    if name not in between:
        raise KerasRecipesError(f"The maps of {name} do not lead to {unit.layer}: name a layer before it (layer=...)")
    axis = channel_axis(find_layer_call(model, unit.layer))
    (maps,) = compile_function(model, lambda x: forward_to_layers(model, x, [name], None, origin))(target.inputs)

    def run_backward(change: Any, x: Any, channel: Any, position: Any) -> Any:
        def forward(value: Any) -> Any:
            def add_value(call: LayerCall) -> Any:
                return functools.partial(_apply_and_add, value, call.operation) if call.name == name else None

            return forward_to_layers(model, x, [unit.layer], add_value, origin)[0]

        return value_and_vjp(forward, change, lambda y: select_unit(y, channel, position, axis)[2])[1]

    run = compile_function(model, run_backward)
    channel, position = (np.array([v], "int32") for v in (unit.channel, target.position))
    return np.asarray(maps, "float32"), run(np.zeros_like(maps, "float32"), target.inputs, channel, position)


def _apply_and_add(value: Any, operation: Any, *arguments: Any, **keywords: Any) -> Any:
    """Apply a layer and add `value` to its first output."""
    if getattr(operation, "_call_has_training_arg", False):
        keywords = keywords | {"training": False}
    outputs = operation(*arguments, **keywords)
    if isinstance(outputs, list | tuple):
        return type(outputs)([outputs[0] + ops.cast(value, outputs[0].dtype), *outputs[1:]])
    return outputs + ops.cast(value, outputs.dtype)


def last_convolution(model: Any, layer: str) -> str:
    """Return the name of the last convolution before a layer, or of the normalization and ReLU that follow it directly."""
    before = {c.name for c in calls_before(model, layer)} - {layer}
    calls = [c for c in layer_calls(model) if c.name in before]
    numbers = [i for i, c in enumerate(calls) if "Conv" in c.kind and getattr(c.operation, "weights", [])]
    if not numbers:
        raise KerasRecipesError(f"{model.name} has no convolution before {layer}: name a layer with positions (layer=...)")
    last = numbers[-1]
    while last + 1 < len(calls) and (
        calls[last + 1].kind in NORMALIZATION_LAYERS or is_relu(calls[last + 1].operation) or calls[last + 1].kind == "Concatenate"
    ):
        last += 1
    return calls[last].name


@functools.cache
def interpolation_matrix(size: int, new_size: int) -> np.ndarray:
    """Return the (new_size, size) matrix of linear interpolation between the centers of `size` equal cells.

    Values beyond the first and the last center are theirs, as in `torch.nn.functional.interpolate` without `align_corners`.
    """
    centers = np.clip((np.arange(new_size) + 0.5) * size / new_size - 0.5, 0, size - 1)
    low = np.minimum(centers.astype(int), max(size - 2, 0))
    matrix = np.zeros((new_size, size))
    rows = np.arange(new_size)
    matrix[rows, low] += 1 - (centers - low)
    matrix[rows, np.minimum(low + 1, size - 1)] += centers - low
    return matrix
