"""The metadata of an exported file, which make it usable without its recipe."""

import dataclasses
import json
from typing import Any

import numpy as np

from kerasrecipes import __version__
from kerasrecipes.engines.metadata import METADATA_VERSION


def export_metadata(model: Any, row: Any = None, graph: Any = None) -> dict[str, Any]:
    """Return JSON values: recipe, task, rates and strides, labels of the logits, decoder settings, manifest entry.

    `row` is the entry of released weights; `graph` is the model's `StreamingModel`, if it can stream.
    """
    config = {**model.recipe.config, **model.changes}
    metadata: dict[str, Any] = {
        "format": METADATA_VERSION, "kerasrecipes": __version__, "recipe": model.recipe.name, "task": model.recipe.task,
        "row": json.loads(json.dumps(dataclasses.asdict(row), default=list)) if row else None,
        "decoder": dict(row.decoder) if row else {},
    }  # fmt: skip
    if hasattr(model, "alphabet"):
        metadata["alphabet"] = model.alphabet.get_config()
    if hasattr(model, "geometries"):
        transitions = model.criterion.transition_matrix()
        metadata |= {
            "sample_rate": model.sample_rate, "stride": model.stride, "receptive_field": model.receptive_field,
            "geometries": [dataclasses.astuple(g) for g in model.geometries],
            "criterion": config.get("criterion", "ctc"),
            "transitions": None if transitions is None else np.asarray(transitions, "float32").tolist(),
        }  # fmt: skip
    if hasattr(model, "batch_limits"):
        metadata["batch_limits"] = dict(model.batch_limits)
    if graph:
        metadata["streaming"] = {
            "shapes": [list(s) for s in graph.shapes], "shape": list(graph.shape), "dtype": graph.dtype,
            "stride": graph.stride, "width": graph.width, "source": next(iter(model.input)),
            "geometries": [dataclasses.astuple(g) for g in graph.geometries],
        }  # fmt: skip
    if hasattr(model, "speakers"):
        metadata |= {
            "sample_rate": model.sample_rate, "quantization_levels": model.quantization_levels,
            "speakers": list(model.speakers),
        }  # fmt: skip
    if hasattr(model, "classes"):
        metadata["classes"] = list(model.classes)
    if hasattr(model, "preprocessing"):
        metadata["preprocessing"] = dataclasses.asdict(model.preprocessing)
    if hasattr(model, "palette"):
        metadata |= {
            "stride": model.stride, "margin": model.margin, "alignment": model.alignment,
            "palette": np.asarray(model.palette).tolist(),
            "context": 1 + 2 * sum(dilation for _, dilation in config["context"]),  # cells that the context module sees
        }  # fmt: skip
    return metadata
