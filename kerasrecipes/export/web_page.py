"""Web page of a network: `kerasrecipes export NAME --web FOLDER`. Its JavaScript is that of the documentation's live pages."""

import html
import json
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes import __version__
from kerasrecipes.engines.onnx_metadata import read_description
from kerasrecipes.errors import ExportError, KerasRecipesError
from kerasrecipes.export import web_source
from kerasrecipes.export.exporter import move_into_place
from kerasrecipes.hub import web_runtime
from kerasrecipes.utils.files import sha256_file
from kerasrecipes.utils.partial_folder import PREFIX, make_partial_folder

ASSETS = Path(__file__).parents[1] / "assets"
SCRIPTS, TEMPLATE = ASSETS / "web", ASSETS / "network_page"
STYLES = ("live.css", "page.css")
PAGE_FILE, LIST_FILE = "page.json", "files.json"  # in the folder `files` of a page
SCRIPT_NAME = re.compile(r'"(?:\./)?([a-z_]+\.js)"')  # in an import, or the address of a worker
INTRODUCTIONS = {  # by task
    "speech-recognition": (
        "Press Speak, talk, and press Stop, or choose a recording. The words appear with the second at which each begins, and a click "
        "plays a word. Paler words are less certain. The recognizer runs in this page, and the audio stays on your device."
    ),
    "phoneme-recognition": (
        "Press Speak, talk, and press Stop, or choose a recording. The phonemes appear with the second at which each begins, and a click "
        "plays a phoneme. Paler ones are less certain. The recognizer runs in this page, and the audio stays on your device."
    ),
    "image-classification": (
        "Choose an image, or press Camera. The bars show the most likely classes with their probabilities. The network runs in this page, "
        "and the image stays on your device."
    ),
}
HIDDEN_FIELDS = ("row", "decoder", "weights_hash")  # of a network's metadata, which pages do not use


def export_web_page(
    model: Any, folder: str | Path, *, phrases: Sequence[str] = (), rejection_cost: float | None = None, float16: bool = False,
    int8: bool = False, opset: int = 17, force: bool = False, report: Callable[[str], Any] | None = None,
) -> Path:  # fmt: skip
    """Write a folder with a web page that runs a speech recognizer or an image classifier on the reader's device.

    The page of a recognizer reads the microphone and audio files, and writes words with their times: the best path, as
    `decoder="greedy"` does, or the phrases of a closed list. That of a classifier reads the camera and image files. A page works on any
    web server and asks nothing of other hosts. onnxruntime-web, which runs the network, is fetched once and kept in the package's cache.

    Args:
        model: Name of a recipe with released weights, "hf://org/name@revision", a `.onnx` or `.keras` file, the folder of a training
            run or of `kerasrecipes teach`, or a loaded model.
        folder: Folder of the page. One that holds the page of the same model is replaced once the new one is complete.
        phrases: Closed list of phrases. Default: those of `kerasrecipes teach` if the model comes from it, else none.
        rejection_cost: As in `transcribe`. Default: the best of `kerasrecipes teach`, else 2.
        float16: Store the weights of a newly exported network as float16. Released files have it anyway.
        int8: Store its matrices as int8.
        opset: As for `export`.
        force: Replace the page of another model. Default False.
        report: Called with a sentence about each step.

    Returns:
        The page, `index.html` in the folder.

    Raises:
        ExportError: The model's task has no pages, or the folder holds other files or the page of another model.
        KerasRecipesError: The runtime or the model cannot be fetched, or a phrase cannot be written.

    Example:
        >>> kerasrecipes.export.export_web_page("wav2letter_small", "page")
        PosixPath('page/index.html')
    """
    say = report or (lambda sentence: None)
    target, source = Path(folder), web_source.hash_page_source(model)
    web_source.check_task(model)
    check_target(target, source, force)
    taught_phrases, taught_cost = ([], None) if phrases else web_source.find_phrases(model)
    phrases = phrases or taught_phrases
    if rejection_cost is not None and not phrases:
        raise KerasRecipesError("A rejection cost is for phrases: pass --phrases FILE (phrases=[...]) too")
    runtime = web_runtime.runtime_paths()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with make_partial_folder(target.parent) as work:
            network = web_source.find_network(model, work, float16=float16, int8=int8, opset=opset, report=say)
            cost = taught_cost if rejection_cost is None else rejection_cost
            closed_list = web_source.describe_phrases(network.model, list(phrases), cost)
            name = web_source.page_name(model)
            write_page(work / "page", name, network, closed_list, runtime, source)
            size = sum(path.stat().st_size for path in (work / "page").rglob("*") if path.is_file())
            move_into_place(work / "page", target)
    except OSError as error:
        raise ExportError(f"{target} cannot be written ({error.strerror or error}): choose another folder with --web") from error
    listed = f", {len(closed_list['texts'])} phrases" if closed_list else ""
    say(f"{target}: {size / 1e6:.1f} MB{listed}")
    return target / "index.html"


