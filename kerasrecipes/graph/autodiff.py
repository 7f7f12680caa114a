"""Forward and backward passes over a model's graph as compiled functions of numpy arrays, on every backend."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.graph.traversal import LayerCall, StopTraversal, functional_graph, traverse
from kerasrecipes.utils.backend_process import check_backend_process

ARGMAX, ALL_POSITIONS = -1, -2  # positions of `select_unit`: that of the largest value, all
Rule = Callable[[LayerCall], Callable | None]  # replacement of a call's operation, None for the operation itself


def forward_to_layers(
    model: Any, x: Any, names: Sequence[str], rule: Rule | None = None, from_layer: str | None = None
) -> list[Any]:
    """Compute the first outputs of layers.

    Args:
        model: Functional or Sequential model.
        x: (batch, ...) first input of the model, or with `from_layer` the output of that layer. Other inputs are filled with
            the length of `x`.
        names: Names of the layers. Computation ends at the last of them.
        rule: Replacements of operations.
        from_layer: Layer whose output is `x`; no layer before it is computed.
    """
    results: dict[str, Any] = {}
    length = ops.full((ops.shape(x)[0],), ops.shape(x)[1], dtype="int32")
    graph = functional_graph(model)
    inputs: list[Any] = [None] * len(graph.inputs)
    if from_layer is None:
        inputs = [length] * len(graph.inputs)
        inputs[data_input_index(model)] = x

    def visit(call: LayerCall, arguments: tuple, keywords: dict) -> Any:
        if call.name == from_layer:
            outputs: Any = [x, *[length] * (len(call.outputs) - 1)]
        else:
            if from_layer is not None and not any(map(ops.is_tensor, keras.tree.flatten((arguments, keywords)))):
                return [None] * len(call.outputs)
            operation = (rule(call) if rule else None) or call.operation
            if getattr(operation, "_call_has_training_arg", False):
                # as `predict` does: random layers would change the image by default
                keywords = keywords | {"training": False}
            outputs = operation(*arguments, **keywords)
        if call.name in names:
            results[call.name] = keras.tree.flatten(outputs)[0]
            if len(results) == len(set(names)):
                raise StopTraversal
        return outputs

    traverse(model, inputs, visit)
    return [results[name] for name in names]


def data_input_index(model: Any) -> int:
    """Return the index of the input that holds data, not lengths."""
    tensors = functional_graph(model).inputs
    return max(range(len(tensors)), key=lambda i: (len(tensors[i].shape), -i))


def value_and_vjp(function: Callable[[Any], Any], x: Any, seed: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Compute `y = function(x)` and the gradient of `sum(y * seed(y))` for `x` with a constant seed."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        gradient = tape.gradient(y, x, output_gradients=tf.stop_gradient(seed(y)), unconnected_gradients="zero")
        return y, gradient
    if backend == "jax":
        import jax

        y, vjp = jax.vjp(function, x)
        return y, vjp(jax.lax.stop_gradient(seed(y)))[0]
    if backend == "torch":
        import torch

        x = x.detach().requires_grad_(True)
        with torch.enable_grad():
            y = function(x)
        if not y.requires_grad:
            return y, torch.zeros_like(x)
        gradient = torch.autograd.grad(y, x, seed(y.detach()), allow_unused=True)[0]
        return y.detach(), torch.zeros_like(x) if gradient is None else gradient
    raise NotImplementedError(f"gradients on the backend {backend}")


def compile_function(model: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function(*tensors) -> tensors` to a function of numpy arrays that uses the model's current weights.

    It raises a `KerasRecipesError` in a process that was forked after a model was built, where the backend would not answer.
    """
    compiled = compile_for_backend(model, function)

    def run(*x: Any) -> Any:
        check_backend_process()
        return compiled(*x)

    return run


def compile_for_backend(model: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of `compile_function` for the current backend."""
    backend = keras.config.backend()

    def to_numpy(outputs: Any) -> Any:
        return keras.tree.map_structure(ops.convert_to_numpy, outputs)

    if backend == "tensorflow":
        import tensorflow as tf

        traced = tf.function(function, autograph=False)
        graphs: dict[tuple, Any] = {}

        def run_graph(*x):
            tensors = [tf.constant(v) for v in x]
            key = tuple((t.shape, t.dtype) for t in tensors)
            if key not in graphs:
                graphs[key] = traced.get_concrete_function(*tensors)
            return to_numpy(graphs[key](*tensors))

        return run_graph
    if backend == "jax":
        import jax

        variables = list(model.variables)

        def run_stateless(values, *x):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function(*x)

        jitted = jax.jit(run_stateless)
        return lambda *x: to_numpy(jitted([v.value for v in variables], *x))
    if backend == "torch":
        import torch

        def run_eagerly(*x):
            with torch.no_grad():
                return to_numpy(function(*(ops.convert_to_tensor(v) for v in x)))

        return run_eagerly
    return lambda *x: to_numpy(function(*(ops.convert_to_tensor(v) for v in x)))


def make_layer_forward(model: Any, names: Sequence[str]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return a function from inputs (batch, ...) to the layers' outputs, numpy float32."""
    return compile_function(model, lambda x: [ops.cast(y, "float32") for y in forward_to_layers(model, x, names)])


def select_unit(y: Any, channel: Any, position: Any, axis: int) -> tuple[Any, Any, Any]:
    """Return the activation, flat position and one-hot mask of the selected unit of each item.

    Args:
        y: (batch, ...) output of a layer.
        channel: (batch,) int32 channels.
        position: (batch,) int32 flat positions, `ARGMAX` or `ALL_POSITIONS`.
        axis: Channel axis, -1 or 1.

    Returns:
        Activations (batch,), the sum over positions for `ALL_POSITIONS`; flat positions (batch,); masks in the shape of `y`.
    """
    last = y if axis == -1 else ops.moveaxis(y, axis, -1)
    batch, num_channels = ops.shape(last)[0], last.shape[-1]
    flat = ops.reshape(last, (batch, -1, num_channels))
    channel_mask = ops.one_hot(channel, num_channels, dtype=y.dtype)  # (batch, channels)
    values = ops.sum(flat * channel_mask[:, None, :], axis=-1)  # (batch, positions)
    index = ops.where(position >= 0, position, ops.cast(ops.argmax(values, axis=1), "int32"))
    mask = ops.cast(ops.arange(ops.shape(flat)[1], dtype="int32")[None, :] == index[:, None], y.dtype)
    mask = ops.where((position == ALL_POSITIONS)[:, None], ops.ones_like(mask), mask)
    unit_mask = ops.reshape(mask[:, :, None] * channel_mask[:, None, :], ops.shape(last))
    return ops.sum(values * mask, axis=1), index, unit_mask if axis == -1 else ops.moveaxis(unit_mask, -1, axis)


def ravel_position(position: Any, sizes: Sequence[int]) -> int:
    """Return a unit's position as `select_unit` takes it."""
    if position is None:
        return ARGMAX
    if position == "all":
        return ALL_POSITIONS
    return int(np.ravel_multi_index(position, tuple(sizes))) if len(position) else 0
