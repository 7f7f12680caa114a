"""Experiments and ablation studies of the papers, built on the library."""

from kerasrecipes._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "correspondence": "measure_part_correspondence Correspondence",
        "invariance": "measure_invariance Invariance",
        "linear_probes": "probe_layers Probes",
        "transfer": "measure_transfer Transfer",
        "feature_evolution": "FeatureEvolutionCallback FeatureEvolution",
    },
)
