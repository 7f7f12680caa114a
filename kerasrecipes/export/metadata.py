"""What a file of a network must say about itself, so that the file alone is enough to use it."""

import dataclasses
import json
from typing import Any

import numpy as np

from kerasrecipes import __version__
from kerasrecipes.engines.metadata import METADATA_VERSION


def export_metadata(model: Any, row: Any = None, pieces: Any = None) -> dict[str, Any]:
    """Plain values for JSON: recipe, task, rates and strides, the meaning of scores, decoder settings, the manifest row.

    Args:
        model: a loaded model of any task. row: of its released weights, None for weights that are nobody's release.
        pieces: its `PieceGraph`, None where it has none.
    """
    config = {**model.recipe.config, **model.changes}
    found: dict[str, Any] = {
        "format": METADATA_VERSION, "kerasrecipes": __version__, "recipe": model.recipe.name, "task": model.recipe.task,
        "row": json.loads(json.dumps(dataclasses.asdict(row), default=list)) if row else None,
        "decoder": dict(row.decoder) if row else {},
    }  # fmt: skip
    if hasattr(model, "alphabet"):
        found["alphabet"] = model.alphabet.get_config()
    if hasattr(model, "geometries"):
        transitions = model.criterion.transitions()
        found |= {
            "sample_rate": model.sample_rate, "stride": model.stride, "receptive_field": model.receptive_field,
            "geometries": [dataclasses.astuple(g) for g in model.geometries],
            "criterion": config.get("criterion", "ctc"),
            "transitions": None if transitions is None else np.asarray(transitions, "float32").tolist(),
        }  # fmt: skip
    if hasattr(model, "at_once"):
        found["at_once"] = dict(model.at_once)
    if pieces:
        found["pieces"] = {
            "shapes": [list(s) for s in pieces.shapes], "shape": list(pieces.shape), "dtype": pieces.dtype,
            "stride": pieces.stride, "width": pieces.width, "source": next(iter(model.input)),
            "geometries": [dataclasses.astuple(g) for g in pieces.geometries],
        }  # fmt: skip
    if hasattr(model, "speakers"):
        found |= {"sample_rate": model.sample_rate, "levels": model.levels, "speakers": list(model.speakers)}
    if hasattr(model, "classes"):
        found["classes"] = list(model.classes)
    if hasattr(model, "preparation"):
        found["preparation"] = dataclasses.asdict(model.preparation)
    if hasattr(model, "palette"):
        found |= {
            "stride": model.stride, "margin": model.margin, "palette": np.asarray(model.palette).tolist(),
            "context": 1 + 2 * sum(dilation for _, dilation in config["context"]),  # cells that the context module sees
        }  # fmt: skip
    return found
