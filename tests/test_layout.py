"""The layout of kerasrecipes: every room imports only rooms below it, and no modules import each other in a ring.

Imports inside functions count too. `make lint` runs this file.
"""

import ast
import graphlib

import pytest
from paths import ROOT

# from the top down
ROOMS = (
    "__main__", "cli", "serving", "experiments", "release", "data_prep", "training", "export", "batch", "visualize", "testing", "loading",
    "engines", "tasks", "inference", "data", "graph", "decoding", "recipes", "layers", "losses", "hub", "registry", "metrics", "results",
    "image", "audio", "utils", "_lazy", "errors",
)  # fmt: skip


def read_modules(package):
    """Return {module name: syntax tree} of all files of a package."""
    trees = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        trees[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text("utf-8"))
    return trees


def read_imports(trees):
    """Return {module: modules that it imports}. The package itself imports its names lazily and is left out."""
    imports = {}
    for name, tree in trees.items():
        targets = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                full_names = {f"{node.module}.{alias.name}" for alias in node.names}
                targets |= (full_names & trees.keys()) | ({node.module} if full_names - trees.keys() else set())
        imports[name] = {t for t in targets if t in trees and t != name and "." in t}
    return {name: targets for name, targets in imports.items() if "." in name}


def room(module):
    return module.split(".")[1]


def problems(imports):
    """Return a sentence for each unknown room, upward import and ring."""
    unknown = sorted({room(m) for m in imports} - set(ROOMS))
    sentences = [f"{name} is no room of the layout: add it to ROOMS, below all that import it" for name in unknown]
    for module, targets in imports.items():
        for target in sorted(targets):
            if not {room(module), room(target)} & set(unknown) and ROOMS.index(room(target)) < ROOMS.index(
                room(module)
            ):
                sentences.append(f"{module} imports {target}, but {room(target)} is above {room(module)}")
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        sentences.append(f"these modules import each other in a ring: {' <- '.join(error.args[1])}")
    return sentences


def test_imports_point_down_and_form_no_ring():
    found = problems(read_imports(read_modules(ROOT / "kerasrecipes")))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("files", "message"), [
    ({"data/a": "def f():\n    from p.training import b", "training/b": ""}, "p.data.a imports p.training.b, but training is above data"),
    ({"data/a": "import p.audio", "audio": "from p.data.a import x"}, "p.audio imports p.data.a, but data is above audio"),
    ({"data/a": "from p.data import b", "data/b": "from p.data.a import x"}, "in a ring: p.data."),
    ({"attic/a": ""}, "attic is no room of the layout"),
])  # fmt: skip
def test_violations_are_reported(tmp_path, files, message):
    for name, source in files.items():
        path = tmp_path / "p" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    assert any(message in sentence for sentence in problems(read_imports(read_modules(tmp_path / "p"))))
