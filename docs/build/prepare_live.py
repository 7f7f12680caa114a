"""Write docs/live/files/, what the live demos load: run before `mkdocs build`.

onnxruntime-web comes from npm, at one version with known hashes. What else there is stands in docs/live/*.files.yaml, a list
of rows per demo:

    file: deepspeech2_small.onnx       its name in files/
    recipe: deepspeech2_small          a network: the released ONNX file, or with `export` a file made for the page
    part: step                         ... its step graph
    export: {activations: true}        ... options of `kerasrecipes.export.export`; takes some 15 s once
    copy: tests/fixtures/clip.mp3          a file of this repository as it is
    make: live_files.digits            a function of a module of docs/: (path) -> None; with `recipe`, made of its weights
    credit: ...                        who made it, under which license; whatever else a row holds goes into files.json too

A recipe without released weights is left out with a sentence, and its demo says so. What is up to date is kept.
"""

import gzip
import hashlib
import importlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kerasrecipes.engines.onnx_metadata import read_description
from kerasrecipes.engines.open import STEP_SUFFIX
from kerasrecipes.errors import WeightsUnavailable
from kerasrecipes.export.exporter import export
from kerasrecipes.hub import manifest, weights
from kerasrecipes.utils.files import sha256_file

ROOT = Path(__file__).resolve().parents[2]
LIVE = ROOT / "docs" / "live"
FILES = LIVE / "files"
KEPT = ROOT / "build" / "live"  # exports with Keras's outputs beside them, and npm's package
RUNTIME = "onnxruntime-web@1.30.0"
VENDORED = {  # of the package: name in files/, SHA-256
    "dist/ort.wasm.bundle.min.mjs": ("ort.mjs", "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"),
    "dist/ort-wasm-simd-threaded.wasm": (
        "ort.wasm.gz",
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
}
OWN = ("file", "recipe", "part", "export", "copy", "make")  # what a row tells this script alone


def main() -> None:
    FILES.mkdir(parents=True, exist_ok=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    told_before = FILES / "files.json"
    before = json.loads(told_before.read_text("utf-8")) if told_before.exists() else {}
    found: dict[str, dict[str, Any]] = {}
    for name, key, write, facts in wanted():
        path, known = FILES / name, before.get(name, {})
        if known.get("key") != key or not path.exists() or path.stat().st_size != known["size"]:
            print(f"docs/live/files/{name}", file=sys.stderr)
            partial = KEPT / f"partial-{name}"
            write(partial)
            partial.replace(path)
            known = {"hash": sha256_file(path), "size": path.stat().st_size}
            if name.endswith(".onnx"):
                known["told"] = shown(read_description(path))
        found[name] = {**{k: known[k] for k in ("hash", "size", "told") if k in known}, **facts, "key": key}
    for path in FILES.iterdir():
        if path.name not in found and path != told_before:
            path.unlink()
    partial = KEPT / "files.json"
    partial.write_text(json.dumps(found, ensure_ascii=False, indent=1), "utf-8")
    partial.replace(told_before)


def shown(told: dict[str, Any]) -> dict[str, Any]:
    """Of a network's description what pages use."""
    return {k: v for k, v in told.items() if k not in ("row", "decoder", "weights_hash")}


def wanted() -> Iterator[tuple[str, str, Any, dict[str, Any]]]:
    """(name, key, write, facts) of every file: a file is up to date while its key is the same; `write` takes the path."""
    for inside, (name, hash) in VENDORED.items():
        yield name, hash, lambda path, inside=inside, hash=hash: vendored(inside, hash, path), {}
    for table in sorted(LIVE.glob("*.files.yaml")):
        for row in yaml.safe_load(table.read_text("utf-8")):
            name, facts = row["file"], {k: v for k, v in row.items() if k not in OWN}
            if "copy" in row:
                source = ROOT / row["copy"]
                yield name, sha256_file(source), lambda path, source=source: shutil.copy(source, path), facts
            else:
                try:
                    key, write = made(row) if "make" in row else network(row)
                except WeightsUnavailable as error:
                    print(f"docs/live: {name} is left out: {error}", file=sys.stderr)
                    continue
                yield name, key, write, facts


def made(row: dict[str, Any]) -> tuple[str, Any]:
    """(key, write) of what a function of docs/ makes; the key changes with the code that makes files, and with the weights.

    Raises:
        WeightsUnavailable: of its recipe nothing is released.
    """
    module, _, function = row["make"].rpartition(".")
    code = importlib.import_module(module or "live_files")
    said = b"".join(path.read_bytes() for path in sorted((ROOT / "docs").glob("live_*.py")))
    if "recipe" in row:
        said += manifest.get_entry(row["recipe"]).sha256.encode()
    return hashlib.sha256(said).hexdigest(), getattr(code, function)


def network(row: dict[str, Any]) -> tuple[str, Any]:
    """(key, write) of a recipe's file.

    Raises:
        WeightsUnavailable: nothing is released.
    """
    name, options, part = row["recipe"], row.get("export"), row.get("part", "whole")
    released = manifest.get_entry(name)
    if options is None:
        path = weights.onnx_path(released, step=part == "step")
        return sha256_file(path), lambda target: shutil.copy(path, target)
    code = sorted((ROOT / "kerasrecipes" / "export").glob("*.py"))
    said = json.dumps([released.sha256, options, part, *(sha256_file(p) for p in code)])
    key = hashlib.sha256(said.encode()).hexdigest()
    return key, lambda target: exported(name, options, part, key, target)


def exported(name: str, options: dict[str, Any], part: str, key: str, target: Path) -> None:
    """An export, kept in build/live with its golden values for the tests."""
    stem = Path(target.name.removeprefix("partial-")).stem
    export(name, KEPT, name=stem, report=lambda s: print(s, file=sys.stderr), **options)
    shutil.copy(KEPT / f"{stem}{STEP_SUFFIX if part == 'step' else ''}.onnx", target)


def vendored(inside: str, hash: str, target: Path) -> None:
    """One file of onnxruntime-web; WebAssembly packed by gzip, which plain hosts do not do by themselves (14.2 -> 3.7 MB)."""
    with tarfile.open(package()) as archive:
        file = archive.extractfile(f"package/{inside}")
        assert file
        content = file.read()
    if hashlib.sha256(content).hexdigest() != hash:
        raise SystemExit(f"{inside} of {RUNTIME} is not the file that this project knows: remove {KEPT} and try again")
    target.write_bytes(gzip.compress(content, 9, mtime=0) if target.name.endswith(".gz") else content)


def package() -> Path:
    """npm's archive, fetched once."""
    path = KEPT / f"{RUNTIME.replace('@', '-')}.tgz"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=KEPT) as place:
            try:
                command = ["npm", "pack", "--silent", RUNTIME, "--pack-destination", place]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            except FileNotFoundError:
                raise SystemExit(
                    "The live demos take onnxruntime-web from npm: install npm (apt-get install npm)"
                ) from None
            except subprocess.CalledProcessError:
                raise SystemExit(f"npm could not fetch {RUNTIME}: is a package registry within reach?") from None
            next(Path(place).glob("*.tgz")).replace(path)
    return path


if __name__ == "__main__":
    main()
