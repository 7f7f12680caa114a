"""Modules that are imported at their first use, so that `import kerasrecipes` needs no Keras."""

import importlib
import importlib.util
import os
from types import ModuleType
from typing import Any

from kerasrecipes.errors import BackendUnavailable

BACKENDS = ("tensorflow", "jax", "torch")


class LazyModule(ModuleType):
    """Stands for the module `name` and imports it when an attribute is first asked for."""

    def __getattr__(self, attribute: str) -> Any:
        if self.__name__ == "keras":
            choose_backend()
        return getattr(importlib.import_module(self.__name__), attribute)


def choose_backend() -> str:
    """Pick the Keras backend: `KERAS_BACKEND` if set, else the first one installed of tensorflow, jax, torch.

    Raises:
        BackendUnavailable: none is installed.
    """
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen:
        return chosen
    for name in BACKENDS:
        if importlib.util.find_spec(name):
            os.environ["KERAS_BACKEND"] = name
            return name
    raise BackendUnavailable(
        'No Keras backend is installed: pip install "kerasrecipes[tensorflow]" (or [jax], [torch])'
    )


keras: Any = LazyModule("keras")
numpy: Any = LazyModule("numpy")
