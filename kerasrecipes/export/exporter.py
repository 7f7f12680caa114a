"""Recipes in other formats: `kerasrecipes export NAME --format onnx --out FOLDER`.

Written on the TensorFlow backend in a process of its own, whatever the caller's backend (the torch backend writes wrong
recurrences, JAX fails on strided convolutions), reopened, and compared with Keras before it gets its final name.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.engines.open import STEP_SUFFIX
from kerasrecipes.errors import ExportError

OPSETS = (15, 18)  # what tf2onnx writes right
TIMEOUT = 3600  # seconds


@dataclass(frozen=True)
class Format:
    """What a format needs and holds.

    Args:
        files: endings of what is written; "" is a folder.
        packages: that must be installed. recurrent: whether it holds recurrent layers. options: of `export` that it knows.
    """

    files: tuple[str, ...]
    packages: tuple[str, ...]
    recurrent: bool = True
    options: tuple[str, ...] = ("activations", "float16")


ONNX_PACKAGES = ("tensorflow", "tf2onnx", "onnx", "onnxruntime")
FORMATS = {
    "onnx": Format((".onnx",), ONNX_PACKAGES, options=("activations", "float16", "int8")),
    "tf_saved_model": Format(("",), ("tensorflow",), options=("activations",)),
    "litert": Format((".tflite", ".json"), ("tensorflow",), recurrent=False),
    "openvino": Format((".xml", ".bin"), (*ONNX_PACKAGES, "openvino"), options=("activations", "float16", "int8")),
}


def export(
    model: Any, folder: str | Path, format: str = "onnx", *, activations: bool | Sequence[str] = False,
    float16: bool = False, int8: bool = False, opset: int = 17, name: str | None = None,
    report: Callable[[str], Any] | None = None,
) -> Path:  # fmt: skip
    """Write a model in another format, and inputs with Keras's outputs beside it (NAME.npz).

    A recipe that can go on from a state (a streaming recogniser, a language model) also gets NAME.step and its golden
    values: one piece of the input, its position, the utterance's length and the states in; logits and the next states out.

    Args:
        model: the name of a recipe with released weights, a `.keras` file, a training's folder, or a loaded model with whatever
            weights it has.
        folder: made if it is not there. What has the same names in it is replaced, when the new files are whole.
        format: "onnx", "tf_saved_model", "litert" or "openvino".
        activations: also give the output of every layer, under the layers' names; or of the layers of these names.
        float16: store weights in half precision; the arithmetic stays in float32.
        int8: store trained matrices and kernels in eight bits with a factor per output; likewise. Both may be given.
        opset: of ONNX, 15 to 18.
        name: of the files; default: the recipe's.
        report: called with a sentence about each file: its size, and how far it is from Keras.

    Returns:
        The file (for "tf_saved_model" the folder).

    Raises:
        ExportError: the format cannot hold the recipe, a package is missing, or the written file's outputs are not Keras's.

    Example:
        >>> kerasrecipes.export.export("deepspeech2_small", "exported")
        PosixPath('exported/deepspeech2_small.onnx')
    """
    from kerasrecipes import loading

    known = check_format(format, activations=bool(activations), float16=float16, int8=int8)
    if not OPSETS[0] <= opset <= OPSETS[1]:
        raise ExportError(f"opset {opset}: from {OPSETS[0]} to {OPSETS[1]}")
    if isinstance(model, str | Path) and Path(model).is_dir() and loading.is_saved_model(str(model)):
        model = loading.load(model, compile=False)
    recipe = recipe_for(model)
    check_supported(recipe, format, known)
    name, folder = name or recipe.name, Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = tempfile.TemporaryDirectory(prefix=".partial-", dir=folder)
    except OSError as error:
        raise ExportError(f"{folder} cannot be written ({error.strerror}): choose another folder with --out") from error
    with partial as place:
        saved = None
        if not isinstance(model, str | Path):
            saved = str(Path(place) / "model.keras")
            model.save(saved)
        elif str(model).endswith(".keras"):
            saved = str(model)
        request = {
            "recipe": None if saved else str(model), "saved": saved, "folder": place, "name": name, "format": format,
            "activations": activations if isinstance(activations, bool) else list(activations), "float16": float16,
            "int8": int8, "opset": opset, "step": known.recurrent,
        }  # fmt: skip
        run_worker(request, Path(place))
        if report:
            for sentence in report_lines(Path(place), name, known):
                report(sentence)
        for part in (name, f"{name}{STEP_SUFFIX}"):
            for ending in (*known.files, ".npz"):
                if (Path(place) / f"{part}{ending}").exists():
                    move_into_place(Path(place) / f"{part}{ending}", folder / f"{part}{ending}")
    return folder / f"{name}{known.files[0]}"


def report_lines(place: Path, name: str, known: Format) -> Iterator[str]:
    """What was measured about each file."""
    measured = json.loads((place / "report.json").read_text("utf-8"))["parts"]
    for part, values in zip((name, f"{name}{STEP_SUFFIX}"), measured, strict=False):
        paths = [path for ending in known.files if (path := place / f"{part}{ending}").exists()]
        files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
        yield (
            f"{paths[0].name}: {sum(file.stat().st_size for file in files) / 1e6:.2f} MB; logits differ from Keras's by at most "
            f"{values['error']:.1e} of the largest, the best symbol is the same in {100 * values['same']:.2f} % of all places"
        )


def check_format(name: str, **options: bool) -> Format:
    """The format of that name.

    Raises:
        ExportError: there is none, it lacks an option, or a package that it needs is not installed.
    """
    if name not in FORMATS:
        raise ExportError(f"There is no format {name!r}; there are {', '.join(FORMATS)}")
    found = FORMATS[name]
    for option, wanted in options.items():
        if wanted and option not in found.options:
            raise ExportError(f"{name} has no {option}: leave it out, or take --format onnx")
    missing = [package for package in found.packages if not importlib.util.find_spec(package)]
    if missing:
        extras = "tensorflow,export" + (",openvino" if "openvino" in missing else "")
        raise ExportError(f'--format {name} needs {", ".join(missing)}: pip install "kerasrecipes[{extras}]"')
    return found


def recipe_for(model: Any) -> Any:
    """The recipe of a name, a `.keras` file or a loaded model."""
    from kerasrecipes import registry
    from kerasrecipes.hub import manifest

    if not isinstance(model, str | Path):
        return model.recipe
    if str(model).endswith(".keras"):
        return recipe_in_keras_file(Path(model))
    recipe = registry.get_recipe(str(model))
    manifest.get_entry(recipe.name)  # released weights there must be
    return recipe


def recipe_in_keras_file(path: Path) -> Any:
    """The recipe that a `.keras` file is of, read without building it.

    Raises:
        ExportError: there is no such file, or it is none of ours.
    """
    import zipfile

    from kerasrecipes import registry

    if not path.is_file():
        raise ExportError(f"There is no file {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            name = json.loads(archive.read("config.json"))["config"]["recipe"]
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{path} is no file that a model of kerasrecipes was saved in (model.save)") from error
    return registry.get_recipe(name)


def check_supported(recipe: Any, name: str, known: Format) -> None:
    """Refuse what a format cannot hold, before anything starts.

    Raises:
        ExportError: says which formats can.
    """
    if not known.recurrent and is_recurrent(recipe.config):
        others = [n for n, f in FORMATS.items() if f.recurrent]
        raise ExportError(
            f"{name} has no recurrent layers of any length, as {recipe.name} has them: take --format {' or '.join(others)}"
        )


def is_recurrent(config: Any) -> bool:
    """Whether a recipe's configuration speaks of a recurrence (`cell`, `recurrent_units`, `recurrent_clip`)."""
    spoken = any(key == "cell" or key.startswith("recurrent_") for key in config)
    return spoken and config.get("recurrent_layers", 1) > 0


def run_worker(request: dict[str, Any], place: Path) -> None:
    """Run `kerasrecipes.export.worker` on a request.

    Raises:
        ExportError: with the worker's own message.
    """
    path = place / "request.json"
    path.write_text(json.dumps(request), "utf-8")
    env = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    env.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    done = subprocess.run(
        [sys.executable, "-m", "kerasrecipes.export.worker", str(path)], env=env, capture_output=True, text=True,
        timeout=TIMEOUT,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
        message = last.partition(": ")[2] if done.returncode == 3 else f"The export failed: {last}"
        raise ExportError(message)


def move_into_place(source: Path, target: Path) -> None:
    """Move a file, or a folder in place of another, to its final name."""
    if source.is_dir() and target.is_dir():
        target.replace(old := source.with_name("old"))
        source.replace(target)
        import shutil

        shutil.rmtree(old)
    else:
        source.replace(target)
