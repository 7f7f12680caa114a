"""Modules that are imported at their first use, so that `import kerasrecipes` needs no Keras."""

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

from kerasrecipes.errors import BackendUnavailable

BACKENDS = ("tensorflow", "jax", "torch")
quiet = False  # the command line's: no notes of a backend between results
ENGINES = 'recipes with an ONNX file do without: load(NAME, engine="onnxruntime")'


class LazyModule(ModuleType):
    """Stands for the module `name` and imports it when an attribute is first asked for."""

    def __getattr__(self, attribute: str) -> Any:
        if self.__name__ == "keras":
            choose_backend()
        return getattr(importlib.import_module(self.__name__), attribute)


def hushed(name: str) -> None:
    """Import TensorFlow without the notes on oneDNN that it writes to standard error whatever TF_CPP_MIN_LOG_LEVEL says."""
    if not quiet or name != "tensorflow" or name in sys.modules:
        return
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        importlib.import_module(name)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


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
        hushed(chosen)
        return chosen
    for name in BACKENDS:
        if importlib.util.find_spec(name):
            os.environ["KERAS_BACKEND"] = name
            hushed(name)
            return name
    raise BackendUnavailable(
        'This needs Keras, and no backend of it is installed: pip install "kerasrecipes[tensorflow]" (or [jax], [torch]); '
        f"{ENGINES}"
    )


keras: Any = LazyModule("keras")
numpy: Any = LazyModule("numpy")
