"""Looking into networks: what the Deep Visualization Toolbox (arXiv 1506.06579) and the deconvnet paper (1311.2901) show,
for any functional or Sequential Keras model on any backend.

>>> from kerasrecipes import visualize
>>> visualize.project(model, "cat.png", "fire9:40").save("cat.png")
"""

import importlib
from typing import Any

_WHERE = {
    "Unit": "units", "find_unit": "units", "layer_names": "units",
    "layer_table": "table", "LayerTable": "table",
    "receptive_field": "receptive", "ReceptiveField": "receptive",
    "project": "backward", "Projection": "backward", "Projector": "backward",
    "activation_maps": "activations", "ActivationMaps": "activations",
    "synthesize": "synthesis", "synthesize_units": "synthesis", "synthesize_into": "keeping", "Synthesis": "synthesis",
    "PRESETS": "maximize", "settings_of": "maximize", "Regularisation": "maximize",
    "find_maxima": "top", "Maxima": "top", "top_patches": "top", "TopPatches": "top",
    "occlude": "occlusion", "OcclusionMaps": "occlusion", "correspondence": "occlusion", "correspondence_of": "occlusion",
    "filter_sheet": "filters", "FilterSheet": "filters",
    "filter_responses": "responses", "FilterResponses": "responses", "draw_filters": "responses",
    "measure_invariance": "invariance", "Invariance": "invariance", "probe_layers": "probes", "Probes": "probes",
    "measure_transfer": "transfer", "Transfer": "transfer",
    "EvolutionWatcher": "evolution", "Evolution": "evolution",
    "write_report": "report",
    "project_sound": "sounds", "SoundProjection": "sounds", "letters_over_time": "sounds", "Letters": "sounds",
    "draw_graph": "graph", "GraphDrawing": "graph",
}  # fmt: skip

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
