"""Write the geometry of networks for the page Receptive fields: which positions of its inputs each position of a layer reads.

The intervals are those of `kerasrecipes.graph.receptive_propagation`, one layer at a time. The page composes them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "tests/fixtures/LibriSpeech/dev-mini/1919/142785/1919-142785-0015.mp3"
RATE, SECONDS, PEAKS = 16000, 2, 250
RECIPES: dict[str, dict[str, Any]] = {  # size: of inputs that leave it open; image: docs/live/samples/NAME.png
    "convnetjs_mnist": {"title": "convnetjs_mnist: digits"},
    "squeezenet": {"title": "squeezenet: images of 1,000 classes", "image": "chelsea"},
    "zfnet_small": {"title": "zfnet_small: small images", "image": "rocket"},
    "dilated_camvid_small": {"title": "dilated_camvid_small: streets, dilated", "image": "street", "size": (180, 240)},
    "wav2letter_small": {"title": "wav2letter_small: speech, convolutions", "size": (RATE * SECONDS,)},
    "deepspeech2_small": {"title": "deepspeech2_small: speech, recurrent", "size": (RATE * SECONDS,)},
    "palaz_raw_small": {"title": "palaz_raw_small: phonemes from the waveform", "size": (RATE * SECONDS,)},
}


@dataclass(frozen=True)
class _Traced:
    """A symbolic tensor, the number of its layer in the list, and its receptive intervals."""

    spec: Any
    layer: int | None
    intervals: Any


def write_receptive_fields(path: Path) -> None:
    """Write the geometry of all networks of `RECIPES` as JSON."""
    import keras

    import kerasrecipes

    networks = {}
    for name, settings in RECIPES.items():
        keras.utils.clear_session()  # layers are numbered from the first of each network
        model = kerasrecipes.load(name, weights=None, compile=False)
        networks[name] = {k: v for k, v in settings.items() if k != "size"} | describe_geometry(model, settings.get("size"))
    path.write_text(json.dumps({"networks": networks, "peaks": read_peaks(), "rate": RATE}, separators=(",", ":")), "utf-8")


def read_peaks() -> list[int]:
    """Return the largest amplitude of each part of the clip's first seconds, 0 to 100."""
    from kerasrecipes.audio import load_audio

    parts = np.abs(load_audio(CLIP)[: RATE * SECONDS]).reshape(PEAKS, -1).max(1)
    return (100 * parts / parts.max()).round().astype(int).tolist()


def describe_geometry(model: Any, size: Any = None) -> dict[str, Any]:
    """Return {layers: [{name, kind, words, sizes, channels, reads}]}. The first layer is the input.

    sizes: Positions along each axis of the input; 1 for a layer whose positions all share one interval. reads: For each layer that
    it reads {layer: its number, axes: [{low, high}]}, where the lists have an entry for each position. A position that reads
    padding only has a low above its high. Layers without positions, and layers that change each position alone and have no
    weights across channels, are left out: the layers after them read their inputs.

    Args:
        model: Functional model.
        size: Size of the input where the model leaves it open, as for `visualize.receptive_field`.
    """
    import keras

    from kerasrecipes.graph import receptive_field as rf
    from kerasrecipes.graph.receptive_interval import ReceptiveInterval, input_interval
    from kerasrecipes.graph.receptive_propagation import input_intervals, propagate
    from kerasrecipes.graph.traversal import functional_graph, shape_visitor, traverse

    graph, shapes = functional_graph(model), rf.input_shapes(model, size)
    layers: list[dict[str, Any]] = []
    tracked = rf._spatial_input_index(graph)

    def add(name: str, kind: str, words: str, spec: Any, intervals: Any, reads: list) -> int:
        sizes = [1 if r.axis is None else int(spec.shape[r.axis]) for r in intervals]
        channels = int(spec.shape[-1]) if len(spec.shape) > len(sizes) + 1 or None in [r.axis for r in intervals] else 1
        layers.append({"name": name, "kind": kind, "words": words, "sizes": sizes, "channels": channels, "reads": reads})
        return len(layers) - 1

    def visit(call: Any, arguments: tuple, keywords: dict) -> Any:
        traced = [v for v in keras.tree.flatten((arguments, keywords)) if isinstance(v, _Traced)]
        plain = keras.tree.map_structure(lambda v: v.spec if isinstance(v, _Traced) else v, (arguments, keywords))
        specs = keras.tree.flatten(shape_visitor(call, *plain))
        outputs = [tuple(s.shape) for s in specs]
        whole = propagate(call, [(tuple(v.spec.shape), v.intervals) for v in traced], outputs)[0]
        sources = {id(v): v for v in traced if v.layer is not None}
        if whole is None or not sources:
            return [_Traced(s, None, None) for s in specs]
        reads = []
        for source in {v.layer: v for v in sources.values()}.values():
            own = tuple(
                ReceptiveInterval(None, np.array([0]), np.array([0])) if r.axis is None else input_interval(r.axis, r.num_positions)
                for r in source.intervals
            )
            one = [(tuple(v.spec.shape), own if v is source else None) for v in traced]
            axes = [describe_axis(r) for r in propagate(call, one, outputs)[0]]
            reads.append({"layer": source.layer, "axes": axes})
        words = describe_layer(call.operation)
        is_plain = len(reads) == 1 and not words and is_identity(reads[0], layers[reads[0]["layer"]])
        layer = reads[0]["layer"] if is_plain else add(call.name, call.kind, words, specs[0], whole, reads)
        return [_Traced(specs[0], layer, whole), *(_Traced(s, None, None) for s in specs[1:])]

    inputs = []
    for number, (shape, tensor) in enumerate(zip(shapes, graph.inputs, strict=True)):
        spec = keras.KerasTensor((1, *shape), dtype=tensor.dtype)
        intervals = input_intervals(tuple(spec.shape)) if number == tracked else None
        layer = add("input", "Input", "", spec, intervals, []) if intervals else None
        inputs.append(_Traced(spec, layer, intervals))
    traverse(graph, inputs, visit)
    return {"layers": layers}


def describe_axis(interval: Any) -> dict[str, list[int]]:
    """Return the first and the last position that each position reads; 1 and 0 for positions that read padding only."""
    is_empty = interval.low > interval.high
    return {
        "low": np.where(is_empty, 1, interval.low).astype(int).tolist(),
        "high": np.where(is_empty, 0, interval.high).astype(int).tolist(),
    }


def is_identity(read: dict[str, Any], source: dict[str, Any]) -> bool:
    """Return True if each position reads itself alone."""
    pairs = zip(read["axes"], source["sizes"], strict=True)
    return all(axis["low"] == axis["high"] == list(range(size)) for axis, size in pairs)


def describe_layer(operation: Any) -> str:
    """Return kernel, stride and dilation of a layer in words, or "" if it has none."""
    size = getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", None)
    if size is None:
        return f"{operation.units} units" if getattr(operation, "units", None) else ""
    sides = (size,) if isinstance(size, int) else tuple(size)
    words = " x ".join(map(str, sides))
    for name, word in (("strides", "stride"), ("dilation_rate", "dilation")):
        values = getattr(operation, name, None) or 1
        values = (values,) if isinstance(values, int) else tuple(values)
        if max(values) > 1:
            words += f", {word} {' x '.join(map(str, dict.fromkeys(values)))}"
    return words
