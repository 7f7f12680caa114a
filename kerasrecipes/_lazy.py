"""Modules that are imported at their first use, so that `import kerasrecipes` needs no Keras."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from kerasrecipes.errors import BackendUnavailable

BACKENDS = ("tensorflow", "jax", "torch")
quiet_backend = False  # the command line's: no notes of a backend between results
ENGINE_HINT = 'recipes with an ONNX file do without: load(NAME, engine="onnxruntime")'


class LazyModule(ModuleType):
    """Stands for the module `name` and imports it when an attribute is first asked for."""

    def __getattr__(self, attribute: str) -> Any:
        if self.__name__ == "keras":
            choose_backend()
        return getattr(importlib.import_module(self.__name__), attribute)


def lazy_exports(
    package: str, modules: dict[str, str], *, needs_keras: bool | tuple[str, ...] = False
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package that imports its public names at their first use.

    Args:
        package: The package's `__name__`.
        modules: Public names, separated by spaces, by the module that defines them. A module that begins with "kerasrecipes."
            is absolute, any other stands in the package. The empty string means that the names are modules of the package.
        needs_keras: Choose a backend before the import: for all names, or for those of these modules.
    """
    origin = {name: module for module, names in modules.items() for name in names.split()}

    def import_name(name: str) -> Any:
        if name not in origin:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has: {', '.join(sorted(origin))}")
        module = origin[name]
        if needs_keras is True or (needs_keras and (module or name) in needs_keras):
            choose_backend()
        if not module:
            return importlib.import_module(f"{package}.{name}")
        return getattr(
            importlib.import_module(module if module.startswith("kerasrecipes.") else f"{package}.{module}"), name
        )

    return import_name, lambda: [*vars(sys.modules[package]), *origin], sorted(origin)


def import_silently(name: str) -> None:
    """Import TensorFlow without the notes on oneDNN that it writes to standard error whatever TF_CPP_MIN_LOG_LEVEL says."""
    if not quiet_backend or name != "tensorflow" or name in sys.modules:
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
            f'This needs Keras, which is not installed: pip install "kerasrecipes[{extra}]"; {ENGINE_HINT}'
        )
    if chosen:
        if chosen in BACKENDS and not importlib.util.find_spec(chosen):
            raise BackendUnavailable(
                f'KERAS_BACKEND is {chosen}, which is not installed: pip install "kerasrecipes[{chosen}]"'
            )
        import_silently(chosen)
        return chosen
    for name in BACKENDS:
        if importlib.util.find_spec(name):
            os.environ["KERAS_BACKEND"] = name
            import_silently(name)
            return name
    raise BackendUnavailable(
        'This needs Keras, and no backend of it is installed: pip install "kerasrecipes[tensorflow]" (or [jax], [torch]); '
        f"{ENGINE_HINT}"
    )


keras: Any = LazyModule("keras")
numpy: Any = LazyModule("numpy")
