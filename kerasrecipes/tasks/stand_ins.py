"""Stand-ins for this package's classes in Keras's registry, so that `keras.saving.load_model` imports what a file needs."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import keras

import kerasrecipes
from kerasrecipes import layers
from kerasrecipes.tasks.table import TASK_MODELS


class StandIn:
    """A class of this package that is imported when Keras builds an object of it. The class then takes its place.

    Args:
        module: Module that imports the class at its first use.
        name: Name of the class.
    """

    def __init__(self, module: ModuleType, name: str):
        self.module, self.name = module, name

    def from_config(self, config: Mapping[str, Any]) -> Any:
        """Return an object of the class."""
        return getattr(self.module, self.name).from_config(config)


def register_stand_ins() -> None:
    """Register the models of all tasks and the layers under the names that they have in saved files."""
    registry = keras.saving.get_custom_objects()
    models = [entry.model.split(":")[1] for entry in TASK_MODELS.values()]
    for module, names in ((kerasrecipes, models), (layers, dir(layers))):
        for name in names:
            registry.setdefault(f"{kerasrecipes.__name__}>{name}", StandIn(module, name))