def check_target(target: Path, source: str, force: bool) -> None:
    """Check that a folder may be written: it is missing or empty, or holds a page of the same source.

    Args:
        target: The folder.
        source: Value of `hash_page_source`.
        force: The page may be that of another source.

    Raises:
        ExportError: It may not.
    """
    if target.resolve() == Path.cwd() or target.resolve() in Path.cwd().parents:
        raise ExportError(f"{target} is the current folder or contains it: choose a folder in it, for instance --web page")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ExportError(f"{target} is no folder: choose another name with --web")
    if not target.exists() or all(path.name.startswith(PREFIX) for path in target.iterdir()):
        return
    try:
        owner = json.loads((target / "files" / PAGE_FILE).read_text("utf-8"))["source"]
    except (OSError, ValueError, KeyError, TypeError):  # no such file, or a damaged one
        raise ExportError(f"{target} holds files that are not a page of this command: choose a new folder with --web") from None
    if owner != source and not force:
        raise ExportError(
            f"{target} holds the page of another model: pass --force (force=True) to replace it, or another folder with --web"
        )


def write_page(
    folder: Path, name: str, network: web_source.WebNetwork, phrases: dict[str, Any] | None, runtime: dict[str, Path], source: str
) -> None:
    """Write all files of a page into a new folder.

    Args:
        folder: The folder.
        name: Title of the page, and name of the network's file.
        network: The network.
        phrases: Result of `describe_phrases`.
        runtime: Result of `runtime_paths`.
        source: Value of `hash_page_source`.
    """
    files, part = folder / "files", "step" if network.metadata["part"] == "step" else ""
    files.mkdir(parents=True)
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", name)  # safe in an address
    file_name = f"{stem}.{part}" if part else stem
    shutil.copyfile(network.path, files / f"{file_name}.onnx")
    for runtime_name, path in runtime.items():
        shutil.copyfile(path, files / runtime_name)
    page = {
        "kerasrecipes": __version__, "source": source, "task": network.metadata["task"], "network": file_name,
        "streaming": bool(part), "phrases": phrases,
    }  # fmt: skip
    (files / PAGE_FILE).write_text(json.dumps(page, ensure_ascii=False), "utf-8")
    listing = {path.name: describe_file(path) for path in sorted(files.iterdir())}
    (files / LIST_FILE).write_text(json.dumps(listing, ensure_ascii=False), "utf-8")
    for path in (*list_scripts(TEMPLATE / "page.js"), *(SCRIPTS / style for style in STYLES)):
        shutil.copyfile(path, folder / path.name)
    recipe, row = network.metadata["recipe"], network.metadata.get("row") or {}
    values = {
        "title": name, "recipe": recipe, "introduction": INTRODUCTIONS[network.metadata["task"]], "version": web_runtime.VERSION,
        "weights": row.get("license") or "of the author of this page", "notice": read_notice(recipe) if row else "",
    }  # fmt: skip
    for template in ("index.html", "LICENSES.txt"):
        text = fill_template((TEMPLATE / template).read_text("utf-8"), values, html.escape if template.endswith("html") else str)
        (folder / template).write_text(text, "utf-8")


def read_notice(recipe: str) -> str:
    """Return the license of released weights that must come with every copy of them, "" where none must."""
    path = ASSETS / f"{recipe.upper()}_LICENSE.txt"
    return f"\n{path.read_text('utf-8').strip()}\n" if path.is_file() else ""


def describe_file(path: Path) -> dict[str, Any]:
    """Return the entry of a file in the list that pages load first: hash, size, and the metadata of a network."""
    entry: dict[str, Any] = {"hash": sha256_file(path), "size": path.stat().st_size}
    if path.suffix == ".onnx":
        entry["metadata"] = {k: v for k, v in read_description(path).items() if k not in HIDDEN_FIELDS}
    return entry


def list_scripts(script: Path) -> list[Path]:
    """Return a script of a page and all scripts of the package that it needs, as their imports and workers name them."""
    paths, pending = [script], [script]
    while pending:
        for name in SCRIPT_NAME.findall(pending.pop().read_text("utf-8")):
            if (path := SCRIPTS / name) not in paths:
                paths.append(path)
                pending.append(path)
    return paths


def fill_template(text: str, values: dict[str, str], escape: Callable[[str], str]) -> str:
    """Return a template with values in place of {{name}}."""
    parts: Iterable[str] = re.split(r"\{\{(\w+)\}\}", text)
    return "".join(escape(values[part]) if i % 2 else part for i, part in enumerate(parts))
