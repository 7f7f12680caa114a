"""What the page Look inside needs beside squeezenet's ONNX file: its weights for the way back, and what its units see."""

from pathlib import Path
from typing import Any

import numpy as np
import synthesize_units
from live_packing import pack

RECIPE = "squeezenet"
SHOWN = ("conv1", *(f"fire{i}" for i in range(2, 10)), "logits", "scores")  # layers that the page shows
CREDITS = {  # of docs/live/samples, which are the network's inputs: 227 x 227
    "chelsea": "Chelsea the cat, Stéfan van der Walt, CC0", "coffee": "Coffee, Rachel Michetti, CC0",
    "astronaut": "Eileen Collins, NASA, public domain", "rocket": "Falcon 9, SpaceX, CC0",
    "camera": "Cameraman, Lav Varshney, CC0",
}  # fmt: skip


def way_back(path: Path) -> None:
    """Steps, weights, receptive fields and kept pictures of squeezenet."""
    import kerasrecipes

    model = kerasrecipes.load(RECIPE, compile=False)
    steps, arrays = steps_of(model)
    fields = {name: boxes(model, name) for name in SHOWN}
    kept = dict(kept_pictures(model))
    header = {
        "picture": [int(n) for n in model.inputs[0].shape[1:]], "steps": steps, "shown": SHOWN, "fields": fields,
        "classes": list(model.classes), "kept": kept, "samples": CREDITS,
    }  # fmt: skip
    pack(path, header, arrays)


def kept_pictures(model: Any) -> list[tuple[str, str]]:
    """(unit as "layer:number", stem of the file in docs/live/units) of every unit that was drawn."""
    from kerasrecipes.graph.units import find_unit

    units = (find_unit(model, name) for _, _, names in synthesize_units.unit_names() for name in names)
    return [(f"{unit.layer}:{unit.channel}", unit.stem) for unit in units]


def steps_of(model: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Steps by name in the order of computation, as docs/live/back.js walks them, and kernels (maps, height, width, inputs).

    Raises:
        NotImplementedError: a layer that back.js has no rule for.
    """
    from kerasrecipes.graph.traversal import layer_edges

    steps: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    passed: dict[str, str] = {}  # layers that do nothing here
    for step, inputs in layer_edges(model):
        layer, kind = step.operation, step.kind
        sources = [passed.get(name, name) for name in inputs]
        shape = [int(n) for n in step.outputs[0].shape[1:]]
        found: dict[str, Any] = {"inputs": sources, "shape": shape if len(shape) == 3 else [1, 1, *shape]}
        if kind == "Dropout":
            passed[step.name] = sources[0]
            continue
        if kind == "Conv2D":
            height, width = layer.kernel_size
            same = layer.padding == "same"
            if layer.strides[0] != layer.strides[1] or (same and layer.strides[0] > 1) or layer.dilation_rate != (1, 1):
                raise NotImplementedError(f"{step.name}: strides, padding or dilation that back.js does not know")
            pad = [(height - 1) // 2, (width - 1) // 2] if same else [0, 0]
            relu = layer.activation.__name__ == "relu"
            found |= {"kind": "conv", "kernel": [height, width], "stride": layer.strides[0], "pad": pad, "relu": relu}
            arrays[step.name] = np.asarray(layer.kernel).transpose(3, 0, 1, 2)
        elif kind == "MaxPooling2D" and layer.padding == "valid":
            found |= {"kind": "pool", "size": layer.pool_size[0], "stride": layer.strides[0]}
        elif kind == "Concatenate":
            found["kind"] = "concat"
        elif kind == "GlobalAveragePooling2D":
            found["kind"] = "mean"
        elif kind == "SubtractChannelMeans" and layer.bgr:
            found["kind"] = "flip"
        else:
            raise NotImplementedError(f"{step.name}: back.js has no rule for {kind}")
        steps[step.name] = found
    return steps, arrays


def boxes(model: Any, layer: str) -> list[dict[str, Any]] | None:
    """What a layer's places see of the picture's rows and columns: first and last pixels, and the span without edges."""
    from kerasrecipes.graph.receptive_field import receptive_intervals

    reaches = receptive_intervals(model, until=layer)[layer][1]
    if any(r.axis is None for r in reaches):
        return None
    return [
        {
            "low": [int(v) for v in r.low],
            "high": [int(v) for v in r.high],
            "span": None if r.span is None else int(r.span),
        }
        for r in reaches
    ]
