"""Forward and backward passes over a model's graph as compiled functions, once per backend."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.graph.traversal import LayerCall, StopTraversal, functional_graph, traverse

ARGMAX, ALL_POSITIONS = -1, -2  # places of `aim`: the largest value, every value
Rule = Callable[[LayerCall], Callable | None]  # what runs in place of a step's operation; None for itself


def forward_to_layers(
    model: Any, x: Any, names: Sequence[str], rule: Rule | None = None, begin: str | None = None
) -> list[Any]:
    """The first outputs of some steps.

    Args:
        x: (batch, ...) the model's first input; with `begin`, the output of that step, and nothing below it is computed.
            Other inputs, and a step's other outputs, are the lengths of sequences: that of `x`.
        names: of steps; computation ends at the last. rule: other operations for some steps.
    """
    wanted, found = set(names), {}
    length = ops.full((ops.shape(x)[0],), ops.shape(x)[1], dtype="int32")
    graph = functional_graph(model)
    given: list[Any] = [None] * len(graph.inputs)
    if begin is None:
        given = [length] * len(graph.inputs)
        given[data_input_index(model)] = x

    def visit(step: LayerCall, arguments: tuple, keywords: dict) -> Any:
        if step.name == begin:
            outputs: Any = [x, *[length] * (len(step.outputs) - 1)]
        else:
            tensors = [v for v in keras.tree.flatten((arguments, keywords)) if v is not None]
            symbols = [t for t in keras.tree.flatten((arguments, keywords)) if ops.is_tensor(t)]
            if begin is not None and (not tensors or not symbols):
                return [None] * len(step.outputs)
            operation = (rule(step) if rule else None) or step.operation
            if getattr(operation, "_call_has_training_arg", False):
                # as `predict` does; random layers would change the picture by default
                keywords = keywords | {"training": False}
            outputs = operation(*arguments, **keywords)
        if step.name in wanted:
            found[step.name] = keras.tree.flatten(outputs)[0]
            if len(found) == len(wanted):
                raise StopTraversal
        return outputs

    traverse(model, given, visit)
    return [found[name] for name in names]


def data_input_index(model: Any) -> int:
    """Number of the input that is no length."""
    tensors = functional_graph(model).inputs
    return max(range(len(tensors)), key=lambda i: (len(tensors[i].shape), -i))


def value_and_vjp(function: Callable[[Any], Any], x: Any, seed: Callable[[Any], Any]) -> tuple[Any, Any]:
    """`y = function(x)` and the gradient of `sum(y * seed(y))` for `x`, the seed held constant."""
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

        y, back = jax.vjp(function, x)
        return y, back(jax.lax.stop_gradient(seed(y)))[0]
    if backend == "torch":
        import torch

        x = x.detach().requires_grad_(True)
        with torch.enable_grad():
            y = function(x)
        if not y.requires_grad:
            return y, torch.zeros_like(x)
        found = torch.autograd.grad(y, x, seed(y.detach()), allow_unused=True)[0]
        return y.detach(), torch.zeros_like(x) if found is None else found
    raise NotImplementedError(f"gradients on the backend {backend}")


def compile_function(model: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(*tensors) -> tensors` as a function of numpy arrays; the model's weights of the moment are used."""
    backend = keras.config.backend()
    arrays = lambda found: keras.tree.map_structure(ops.convert_to_numpy, found)  # noqa: E731
    if backend == "tensorflow":
        import tensorflow as tf

        traced = tf.function(function, autograph=False)
        graphs: dict[tuple, Any] = {}

        def run_graph(*x):
            tensors = [tf.constant(v) for v in x]
            key = tuple((t.shape, t.dtype) for t in tensors)
            if key not in graphs:
                graphs[key] = traced.get_concrete_function(*tensors)
            return arrays(graphs[key](*tensors))

        return run_graph
    if backend == "jax":
        import jax

        variables = list(model.variables)

        def stateless(values, *x):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function(*x)

        jitted = jax.jit(stateless)
        return lambda *x: arrays(jitted([v.value for v in variables], *x))
    if backend == "torch":
        import torch

        def plain(*x):
            with torch.no_grad():
                return arrays(function(*(ops.convert_to_tensor(v) for v in x)))

        return plain
    return lambda *x: arrays(function(*(ops.convert_to_tensor(v) for v in x)))


def make_layer_forward(model: Any, names: Sequence[str]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Inputs (batch, ...) -> the outputs of the steps, numpy float32."""
    return compile_function(model, lambda x: [ops.cast(y, "float32") for y in forward_to_layers(model, x, names)])


def select_unit(y: Any, channel: Any, place: Any, axis: int) -> tuple[Any, Any, Any]:
    """Where in a layer's output `y` each item's unit is.

    Args:
        y: (batch, ...). channel, place: (batch,) int32, the map and the flat index of its place, `STRONGEST` or `ALL`.
        axis: of the maps: -1 or 1.

    Returns:
        The unit's value, or the sum over its places, (batch,); the flat index of the place (batch,); 1 at the unit and 0
        elsewhere, in `y`'s shape.
    """
    last = y if axis == -1 else ops.moveaxis(y, axis, -1)
    batch, maps = ops.shape(last)[0], last.shape[-1]
    flat = ops.reshape(last, (batch, -1, maps))
    places = ops.shape(flat)[1]
    chosen = ops.one_hot(channel, maps, dtype=y.dtype)  # (batch, maps)
    values = ops.sum(flat * chosen[:, None, :], axis=-1)  # (batch, places)
    index = ops.where(place >= 0, place, ops.cast(ops.argmax(values, axis=1), "int32"))
    mask = ops.cast(ops.arange(places, dtype="int32")[None, :] == index[:, None], y.dtype)
    mask = ops.where((place == ALL_POSITIONS)[:, None], ops.ones_like(mask), mask)
    seed = ops.reshape(mask[:, :, None] * chosen[:, None, :], ops.shape(last))
    return ops.sum(values * mask, axis=1), index, seed if axis == -1 else ops.moveaxis(seed, -1, axis)


def ravel_position(place: Any, sizes: Sequence[int]) -> int:
    """A unit's place as `aim` takes it."""
    if place is None:
        return ARGMAX
    if place == "all":
        return ALL_POSITIONS
    return int(np.ravel_multi_index(place, tuple(sizes))) if len(place) else 0
