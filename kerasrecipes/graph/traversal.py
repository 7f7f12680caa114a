"""Traversal of a functional model, one layer call at a time.

Modified forward passes, shape inference and receptive fields are all visitors of `traverse`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from kerasrecipes.errors import KerasRecipesError


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer or operation."""

    name: str  # of the layer; inside a nested model "outer/inner", at a layer's second call "name#2"
    operation: Any  # layer or Keras operation
    outputs: tuple[Any, ...]  # symbolic outputs

    @property
    def kind(self) -> str:
        """Class name of the operation. `FastConv2D` and the like count as the Keras layers that they subclass."""
        return type(self.operation).__name__.removeprefix("Fast")


class StopTraversal(Exception):
    """Raised by a visitor that does not need the remaining layers."""


def functional_graph_or_none(model: Any) -> Any:
    """Return a model's functional graph, or None for a layer and for a subclassed model."""
    if isinstance(model, keras.Sequential):
        if not model.built or getattr(model, "_functional", None) is None:
            return None
        return model._functional
    return model if isinstance(model, keras.Model) and hasattr(model, "_nodes_by_depth") else None


def functional_graph(model: Any) -> Any:
    """Return a model's functional graph.

    Raises:
        KerasRecipesError: The model has no graph.
    """
    graph = functional_graph_or_none(model)
    if graph is None:
        raise KerasRecipesError(
            f"{getattr(model, 'name', model)} has no graph of layers: it must be a functional or a built Sequential "
            "keras.Model (a subclassed model with its own call() is one opaque layer)"
        )
    return graph


def ordered_nodes(graph: Any) -> Iterator[Any]:
    """Yield the graph's nodes in the order of computation, without the inputs."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from (node for node in graph._nodes_by_depth[depth] if node.operation and not node.is_input)


def traverse(model: Any, inputs: Any, visit: Callable[[LayerCall, tuple, dict], Any], scope: str = "") -> Any:
    """Run through the graph, including nested models, with any values in place of tensors.

    Args:
        model: Functional or Sequential model.
        inputs: One value for each input of the model, in any structure.
        visit: Function from (layer call, positional arguments, keyword arguments) to the outputs of the call. It may raise
            `StopTraversal`.
        scope: Prefix of the names.

    Returns:
        List of the values of the outputs, or None if `visit` raised `StopTraversal`.
    """
    try:
        return _traverse(functional_graph(model), inputs, visit, scope)
    except StopTraversal:
        if scope:
            raise
        return None


def _traverse(graph: Any, inputs: Any, visit: Callable, scope: str) -> list[Any]:
    flat = inputs if isinstance(inputs, list) else keras.tree.flatten(inputs)
    values = {id(tensor): value for tensor, value in zip(graph.inputs, flat, strict=True)}
    num_calls: dict[int, int] = {}
    for node in ordered_nodes(graph):
        operation = node.operation
        num_calls[id(operation)] = number = num_calls.get(id(operation), 0) + 1
        name = f"{scope}{operation.name}" + (f"#{number}" if number > 1 else "")
        arguments, keywords = node.arguments.fill_in(values)
        inner = functional_graph_or_none(operation)
        if inner is not None:
            inner_inputs = keras.tree.flatten(arguments[0]) if len(arguments) == 1 else list(arguments)
            outputs = _traverse(inner, inner_inputs, visit, f"{name}/")
        else:
            outputs = visit(LayerCall(name, operation, tuple(node.outputs)), arguments, keywords)
            if len(node.outputs) == 1:
                outputs = [outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs]
            else:
                outputs = list(outputs) if isinstance(outputs, list | tuple) else keras.tree.flatten(outputs)
        for tensor, value in zip(node.outputs, outputs, strict=True):
            values[id(tensor)] = value
    return [values[id(tensor)] for tensor in graph.outputs]


def shape_visitor(call: LayerCall, arguments: tuple, keywords: dict) -> Any:
    """Visitor that infers shapes and dtypes (`KerasTensor`) without computing or changing the model."""
    try:
        return call.operation.compute_output_spec(*arguments, **keywords)
    except ValueError as error:
        shapes = [tuple(v.shape) for v in keras.tree.flatten((arguments, keywords)) if hasattr(v, "shape")]
        raise KerasRecipesError(
            f"{call.name} ({call.kind}) cannot take {', '.join(map(str, shapes))}: give the model an input of another size"
        ) from error


def layer_calls(model: Any) -> list[LayerCall]:
    """Return all layer calls in the order of computation."""
    return [call for call, _ in layer_edges(model)]


def layer_edges(model: Any) -> list[tuple[LayerCall, tuple[str, ...]]]:
    """Return all layer calls with the names of the calls and inputs that they read."""
    edges: list[tuple[LayerCall, tuple[str, ...]]] = []

    def visit(call, arguments, keywords):
        sources = [v for v in keras.tree.flatten((arguments, keywords)) if isinstance(v, _Name)]
        edges.append((call, tuple(dict.fromkeys(map(str, sources)))))
        return [_Name(call.name)] * len(call.outputs)

    graph = functional_graph(model)
    traverse(graph, [_Name(input_name(t)) for t in graph.inputs], visit)
    return edges


def calls_before(model: Any, name: str, stop: Callable[[LayerCall], bool] = lambda call: False) -> list[LayerCall]:
    """Return the call `name` and those that it depends on, back to calls for which `stop` is true."""
    edges = {call.name: (call, inputs) for call, inputs in layer_edges(model)}
    queue, calls = [name], {}
    while queue:
        name = queue.pop()
        if name in edges and name not in calls:
            calls[name], inputs = edges[name]
            queue += [] if stop(calls[name]) else inputs
    return list(calls.values())


def input_name(tensor: Any) -> str:
    """Return the name of a model's input."""
    return tensor._keras_history.operation.name


class _Name(str):
    """Name of a call, distinguishable from the other arguments of a layer."""


def layer_shapes(model: Any, shapes: list[tuple] | None = None) -> dict[str, tuple[Any, ...]]:
    """Return the output shapes of each call and input for a batch of one, by name.

    Args:
        model: Functional or Sequential model.
        shapes: Shapes of the inputs without the batch axis, where the model leaves sizes open.
    """
    graph = functional_graph(model)
    shapes = shapes or [tuple(t.shape[1:]) for t in graph.inputs]
    output_shapes: dict[str, tuple[Any, ...]] = {}

    def visit(call, arguments, keywords):
        outputs = shape_visitor(call, arguments, keywords)
        output_shapes[call.name] = tuple(tuple(t.shape) for t in keras.tree.flatten(outputs))
        return outputs

    inputs = [keras.KerasTensor((1, *s), dtype=t.dtype) for s, t in zip(shapes, graph.inputs, strict=True)]
    for tensor, value in zip(graph.inputs, inputs, strict=True):
        output_shapes[input_name(tensor)] = (tuple(value.shape),)
    traverse(graph, inputs, visit)
    return output_shapes
