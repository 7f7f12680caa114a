"""Write the type stubs (`__init__.pyi`) of the packages that import their names at first use.

Type checkers and editors cannot see through `lazy_exports`. In the stub of `kerasrecipes` itself, `load` has an overload for each task,
which lists the recipes and public checkpoints of that task.

usage: python tools/write_stubs.py
"""

import ast
import textwrap
from pathlib import Path

from kerasrecipes.hub.public_checkpoints import public_checkpoints
from kerasrecipes.registry import TASKS, all_recipes
from kerasrecipes.tasks.table import TASK_MODELS

PACKAGE = Path(__file__).parents[1] / "kerasrecipes"
HEADER = "# Written by tools/write_stubs.py. Do not edit.\n# ruff: noqa: I001, RUF100\n"
LABELS = {"alphabet": "alphabet: Any = None, ", "classes": "classes: Sequence[str] | int | None = None, ", None: ""}
IMPORTS = """from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, overload
"""
# Jedi reads no literals. For a name of the type `str` it would take the last overload. For a protocol it offers the methods of all tasks.
ANY_NAME = """class _Name(Protocol):
    def removeprefix(self, prefix: str, /) -> str: ...
"""


def read_exports(source: str) -> dict[str, str]:
    """Return the modules and names that a package's `__init__.py` passes to `lazy_exports`, {} if it does not call it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "lazy_exports":
            return ast.literal_eval(node.args[1])
    return {}


def import_lines(package: str, exports: dict[str, str], omit: tuple[str, ...] = ()) -> str:
    """Return the imports that say where each name comes from. `X as X` makes a name public in a stub."""
    lines = []
    for module, names in exports.items():
        origin = module if module.startswith("kerasrecipes.") else f"{package}.{module}".rstrip(".")
        lines += [f"from {origin} import {name} as {name}" for name in names.split() if name not in omit]
    return "\n".join(sorted(lines)) + "\n"


def recipes_by_task() -> dict[str, list[str]]:
    """Return the names that `load` takes for each task: recipes and public checkpoints."""
    recipes = all_recipes()
    names = {task: [name for name, recipe in recipes.items() if recipe.task == task] for task in TASKS}
    for row in public_checkpoints().values():
        names[recipes[row.recipe].task].append(row.name)
    return {task: sorted(rows) for task, rows in names.items()}


def load_overloads() -> str:
    """Return the type aliases of recipe names and the overloads of `load`."""
    from kerasrecipes.engines.task_models import ENGINE_MODELS

    aliases, overloads, imports = [], [], []
    for task, names in recipes_by_task().items():
        entry, alias = TASK_MODELS[task], "_" + task.title().replace("-", "")
        result = entry.model.partition(":")[2]
        quoted = textwrap.fill(", ".join(f'"{name}"' for name in names), 110, initial_indent="    ", subsequent_indent="    ")
        aliases.append(f"{alias}: TypeAlias = Literal[\n{quoted},\n]")
        imports.append(f"from {entry.model.replace(':', ' import ')} as {result}")
        overloads.append(
            f"@overload\ndef load(\n    name: {alias}, *, {LABELS[entry.label_argument]}weights: str | Path | None = \"default\",\n"
            f"    compile: bool = True, engine: Literal[\"keras\"] | None = None, **config: Any,\n) -> {result}:\n"
            f'    """Return a model of the task {task}, whose verb is `{entry.verb}`. See `kerasrecipes.loading.load`."""\n'
        )
        if engine_model := ENGINE_MODELS.get(task):
            imports.append(f"from {engine_model.__module__} import {engine_model.__name__} as _{engine_model.__name__}")
            overloads.append(
                f'@overload\ndef load(\n    name: {alias}, *, engine: Literal["onnxruntime", "openvino"],\n'
                "    engine_precision: str | None = None,\n"
                f') -> _{engine_model.__name__}:\n    """Return an exported model without Keras, whose verb is `{entry.verb}`."""\n'
            )
    overloads.append(
        "@overload\ndef load(\n    name: _Name | PathLike[str], *, alphabet: Any = None, classes: Any = None, weights: Any = \"default\", "
        "compile: bool = True,\n    engine: str | None = None, engine_precision: str | None = None, **config: Any,\n) -> Any:\n"
        '    """Return the model of a file, a run, a hub reference or a recipe. See `kerasrecipes.loading.load`."""\n'
    )
    aliases.append(ANY_NAME)
    return "\n".join(sorted(imports)) + "\n\n" + "\n".join(aliases) + "\n\n" + "\n".join(overloads)


def stubs() -> dict[Path, str]:
    """Return the text of each stub by its path."""
    texts = {}
    for path in sorted(PACKAGE.rglob("__init__.py")):
        if exports := read_exports(path.read_text("utf-8")):
            package = ".".join(("kerasrecipes", *path.parent.relative_to(PACKAGE).parts))
            text = HEADER
            if package == "kerasrecipes":
                in_load = tuple(entry.model.partition(":")[2] for entry in TASK_MODELS.values())
                text += IMPORTS + import_lines(package, exports, ("load", *in_load)) + load_overloads() + "\n__version__: str\n"
            else:
                text += import_lines(package, exports)
            texts[path.with_suffix(".pyi")] = text
    return texts


if __name__ == "__main__":
    for path, text in stubs().items():
        path.write_text(text, "utf-8")
