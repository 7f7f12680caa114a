# Written by tools/write_stubs.py. Do not edit.
# ruff: noqa: I001, RUF100
from kerasrecipes.experiments.correspondence import Correspondence as Correspondence
from kerasrecipes.experiments.correspondence import measure_part_correspondence as measure_part_correspondence
from kerasrecipes.experiments.feature_evolution import FeatureEvolution as FeatureEvolution
from kerasrecipes.experiments.feature_evolution import FeatureEvolutionCallback as FeatureEvolutionCallback
from kerasrecipes.experiments.invariance import Invariance as Invariance
from kerasrecipes.experiments.invariance import measure_invariance as measure_invariance
from kerasrecipes.experiments.linear_probes import Probes as Probes
from kerasrecipes.experiments.linear_probes import probe_layers as probe_layers
from kerasrecipes.experiments.transfer import Transfer as Transfer
from kerasrecipes.experiments.transfer import measure_transfer as measure_transfer
