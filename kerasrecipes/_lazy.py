"""Imports at first use, so that `import kerasrecipes` needs no Keras."""

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from kerasrecipes.errors import BackendUnavailable

BACKENDS = ("tensorflow", "jax", "torch")
KERAS_BACKENDS = (*BACKENDS, "numpy", "openvino")
quiet_backend = False  # set by the command line: no messages of a backend between results
ENGINE_HINT = 'recipes with an ONNX file run without it: load(NAME, engine="onnxruntime")'


class LazyModule(ModuleType):
    """A module that is imported when one of its attributes is first read."""

    def __getattr__(self, attribute: str) -> Any:
        if self.__name__ == "keras":
            choose_backend()
        return getattr(importlib.import_module(self.__name__), attribute)


class KerasImport:
    """Finder of modules that calls a function when Keras has been imported.

    Args:
        function: "module:function", imported only then.
    """

    def __init__(self, function: str):
        self.module, _, self.function = function.partition(":")

    def call(self) -> None:
        """Call the function."""
        getattr(importlib.import_module(self.module), self.function)()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return Keras's specification from the other finders, whose loader then also calls the function, and None for other modules."""
        if name != "keras":
            return None
        finders = [finder for finder in sys.meta_path if finder is not self]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in finders)), None)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_and_call(module: ModuleType) -> None:
                execute(module)
                self.call()

            spec.loader.exec_module = execute_and_call  # type: ignore[method-assign]
        return spec


def call_after_keras(function: str) -> None:
    """Call "module:function" now if Keras is imported already, else when it is."""
    hook = KerasImport(function)
    if sys.modules.get("keras") is not None:  # None forbids to import it
        hook.call()
    else:
        sys.meta_path.insert(0, hook)  # type: ignore[arg-type]


def lazy_exports(
    package: str, modules: dict[str, str], *, needs_keras: bool | tuple[str, ...] = False
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package that imports its public names at first use.

    Args:
        package: The package's `__name__`.
        modules: Module -> its public names, separated by spaces. A module that begins with "kerasrecipes." is absolute, others
            are in the package. Names of the module "" are modules of the package themselves.
        needs_keras: Whether to choose a backend before an import: for all names, or for those of the named modules.
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

    def list_names() -> list[str]:
        """Return the public names, for `inspect.getmembers` none: it would import all of them, and `help` would print their pages."""
        return [] if sys._getframe(1).f_globals.get("__name__") == "inspect" else sorted(origin)

    return import_name, list_names, sorted(origin)


def import_silently(name: str) -> None:
    """Import TensorFlow without its messages about oneDNN on standard error, which TF_CPP_MIN_LOG_LEVEL does not suppress."""
    if name == "tensorflow" and name not in sys.modules:
        with silent_libraries():
            importlib.import_module(name)


@contextlib.contextmanager
def silent_libraries() -> Iterator[None]:
    """Context in which libraries write nothing to standard error, for the command line. Elsewhere nothing changes.

    C++ writes to the file descriptor, so that is what leads nowhere. Errors are raised all the same.
    """
    try:
        stderr = os.dup(2) if quiet_backend else None
    except OSError:  # the process has no standard error
        stderr = None
    if stderr is None:
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


def choose_backend(start: bool = True) -> str:
    """Choose the Keras backend: `KERAS_BACKEND` if set, else the first installed one of tensorflow, jax, torch.

    Args:
        start: Import TensorFlow at once, without its messages. With False nothing is imported and nothing is set.

    Raises:
        BackendUnavailable: None is installed, or not that one, or Keras has none of that name.
    """
    backend = os.environ.get("KERAS_BACKEND")
    if backend and backend.lower() in KERAS_BACKENDS:  # Keras takes lower case only
        backend = os.environ["KERAS_BACKEND"] = backend.lower()
    elif backend:
        raise BackendUnavailable(f"KERAS_BACKEND is {backend!r}: set it to one of {', '.join(BACKENDS)}, or unset it")
    if not importlib.util.find_spec("keras"):
        extra = backend if backend in BACKENDS else next(filter(importlib.util.find_spec, BACKENDS), "tensorflow")
        raise BackendUnavailable(
            f'This needs Keras, which is not installed: pip install "kerasrecipes[{extra}]"; {ENGINE_HINT}'
        )
    if backend:
        if backend in BACKENDS and not importlib.util.find_spec(backend):
            raise BackendUnavailable(
                f'KERAS_BACKEND is {backend}, which is not installed: pip install "kerasrecipes[{backend}]"'
            )
        if start:
            import_silently(backend)
        return backend
    for name in BACKENDS:
        if importlib.util.find_spec(name):
            if start:
                os.environ["KERAS_BACKEND"] = name
                import_silently(name)
            return name
    raise BackendUnavailable(
        'This needs Keras, and none of its backends is installed: pip install "kerasrecipes[tensorflow]" (or [jax], [torch]); '
        f"{ENGINE_HINT}"
    )


keras: Any = LazyModule("keras")
numpy: Any = LazyModule("numpy")
