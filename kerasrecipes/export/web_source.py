"""The network of a web page: the ONNX files of a name, a file or a folder, and the phrases that `kerasrecipes teach` wrote beside them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes import registry
from kerasrecipes.decoding.decoders import make_decoder
from kerasrecipes.decoding.options import REJECTION_COST, DecodingOptions
from kerasrecipes.decoding.phrase_search import PhraseTree
from kerasrecipes.engines import onnx_cache
from kerasrecipes.engines.onnx_metadata import read_description
from kerasrecipes.engines.open import STEP_SUFFIX, load_file
from kerasrecipes.errors import DataError, ExportError, KerasRecipesError, convert_errors
from kerasrecipes.export import exporter
from kerasrecipes.export.sources import hash_source, saved_stem
from kerasrecipes.hub import weights
from kerasrecipes.utils.text_files import read_lines

TASKS = ("speech-recognition", "phoneme-recognition", "image-classification")
CARD, PHRASES, TAUGHT_MODEL = "card.json", "phrases.txt", "model"  # files that `kerasrecipes teach` writes


@dataclass(frozen=True)
class WebNetwork:
    """The file that a page loads.

    Args:
        path: The ONNX file: of the step of a recognizer of letters that streams, else of the whole network.
        metadata: Its description.
        model: The file in onnxruntime.
    """

    path: Path
    metadata: dict[str, Any]
    model: Any


def is_taught_folder(model: Any) -> bool:
    """Return True for a folder that `kerasrecipes teach` wrote. A recipe's name is never a folder."""
    if not isinstance(model, str | Path) or str(model) in registry.all_recipes() or not (Path(model) / CARD).is_file():
        return False
    return any((Path(model) / f"{TAUGHT_MODEL}{extension}").is_file() for extension in (".onnx", ".keras"))


def taught_folder(model: Any) -> Path | None:
    """Return the folder of `kerasrecipes teach` that a path names, or that has the file of a path, or None."""
    if not isinstance(model, str | Path):
        return None
    path = Path(model)
    is_model_file = path.stem == TAUGHT_MODEL and path.is_file() and is_taught_folder(path.parent)
    return path if is_taught_folder(path) else path.parent if is_model_file else None


def page_name(model: Any) -> str:
    """Return the name of a model's page: of the recipe, the file or the folder."""
    if folder := taught_folder(model):
        return folder.resolve().name
    if isinstance(model, str | Path) and str(model).endswith(".onnx"):
        return Path(model).resolve().stem
    return saved_stem(model) or exporter.recipe_for(model).name


def hash_page_source(model: Any) -> str:
    """Return a hash of a source in hexadecimal: of a name, the path of a file or folder, or a loaded model's weights."""
    if taught_folder(model) or str(model).endswith(".onnx"):
        model = str(Path(model).resolve())
    return hash_source(model).tobytes().hex()


def check_task(model: Any) -> None:
    """Check that a model's task has pages, before anything is written.

    Raises:
        KerasRecipesError: It has none, or there is no such model.
    """
    if taught_folder(model):  # `teach` takes recognizers only
        return
    if str(model).endswith(".onnx"):
        if not Path(model).is_file():
            raise ExportError(f"There is no file {model}")
        task = read_description(Path(model))["task"]
    elif saved_stem(model) and Path(model).is_dir():
        return  # its model is opened by `export`, and checked after it
    else:
        task = exporter.recipe_for(model).task
    require_task(model, task)


def require_task(model: Any, task: str) -> None:
    """Raise `ExportError` if there are no pages for the task of a model."""
    if task not in TASKS:
        raise ExportError(
            f"{getattr(model, 'name', model)} cannot have a web page: its task is {task}, and pages are for speech recognizers and "
            "image classifiers; omit --web to write its ONNX file"
        )


