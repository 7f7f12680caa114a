"""Write the file of the page Look inside beside squeezenet's ONNX file: weights for saliency, and receptive fields."""

from pathlib import Path
from typing import Any

import numpy as np
import synthesize_units
from live_packing import pack

RECIPE = "squeezenet"
LAYERS = ("conv1", *(f"fire{i}" for i in range(2, 10)), "logits", "scores")  # layers that the page shows
CREDITS = {  # of the images in docs/live/samples, which have the size of the network's input, 227 x 227
    "chelsea": "Chelsea the cat, Stéfan van der Walt, CC0", "coffee": "Coffee, Rachel Michetti, CC0",
    "astronaut": "Eileen Collins, NASA, public domain", "rocket": "Falcon 9, SpaceX, CC0",
    "camera": "Cameraman, Lav Varshney, CC0",
}  # fmt: skip


def write_saliency_network(path: Path) -> None:
    """Write steps, weights, receptive fields and the list of synthesized images of squeezenet."""
    import kerasrecipes
    from kerasrecipes.graph.receptive_field import receptive_intervals
    from kerasrecipes.serving.image_inspector import describe_intervals

    model = kerasrecipes.load(RECIPE, compile=False)
    steps, arrays = collect_steps(model)
    fields = {name: describe_intervals(receptive_intervals(model, until=name)[name][1]) for name in LAYERS}
    header = {
        "picture": [int(n) for n in model.inputs[0].shape[1:]], "steps": steps, "layers": LAYERS, "fields": fields,
        "classes": list(model.classes), "synthesized": dict(list_synthesized(model)), "samples": CREDITS,
    }  # fmt: skip
    pack(path, header, arrays)


def list_synthesized(model: Any) -> list[tuple[str, str]]:
    """Return (unit as "layer:channel", stem of the file in docs/live/units) of each unit with synthesized images."""
    from kerasrecipes.graph.units import find_unit

    units = (find_unit(model, name) for _, _, names in synthesize_units.unit_names() for name in names)
    return [(f"{unit.layer}:{unit.channel}", unit.stem) for unit in units]


def collect_steps(model: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return steps by name in the order of computation, and kernels (maps, height, width, inputs), for docs/live/back.js.

    Raises:
        NotImplementedError: back.js has no rule for a layer.
    """
    from kerasrecipes.graph.traversal import layer_edges

    steps: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    sources_of_skipped: dict[str, str] = {}  # layers without effect at inference, and zero padding -> their input
    zeros_before: dict[str, list[int]] = {}  # layers of zero padding -> rows and columns on each side
    for step, inputs in layer_edges(model):
        layer, kind = step.operation, step.kind
        sources = [sources_of_skipped.get(name, name) for name in inputs]
        shape = [int(n) for n in step.outputs[0].shape[1:]]
        entry: dict[str, Any] = {"inputs": sources, "shape": shape if len(shape) == 3 else [1, 1, *shape]}
        if kind == "Dropout":
            sources_of_skipped[step.name] = sources[0]
            continue
        if kind == "ZeroPadding2D" and all(before == after for before, after in layer.padding):
            sources_of_skipped[step.name] = sources[0]
            zeros_before[step.name] = [before for before, _ in layer.padding]
            continue
        if zeros_before.keys() & set(inputs) and kind != "Conv2D":
            raise NotImplementedError(f"{step.name}: back.js supports zero padding before a convolution only")
        if kind == "Conv2D":
            height, width = layer.kernel_size
            is_same = layer.padding == "same"
            if (
                layer.strides[0] != layer.strides[1]
                or (is_same and layer.strides[0] > 1)
                or (is_same and inputs[0] in zeros_before)
                or layer.dilation_rate != (1, 1)
            ):
                raise NotImplementedError(f"{step.name}: back.js does not support its strides, padding or dilation")
            zeros = zeros_before.get(inputs[0], [0, 0])
            pad = [(height - 1) // 2, (width - 1) // 2] if is_same else zeros
            relu = layer.activation.__name__ == "relu"
            entry |= {"kind": "conv", "kernel": [height, width], "stride": layer.strides[0], "pad": pad, "relu": relu}
            arrays[step.name] = np.asarray(layer.kernel).transpose(3, 0, 1, 2)
        elif kind == "MaxPooling2D" and layer.padding == "valid":
            entry |= {"kind": "pool", "size": layer.pool_size[0], "stride": layer.strides[0]}
        elif kind == "Concatenate":
            entry["kind"] = "concat"
        elif kind == "GlobalAveragePooling2D":
            entry["kind"] = "mean"
        elif kind == "SubtractChannelMeans" and layer.bgr:
            entry["kind"] = "flip"
        else:
            raise NotImplementedError(f"{step.name}: back.js has no rule for {kind}")
        steps[step.name] = entry
    return steps, arrays
