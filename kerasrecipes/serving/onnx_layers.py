"""The layers of an ONNX file: which outputs of its nodes are shown, how they are named, and a session that returns them all.

The declarations of the outputs are appended to the file's bytes: in a protocol buffer, a message that comes twice is merged. The
package onnx is not needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kerasrecipes.engines.graph_parts import (
    ATTRIBUTE_INTS,
    ATTRIBUTE_NAME,
    GRAPH_OUTPUT,
    NODE_INPUT,
    NODE_OUTPUT,
    NODE_TYPE,
    VALUE_NAME,
    read_graph,
    read_integers,
    read_messages,
    read_names,
    write_field,
)
from kerasrecipes.engines.onnx_tensors import GRAPH_NODE, MODEL_GRAPH, NODE_ATTRIBUTE
from kerasrecipes.serving.inspection import to_maps

# operations whose output has the channels on axis 1, by ONNX's definition
CHANNELS_FIRST = {
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization",
    "InstanceNormalization", "LRN",
}  # fmt: skip
RECURRENT = {"GRU", "LSTM", "RNN"}  # outputs (frames, directions, batch, units)
# operations that only move values, or compute sizes
HIDDEN = {
    "Cast", "Constant", "ConstantOfShape", "Dropout", "Equal", "Expand", "Flatten", "Gather", "Greater", "Identity", "Less", "Loop",
    "Not", "Pad", "Range", "ReduceMax", "ReduceMean", "ReduceSum", "Reshape", "ReverseSequence", "ScatterND", "Shape", "Slice",
    "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]  # transpositions of images


@dataclass(frozen=True)
class OnnxLayer:
    """An output of a node that is shown.

    Args:
        name: Name on the page.
        output: Name in the graph.
        operation: Type of the node.
        channels_first: Whether the channels of an image are on axis 1.
    """

    name: str
    output: str
    operation: str
    channels_first: bool

    def to_maps(self, values: np.ndarray) -> np.ndarray | None:
        """Return an output for a batch of one as (rows, columns, maps), None if it is none of numbers with channels."""
        if self.operation in RECURRENT and values.ndim == 4:
            values = values[:, :, :1].reshape(1, len(values), -1)
        if values.dtype != np.float32 or not 2 <= values.ndim <= 4 or len(values) != 1 or values.size == 0:
            return None
        return to_maps(np.moveaxis(values, 1, -1)[0] if self.channels_first and values.ndim == 4 else values[0])


def list_layers(content: bytes, channels_first: bool) -> list[OnnxLayer]:
    """Return the shown outputs, the nearest to the input first: of each layer, the last one.

    A file of `kerasrecipes export --activations` has named outputs already, which are taken alone.

    Args:
        content: The file.
        channels_first: Whether the input has its channels on axis 1.
    """
    graph = read_graph(content)
    outputs = [name for value in read_messages(graph, GRAPH_OUTPUT) for name in read_names(value, VALUE_NAME)]
    nodes = list(read_nodes(graph))
    layouts = trace_layouts(nodes, channels_first)
    is_named = len(outputs) > 2  # besides the logits and their number
    layers: dict[str, OnnxLayer] = {}
    for operation, _, names, _ in nodes:
        for name in names[:1]:
            if (name not in outputs) if is_named else (operation in HIDDEN and name not in outputs):
                continue
            key = name if name in outputs else shorten_name(name)
            layers[key] = OnnxLayer(key, name, operation, layouts.get(name, channels_first))
    depths = measure_depths(nodes)
    return sorted(layers.values(), key=lambda layer: depths[layer.output])


def measure_depths(nodes: list[tuple[str, list[str], list[str], list[int]]]) -> dict[str, int]:
    """Return the number of nodes on the longest way from an input or a weight to each output."""
    depths: dict[str, int] = {}
    for _, inputs, outputs, _ in nodes:
        depths |= dict.fromkeys(outputs, 1 + max((depths.get(name, 0) for name in inputs), default=0))
    return depths


def read_nodes(graph: memoryview) -> Iterator[tuple[str, list[str], list[str], list[int]]]:
    """Yield (operation, inputs, outputs, permutation) of the nodes of a graph. Only transpositions have a permutation."""
    for node in read_messages(graph, GRAPH_NODE):
        operation = "".join(read_names(node, NODE_TYPE))
        order: list[int] = []
        if operation == "Transpose":
            for attribute in read_messages(node, NODE_ATTRIBUTE):
                if read_names(attribute, ATTRIBUTE_NAME) == ["perm"]:
                    order = read_integers(attribute, ATTRIBUTE_INTS)
        yield operation, read_names(node, NODE_INPUT), read_names(node, NODE_OUTPUT), order


def trace_layouts(nodes: list[tuple[str, list[str], list[str], list[int]]], channels_first: bool) -> dict[str, bool]:
    """Return whether the channels of each output that holds images are on axis 1."""
    layouts: dict[str, bool] = {}
    for operation, inputs, outputs, order in nodes:
        if operation in CHANNELS_FIRST:
            layout = True
        elif order in (TO_LAST, TO_FIRST):
            layout = order == TO_FIRST
        else:
            layout = next((layouts[name] for name in inputs if name in layouts), channels_first)
        layouts |= dict.fromkeys(outputs, layout)
    return layouts


def shorten_name(output: str) -> str:
    """Return the name of the layer that an output belongs to, by the naming of tf2onnx or of torch."""
    parts = output.split("/")
    if output.startswith("/") and len(parts) > 2:  # torch: /features/features.0/Conv_output_0
        return "/".join(parts[1:-1])
    if len(parts) > 2:  # tf2onnx: functional_1/conv1_1/Relu:0
        return parts[1]
    return output.split(":")[0]


def add_outputs(content: bytes, names: list[str]) -> bytes:
    """Return an ONNX file with further outputs."""
    graph = read_graph(content)
    present = {name for value in read_messages(graph, GRAPH_OUTPUT) for name in read_names(value, VALUE_NAME)}
    values = (write_field(GRAPH_OUTPUT, write_field(VALUE_NAME, name.encode())) for name in names if name not in present)
    return content + write_field(MODEL_GRAPH, b"".join(values))
