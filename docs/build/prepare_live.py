"""Write docs/live/files/, the files that the live demos load. Run it before `mkdocs build`.

onnxruntime-web comes from the package's cache (`kerasrecipes.hub.web_runtime`). docs/live/*.files.yaml list the other files of each demo:

    file: deepspeech2_small.onnx       name in files/
    recipe: deepspeech2_small          a network: the released ONNX file, or with `export` a new file
    part: step                         the step graph of the network
    export: {activations: true}        options of `kerasrecipes.export.export`; it takes about 15 s once
    copy: tests/fixtures/clip.mp3      copy a file of this repository
    make: live_files.write_digits      call a function of a module in docs/build: (path) -> None; with `recipe`, it uses its weights
    credit: ...                        author and license; files.json takes all other fields of the row too

If a recipe has no released weights, the script prints this and leaves out the file, and the demo shows a message. Files that are up
to date are not written again.
"""

import hashlib
import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kerasrecipes.engines.open import STEP_SUFFIX
from kerasrecipes.errors import WeightsUnavailable
from kerasrecipes.export.exporter import export
from kerasrecipes.export.web_page import describe_file
from kerasrecipes.hub import manifest, web_runtime, weights
from kerasrecipes.registry import get_recipe
from kerasrecipes.utils.files import sha256_file

ROOT = Path(__file__).resolve().parents[2]
LIVE = ROOT / "docs" / "live"
FILES = LIVE / "files"
CACHE = ROOT / "build" / "live"  # exports with the outputs of Keras
BUILD_KEYS = ("file", "recipe", "part", "export", "copy", "make")  # fields of a row that files.json leaves out


def main() -> None:
    FILES.mkdir(parents=True, exist_ok=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    list_path = FILES / "files.json"
    old_entries = json.loads(list_path.read_text("utf-8")) if list_path.exists() else {}
    entries: dict[str, dict[str, Any]] = {}
    for name, key, write, fields in list_files():
        path, old = FILES / name, old_entries.get(name, {})
        if old.get("key") != key or not path.exists() or path.stat().st_size != old["size"]:
            print(f"docs/live/files/{name}", file=sys.stderr)
            partial = CACHE / f"partial-{name}"
            write(partial)
            partial.replace(path)
        entries[name] = {**fields, **describe_file(path), "key": key}
    for path in FILES.iterdir():
        if path.name not in entries and path != list_path:
            path.unlink()
    partial = CACHE / "files.json"
    partial.write_text(json.dumps(entries, ensure_ascii=False, indent=1), "utf-8")
    partial.replace(list_path)


def list_files() -> Iterator[tuple[str, str, Any, dict[str, Any]]]:
    """Yield (name, key, write, fields) for each file. It is up to date if its key is the same. `write` takes the path."""
    for name, file in web_runtime.RUNTIME_FILES.items():
        yield name, file.sha256, lambda path, name=name: shutil.copyfile(web_runtime.runtime_paths()[name], path), {}
    for table in sorted(LIVE.glob("*.files.yaml")):
        for row in yaml.safe_load(table.read_text("utf-8")):
            name, fields = row["file"], {k: v for k, v in row.items() if k not in BUILD_KEYS}
            if "copy" in row:
                source = ROOT / row["copy"]
                yield name, sha256_file(source), lambda path, source=source: shutil.copy(source, path), fields
            else:
                try:
                    key, write = plan_function(row) if "make" in row else plan_network(row)
                except WeightsUnavailable as error:
                    print(f"docs/live/files/{name} is left out: {error}", file=sys.stderr)
                    continue
                yield name, key, write, fields


def plan_function(row: dict[str, Any]) -> tuple[str, Any]:
    """Return (key, write) of a file that a function in docs/build writes. The key changes with the code, the network and the weights.

    Raises:
        WeightsUnavailable: the recipe has no released weights.
    """
    module, _, function = row["make"].rpartition(".")
    code = importlib.import_module(module or "live_files")
    content = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("live_*.py")))
    if "recipe" in row:
        content += manifest.get_entry(row["recipe"]).sha256.encode() + recipe_file(row["recipe"]).read_bytes()
    return hashlib.sha256(content).hexdigest(), getattr(code, function)


def recipe_file(name: str) -> Path:
    """Return the file of a recipe's network, which may change while its weights stay the same."""
    return ROOT / f"{get_recipe(name).builder.partition(':')[0].replace('.', '/')}.py"


def plan_network(row: dict[str, Any]) -> tuple[str, Any]:
    """Return (key, write) of the ONNX file of a recipe.

    Raises:
        WeightsUnavailable: the recipe has no released weights.
    """
    name, options, part = row["recipe"], row.get("export"), row.get("part", "whole")
    entry = manifest.get_entry(name)
    if options is None:
        path = weights.onnx_path(entry, step=part == "step")
        return sha256_file(path), lambda target: shutil.copy(path, target)
    exporters = sorted((ROOT / "kerasrecipes" / "export").glob("*.py"))
    code = [recipe_file(name), *(path for path in exporters if not path.name.startswith("web_"))]
    content = json.dumps([entry.sha256, options, part, *(sha256_file(p) for p in code)])
    key = hashlib.sha256(content.encode()).hexdigest()
    return key, lambda target: export_network(name, options, part, key, target)


def export_network(name: str, options: dict[str, Any], part: str, key: str, target: Path) -> None:
    """Export a network. A copy stays in build/live with golden values for the tests."""
    stem = Path(target.name.removeprefix("partial-")).stem
    export(name, CACHE, name=stem, force=True, report=lambda s: print(s, file=sys.stderr), **options)
    shutil.copy(CACHE / f"{stem}{STEP_SUFFIX if part == 'step' else ''}.onnx", target)


if __name__ == "__main__":
    main()