def find_network(model: Any, work: Path, *, float16: bool, int8: bool, opset: int, report: Any) -> WebNetwork:
    """Return the network of a page. Released ONNX files and those of `teach` are taken as they are.

    Args:
        model: As for `export_web_page`.
        work: Folder that receives a newly exported file.
        float16: As for `export_web_page`.
        int8: As for `export_web_page`.
        opset: As for `export`.
        report: As for `export`.

    Raises:
        KerasRecipesError: The model cannot be found or exported, or its task has no pages.
    """
    taught = taught_folder(model)
    if taught and not (float16 or int8) and (taught / f"{TAUGHT_MODEL}.onnx").is_file() and not str(model).endswith(".keras"):
        return open_network(taught / f"{TAUGHT_MODEL}.onnx", report)
    if str(model).endswith(".onnx") and isinstance(model, str | Path):
        if float16 or int8:
            raise ExportError(f"{model} is exported already: pass --float16 or --int8 with the model it was made from")
        return open_network(Path(model), report)
    if taught:
        model = taught / f"{TAUGHT_MODEL}.keras"
    elif isinstance(model, str | Path) and not saved_stem(model) and not int8:
        return find_released_network(str(model), opset, report)
    path = exporter.export(model, work, float16=float16, int8=int8, opset=opset, name=TAUGHT_MODEL, report=report)
    return open_network(path, report)


def find_released_network(name: str, opset: int, report: Any) -> WebNetwork:
    """Return the network of a recipe with released weights, or of a hub reference, exported into the cache if need be."""
    row = weights.find_entry(name)
    if not row.onnx:
        path = onnx_cache.cache_path(row)
        return open_network(path if onnx_cache.is_cached(row) else exporter.export_to_cache(name, opset=opset, report=report), report)
    path = weights.onnx_path(row, step="step" in row.onnx, packaged=not name.startswith("hf://"))
    return WebNetwork(path, read_description(path), load_file(path, "onnxruntime", recipe=row.recipe))


def open_network(path: Path, report: Any) -> WebNetwork:
    """Return the network of an ONNX file that `export` wrote: of its step if that lies beside it."""
    model = load_file(path, "onnxruntime")
    require_task(model, model.recipe.task)
    metadata = read_description(path)
    if "streaming" not in metadata or metadata.get("criterion") != "ctc":
        return WebNetwork(path, metadata, model)
    step_path = path.with_name(f"{path.stem}{STEP_SUFFIX}.onnx")
    if not step_path.is_file():
        report(f"{step_path} is missing: the text appears when a recording ends, not while you speak")
        return WebNetwork(path, metadata, model)
    model.streaming_graph()  # checks that both were written together
    return WebNetwork(step_path, read_description(step_path), model)


def find_phrases(model: Any) -> tuple[list[str], float | None]:
    """Return the phrases that `teach` wrote beside a model, and their best rejection cost. No phrases for other models."""
    folder = taught_folder(model)
    if folder is None or not (folder / PHRASES).is_file():
        return [], None
    with convert_errors(DataError, folder / CARD):
        cost = float(json.loads((folder / CARD).read_text("utf-8"))["rejection"]["rejection_cost"])
    return [line for line in read_lines(str(folder / PHRASES)) if line.strip()], cost


def describe_phrases(model: Any, phrases: list[str], rejection_cost: float | None = None) -> dict[str, Any] | None:
    """Return a closed list as JavaScript takes it, None for an empty one.

    Args:
        model: The recognizer.
        phrases: The phrases.
        rejection_cost: As in `decode_phrases`, by default 2. Infinity is None in the result.

    Raises:
        KerasRecipesError: The recognizer has no blank, or a phrase cannot be written.
    """
    if not phrases:
        return None
    options = DecodingOptions(phrases=tuple(phrases), rejection_cost=REJECTION_COST if rejection_cost is None else rejection_cost)
    if model.recipe.task != "speech-recognition":
        raise KerasRecipesError(f"{model.name} does not write letters: phrases are for recognizers that do")
    make_decoder(model, options)
    tree = PhraseTree(phrases, model.alphabet)
    cost = None if options.rejection_cost == float("inf") else options.rejection_cost
    texts = list(dict.fromkeys(model.alphabet.normalize(phrase) for phrase in phrases))
    return {"texts": texts, "symbols": tree.symbols, "parents": tree.parents, "ends": tree.ends, "rejectionCost": cost}
