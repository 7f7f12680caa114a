"""A functional model op by op: forward passes under other rules, shapes and receptive fields are all walks over its graph."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from kerasrecipes.errors import KerasRecipesError


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer or operation.

    Args:
        name: the layer's; inside a nested model "outer/inner", at a layer's second call "name#2".
        operation: the layer or Keras operation. outputs: its symbolic outputs, flat.
    """

    name: str
    operation: Any
    outputs: tuple[Any, ...]

    @property
    def kind(self) -> str:
        return type(self.operation).__name__


class StopTraversal(Exception):
    """Raised by a visitor that needs nothing of what lies above."""


def functional_graph_or_none(model: Any) -> Any:
    """The functional graph of a model, None for a layer and for a model with code of its own."""
    if isinstance(model, keras.Sequential):
        if not model.built or getattr(model, "_functional", None) is None:
            return None
        return model._functional
    return model if isinstance(model, keras.Model) and hasattr(model, "_nodes_by_depth") else None


def functional_graph(model: Any) -> Any:
    """The functional graph of a model.

    Raises:
        KerasRecipesError: it has none.
    """
    graph = functional_graph_or_none(model)
    if graph is None:
        raise KerasRecipesError(
            f"{getattr(model, 'name', model)} has no graph of layers to look into: it must be a functional or a built "
            "Sequential keras.Model (a subclassed model with a call() of its own is one opaque step)"
        )
    return graph


def ordered_nodes(graph: Any) -> Iterator[Any]:
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from (node for node in graph._nodes_by_depth[depth] if node.operation and not node.is_input)


def traverse(model: Any, inputs: Any, visit: Callable[[LayerCall, tuple, dict], Any], scope: str = "") -> Any:
    """Run through the graph, nested models too, with any values in place of tensors.

    Args:
        model: functional or Sequential. inputs: one value for each of its inputs, in any structure.
        visit: (step, positional arguments, keyword arguments) -> the step's outputs. It may raise `Finished`.

    Returns:
        The values of the outputs, a list; None where `visit` raised `Finished`.
    """
    try:
        return _walk(functional_graph(model), inputs, visit, scope)
    except StopTraversal:
        if scope:
            raise
        return None


def _walk(graph: Any, inputs: Any, visit: Callable, scope: str) -> list[Any]:
    flat = inputs if isinstance(inputs, list) else keras.tree.flatten(inputs)
    values = {id(tensor): value for tensor, value in zip(graph.inputs, flat, strict=True)}
    calls: dict[int, int] = {}
    for node in ordered_nodes(graph):
        operation = node.operation
        calls[id(operation)] = calls.get(id(operation), 0) + 1
        number = calls[id(operation)]
        name = f"{scope}{operation.name}" + (f"#{number}" if number > 1 else "")
        arguments, keywords = node.arguments.fill_in(values)
        inner = functional_graph_or_none(operation)
        if inner is not None:
            given = keras.tree.flatten(arguments[0]) if len(arguments) == 1 else list(arguments)
            found = _walk(inner, given, visit, f"{name}/")
        else:
            found = visit(LayerCall(name, operation, tuple(node.outputs)), arguments, keywords)
            if len(node.outputs) == 1:
                found = [found[0] if isinstance(found, list) and len(found) == 1 else found]
            else:
                found = list(found) if isinstance(found, list | tuple) else keras.tree.flatten(found)
        for tensor, value in zip(node.outputs, found, strict=True):
            values[id(tensor)] = value
    return [values[id(tensor)] for tensor in graph.outputs]


def shape_visitor(step: LayerCall, arguments: tuple, keywords: dict) -> Any:
    """A visitor: shapes and dtypes (`KerasTensor`), nothing computed and nothing added to the model.

    Raises:
        KerasRecipesError: the step cannot take these shapes.
    """
    try:
        return step.operation.compute_output_spec(*arguments, **keywords)
    except ValueError as error:
        shapes = [tuple(v.shape) for v in keras.tree.flatten((arguments, keywords)) if hasattr(v, "shape")]
        raise KerasRecipesError(
            f"{step.name} ({step.kind}) cannot take {', '.join(map(str, shapes))}: give the model an input of another size"
        ) from error


def layer_calls(model: Any) -> list[LayerCall]:
    """All steps in the order of computation."""
    found: list[LayerCall] = []

    def visit(step, arguments, keywords):
        found.append(step)
        return [None] * len(step.outputs)

    graph = functional_graph(model)
    traverse(graph, [None] * len(graph.inputs), visit)
    return found


def layer_edges(model: Any) -> list[tuple[LayerCall, tuple[str, ...]]]:
    """Steps with the names of the steps and inputs that they read."""
    found: list[tuple[LayerCall, tuple[str, ...]]] = []

    def visit(step, arguments, keywords):
        read = [v for v in keras.tree.flatten((arguments, keywords)) if isinstance(v, _Name)]
        found.append((step, tuple(dict.fromkeys(map(str, read)))))
        return [_Name(step.name)] * len(step.outputs)

    graph = functional_graph(model)
    traverse(graph, [_Name(input_name(t)) for t in graph.inputs], visit)
    return found


def input_name(tensor: Any) -> str:
    """Of a model's input."""
    return tensor._keras_history.operation.name


class _Name(str):
    """Marks a step's name among the other arguments of a layer."""


def layer_shapes(model: Any, shapes: list[tuple] | None = None) -> dict[str, tuple[Any, ...]]:
    """Name of a step or input -> its outputs' shapes, for a batch of one.

    Args:
        shapes: of the inputs without the batch, where the model leaves sizes open.
    """
    graph = functional_graph(model)
    shapes = shapes or [tuple(t.shape[1:]) for t in graph.inputs]
    found: dict[str, tuple[Any, ...]] = {}

    def visit(step, arguments, keywords):
        outputs = shape_visitor(step, arguments, keywords)
        found[step.name] = tuple(tuple(t.shape) for t in keras.tree.flatten(outputs))
        return outputs

    given = [keras.KerasTensor((1, *s), dtype=t.dtype) for s, t in zip(shapes, graph.inputs, strict=True)]
    for tensor, value in zip(graph.inputs, given, strict=True):
        found[input_name(tensor)] = (tuple(value.shape),)
    traverse(graph, given, visit)
    return found
