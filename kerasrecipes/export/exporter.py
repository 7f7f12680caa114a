"""Export recipes to other formats: `kerasrecipes export NAME --format onnx --output FOLDER`.

Files are written on the TensorFlow backend in a process of its own, whatever the caller's backend (tracing the torch backend
gives wrong recurrences, JAX fails on strided convolutions). A file gets its final name after it has been reopened and its
outputs compared with Keras's.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kerasrecipes.engines.open import STEP_SUFFIX
from kerasrecipes.errors import ExportError, convert_errors
from kerasrecipes.export.formats import FORMATS, Format
from kerasrecipes.export.sources import check_owner, hash_source, saved_stem
from kerasrecipes.utils.partial_folder import make_partial_folder

OPSETS = (15, 18)  # the range that tf2onnx writes correctly
TIMEOUT = 3600  # seconds
MAX_CONFIG_BYTES = 10_000_000  # of a `.keras` file; those of the recipes have 0.1 MB


def export(
    model: Any, folder: str | Path, format: str = "onnx", *, activations: bool | Sequence[str] = False,
    float16: bool = False, int8: bool = False, opset: int = 17, name: str | None = None, force: bool = False,
    report: Callable[[str], Any] | None = None,
) -> Path:  # fmt: skip
    """Write a model in another format, and test inputs with Keras's outputs beside it (NAME.npz).

    A recipe that can continue from a state (a streaming recognizer, a language model) also gets NAME.step and its test
    inputs: from a chunk of the input, its position, the utterance's length and the states to logits and the next states.

    Args:
        model: Name of a recipe with released weights, "hf://org/name@revision", a `.keras` file, the folder of a training
            run, or a loaded model with whatever weights it has.
        folder: Output folder, created if missing. Files of the same source are replaced once the new ones are complete.
        format: A key of `FORMATS`: "onnx", "tf_saved_model", "litert" or "openvino".
        activations: Add the output of every layer (True) or of the named layers, under the layers' names.
        float16: Store trained weights as float16; the arithmetic stays float32.
        int8: Store trained matrices and kernels as int8 with one factor per output; the arithmetic stays float32. May be
            combined with `float16`.
        opset: ONNX opset, 15 to 18.
        name: Stem of the files. Default: the name of the `.keras` file or run folder, else the recipe's.
        force: Replace files of the same names that were written from another source. Default False.
        report: Called with a sentence about each file: its size and its difference from Keras.

    Returns:
        The file (for "tf_saved_model" the folder).

    Raises:
        ExportError: The format cannot hold the recipe, a package is missing, a file of another source has the name, or the
            file's outputs differ from Keras's.

    Example:
        >>> kerasrecipes.export.export("deepspeech2_small", "exported")
        PosixPath('exported/deepspeech2_small.onnx')
    """
    from kerasrecipes import loading
    from kerasrecipes.tasks import saved_models

    target = check_format(format, activations=bool(activations), float16=float16, int8=int8)
    if not OPSETS[0] <= opset <= OPSETS[1]:
        raise ExportError(f"opset {opset} is not supported: choose {OPSETS[0]} to {OPSETS[1]}")
    source, name = hash_source(model), name or saved_stem(model)
    if isinstance(model, str | Path) and Path(model).is_dir() and saved_models.is_saved_model(str(model)):
        model = loading.load(model, compile=False)
    recipe = recipe_for(model)
    check_supported(recipe, format)
    name, folder = name or recipe.name, Path(folder)
    parts = (name, f"{name}{STEP_SUFFIX}")
    if not force:
        check_owner(
            source, [folder / f"{part}{e}" for part in parts for e in target.extensions], folder / f"{name}.npz"
        )
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial = stack.enter_context(make_partial_folder(folder))
        except OSError as error:
            raise ExportError(
                f"{folder} cannot be written ({error.strerror}): choose another folder with --output"
            ) from error
        saved = None
        if not isinstance(model, str | Path):
            saved = str(partial / "model.keras")
            model.save(saved)
        elif str(model).endswith(".keras"):
            saved = str(model)
        request = {
            "recipe": None if saved else str(model), "saved": saved, "folder": str(partial), "name": name, "format": format,
            "activations": activations if isinstance(activations, bool) else list(activations), "float16": float16,
            "int8": int8, "opset": opset, "step": target.recurrent, "source": source.tolist(),
        }  # fmt: skip
        run_worker(request, partial)
        if report:
            for sentence in report_lines(partial, name, target):
                report(sentence)
        for part in parts:
            for extension in (*target.extensions, ".npz"):
                if (partial / f"{part}{extension}").exists():
                    move_into_place(partial / f"{part}{extension}", folder / f"{part}{extension}")
    return folder / f"{name}{target.extensions[0]}"


def export_to_cache(name: str, *, opset: int = 17, report: Callable[[str], Any] | None = None) -> Path:
    """Write the ONNX file that `load(name, engine=...)` opens for a recipe without a released ONNX file.

    Args:
        name: Name of a recipe with released weights, or "hf://org/name@revision".
        opset: As for `export`.
        report: As for `export`.

    Returns:
        The file, with float16 weights as in released files.
    """
    from kerasrecipes.engines.onnx_cache import cache_path
    from kerasrecipes.hub.weights import find_entry

    path = cache_path(find_entry(name))
    return export(name, path.parent, float16=True, opset=opset, name=path.stem, force=True, report=report)


def report_lines(folder: Path, name: str, target: Format) -> Iterator[str]:
    """Yield a sentence about each written file."""
    with convert_errors(ExportError, folder / "report.json"):
        reports = json.loads((folder / "report.json").read_text("utf-8"))["parts"]
    for part, values in zip((name, f"{name}{STEP_SUFFIX}"), reports, strict=False):
        paths = [path for extension in target.extensions if (path := folder / f"{part}{extension}").exists()]
        files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
        yield (
            f"{paths[0].name}: {sum(file.stat().st_size for file in files) / 1e6:.2f} MB; its logits differ from Keras's by at "
            f"most {values['error']:.1e} of the largest, and the best label is the same at {100 * values['same']:.2f} % of "
            "all positions"
        )


def check_format(name: str, **options: bool) -> Format:
    """Return the format of a name.

    Raises:
        ExportError: There is no such format, it lacks an option, or a package that it needs is not installed.
    """
    if name not in FORMATS:
        raise ExportError(f"There is no format {name!r}; there are {', '.join(FORMATS)}")
    target = FORMATS[name]
    for option, is_set in options.items():
        if is_set and option not in target.options:
            raise ExportError(f"{name} has no {option}: omit it, or use --format onnx")
    missing = [package for package in target.packages if not importlib.util.find_spec(package)]
    if missing:
        extras = "tensorflow,export" + (",openvino" if "openvino" in missing else "")
        raise ExportError(f'--format {name} needs {", ".join(missing)}: pip install "kerasrecipes[{extras}]"')
    return target


def recipe_for(model: Any) -> Any:
    """Return the recipe of a name, a hub reference, a `.keras` file or a loaded model."""
    from kerasrecipes import registry
    from kerasrecipes.hub.weights import find_entry

    if not isinstance(model, str | Path):
        return model.recipe
    if str(model).endswith(".keras"):
        return recipe_in_keras_file(Path(model))
    if not str(model).startswith("hf://"):
        registry.get_recipe(str(model))  # an unknown name is reported before missing weights
    return registry.get_recipe(find_entry(str(model)).recipe)


def recipe_in_keras_file(path: Path) -> Any:
    """Read the recipe of a `.keras` file without building its model.

    Raises:
        ExportError: There is no such file, or it does not hold a model of this package.
    """
    import zipfile

    from kerasrecipes import registry

    if not path.is_file():
        raise ExportError(f"There is no file {path}")
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
            name = json.loads(file.read(MAX_CONFIG_BYTES))["config"]["recipe"]
    except Exception as error:  # zipfile and json raise many classes for damaged files
        raise ExportError(f"{path} was not written by `model.save` of a kerasrecipes model") from error
    return registry.get_recipe(str(name))


def check_supported(recipe: Any, format: str) -> None:
    """Check that a format can hold a recipe.

    Raises:
        ExportError: It cannot; names the formats that can.
    """
    if not FORMATS[format].recurrent and is_recurrent(recipe.config):
        others = [name for name, target in FORMATS.items() if target.recurrent]
        raise ExportError(
            f"{format} has no recurrent layers of variable length, which {recipe.name} needs: use --format "
            f"{' or '.join(others)}"
        )


def is_recurrent(config: Any) -> bool:
    """Return whether a configuration has a recurrence (`cell`, `recurrent_units`, `recurrent_clip`)."""
    has_key = any(key == "cell" or key.startswith("recurrent_") for key in config)
    return has_key and config.get("recurrent_layers", 1) > 0


def run_worker(request: dict[str, Any], folder: Path) -> None:
    """Run `kerasrecipes.export.worker` on a request.

    Raises:
        ExportError: With the worker's message.
    """
    path = folder / "request.json"
    path.write_text(json.dumps(request), "utf-8")
    # with one order of sets, tf2onnx numbers its nodes alike in every run
    env = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONHASHSEED": "0"}
    env.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    result = subprocess.run(
        [sys.executable, "-m", "kerasrecipes.export.worker", str(path)], env=env, capture_output=True,
        encoding="utf-8", errors="replace", timeout=TIMEOUT,
    )  # fmt: skip
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["it was killed"])[-1]
        raise ExportError(last.partition(": ")[2] if result.returncode == 3 else f"The export failed: {last}")


def move_into_place(source: Path, target: Path) -> None:
    """Move a file or folder to its final name, in place of an earlier one."""
    if source.is_dir() and target.is_dir():
        target.replace(old := source.with_name("old"))
        source.replace(target)
        shutil.rmtree(old)
    else:
        source.replace(target)
