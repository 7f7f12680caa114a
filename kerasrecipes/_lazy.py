"""Modules that are imported at their first use, so that `import kerasrecipes` needs no Keras."""

import importlib
import importlib.util
import os
from types import ModuleType
from typing import Any

from kerasrecipes.errors import BackendUnavailable

BACKENDS = ("tensorflow", "jax", "torch")
ENGINES = 'recipes with an ONNX file do without: load(NAME, engine="onnxruntime")'


class LazyModule(ModuleType):
    """Stands for the module `name` and imports it when an attribute is first asked for."""

    def __getattr__(self, attribute: str) -> Any:
        if self.__name__ == "keras":
            choose_backend()
        return getattr(importlib.import_module(self.__name__), attribute)


def choose_backend() -> str:
    """Pick the Keras backend: `KERAS_BACKEND` if set, else the first one installed of tensorflow, jax, torch.

    Raises:
        BackendUnavailable: none is installed, or not that one.
    """
    chosen = os.environ.get("KERAS_BACKEND")
    if not importlib.util.find_spec("keras"):
        extra = chosen if chosen in BACKENDS else next(filter(importlib.util.find_spec, BACKENDS), "tensorflow")
        raise BackendUnavailable(
            f'This needs Keras, which is not installed: pip install "kerasrecipes[{extra}]"; {ENGINES}'
        )
    if chosen:
        if chosen in BACKENDS and not importlib.util.find_spec(chosen):
            raise BackendUnavailable(
                f'KERAS_BACKEND is {chosen}, which is not installed: pip install "kerasrecipes[{chosen}]"'
            )
        return chosen
    for name in BACKENDS:
        if importlib.util.find_spec(name):
            os.environ["KERAS_BACKEND"] = name
            return name
    raise BackendUnavailable(
        'This needs Keras, and no backend of it is installed: pip install "kerasrecipes[tensorflow]" (or [jax], [torch]); '
        f"{ENGINES}"
    )


keras: Any = LazyModule("keras")
numpy: Any = LazyModule("numpy")
