"""The work of every worker: load one model, turn shards of files into rows, and write the rows."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasrecipes.batch.inputs import fetch_bytes
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest, weights
from kerasrecipes.tasks.table import TASK_MODELS
from kerasrecipes.utils.files import sha256_file
from kerasrecipes.utils.filesystem import is_url
from kerasrecipes.utils.output_folder import open_output_folder

TASK_COLUMNS = {
    "transcribe": ("text", "words", "confidence", "duration"),
    "classify": ("name", "top"),
    "segment": ("width", "height", "class_areas", "mask"),
}
FILES_PER_STEP = {"transcribe": 256, "classify": 256, "segment": 8}  # files whose results are in memory at once
REMOTE_FILES_PER_STEP = 32  # files whose bytes are in memory at once
WORKER_DIED_MESSAGE = (
    "the worker process died while reading this file (out of memory, or a file that crashes the decoder)"
)


@dataclass(frozen=True)
class Job:
    """The arguments of `kerasrecipes.batch.run` that all workers share, and the folder that relative paths start from."""

    task: str
    name: str
    output: str
    engine: str | None = "auto"
    engine_precision: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    row_format: str = "jsonl"
    working_directory: str = ""

    def identity(self) -> dict[str, Any]:
        """Return what makes two runs over the same files the same. The engine may change: its logits do not."""
        return {
            "recipe": self.name, "weights": weights_hash(self.name), "task": self.task, "options": self.options,
            "row_format": self.row_format, "engine_precision": self.engine_precision or "float32",
        }  # fmt: skip


def weights_hash(name: str) -> str:
    """Return the SHA-256 of a recipe's released weights, of a model file, or of a training run's averaged model.

    Raises:
        WeightsUnavailable: The recipe has no released weights.
        KerasRecipesError: There is no such recipe or file.
    """
    from kerasrecipes.tasks import saved_models

    if name.startswith("hf://"):
        return weights.fetch_entry(name).sha256
    if name.endswith(".onnx") or saved_models.is_saved_model(name):
        path = Path(name) / saved_models.AVERAGED_MODEL if Path(name).is_dir() else Path(name)
        if not path.is_file():
            raise KerasRecipesError(f"There is no file {name}")
        return sha256_file(path)
    return manifest.get_entry(name).sha256


class ShardProcessor:
    """A loaded model that writes shards into the output folder.

    Raises:
        KerasRecipesError: `load` fails, the model has another task, or it rejects an option.
    """

    def __init__(self, job: Job):
        from kerasrecipes import loading

        self.job, self.folder = job, open_output_folder(job.output)
        self.weights = weights_hash(job.name)
        self.model = loading.load(job.name, compile=False, engine=job.engine, engine_precision=job.engine_precision)
        task = self.model.recipe.task
        if TASK_MODELS[task].verb != job.task:
            raise KerasRecipesError(f"{job.name} does not {job.task}: its task is {task}")
        self.method: Callable[..., list[Any]] = getattr(self.model, job.task)
        self.options = loading.load_named_models(job.options)
        self.method([], **self.options)  # rejects a wrong option before any file is read

    def process_shard(
        self, number: int, paths: Sequence[str], deadly: Sequence[str] = (), announce: Any = None
    ) -> dict[str, int]:
        """Write the shard's file, and return {"files": rows, "failed": rows with an error}.

        Rows of `deadly` files, which killed a worker, hold an error. `announce` is called with every path before it is read;
        the files are then read one at a time.
        """
        rows = list(self.make_rows(number, paths, set(deadly), announce))
        write_shard(self.folder, f"part-{number:05}.{self.job.row_format}", rows)
        return {"files": len(rows), "failed": sum(row["error"] is not None for row in rows)}

    def make_rows(self, number: int, paths: Sequence[str], deadly: set[str], announce: Any) -> Iterator[dict[str, Any]]:
        """Yield a row for every path, in order."""
        step = 1 if announce else FILES_PER_STEP[self.job.task]
        step = min(step, REMOTE_FILES_PER_STEP) if any(map(is_url, paths)) else step
        for start in range(0, len(paths), step):
            group = paths[start : start + step]
            if announce and group[0] not in deadly:
                announce(group[0])
            readable = [path for path in group if path not in deadly]
            results = dict(zip(readable, self.compute_results(readable), strict=True))
            for index, path in enumerate(group, start):
                result = results.get(path, KerasRecipesError(WORKER_DIED_MESSAGE))
                yield self.make_row(path, result, f"masks/{number:05}-{index:03}.png")

    def compute_results(self, paths: Sequence[str]) -> list[Any]:
        """Return the model's result or the error for every path."""
        sources = fetch_bytes(paths)
        readable = [s for s in sources if not isinstance(s, Exception)]
        try:
            results = iter(self.method(readable, **self.options) if readable else [])
            return [s if isinstance(s, Exception) else next(results) for s in sources]
        except Exception as error:  # whatever a decoder or an engine raises about one of many files
            return [error] if len(paths) == 1 else [self.compute_results([path])[0] for path in paths]

    def make_row(self, path: str, result: Any, mask_name: str) -> dict[str, Any]:
        failed = isinstance(result, Exception)
        values = {} if failed else result.to_dict()
        if self.job.task == "segment" and not failed:
            values["mask"] = mask_name
            self.folder.write(mask_name, encode_mask_png(result))
        row = {"path": path, **{c: values.get(c) for c in TASK_COLUMNS[self.job.task]}}
        if "nbest" in self.job.options:
            row["alternatives"] = [{"text": a["text"], "score": a["score"]} for a in values.get("alternatives") or ()]
        message = str(result) if isinstance(result, KerasRecipesError) else f"{type(result).__name__}: {result}"
        return row | {
            "recipe": self.model.recipe.name, "weights": self.weights, "error": message if failed else None
        }  # fmt: skip


def encode_mask_png(segmentation: Any) -> bytes:
    import io

    from PIL import Image

    mask = Image.fromarray(segmentation.mask)
    mask.putpalette(segmentation.palette.tobytes())
    file = io.BytesIO()
    mask.save(file, format="PNG")
    return file.getvalue()


def write_shard(folder: Any, name: str, rows: list[dict[str, Any]]) -> None:
    """Write all rows of a shard as one file, JSON lines or Parquet by its extension."""
    if name.endswith(".jsonl"):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        folder.write(name, text.encode("utf-8", "backslashreplace"))
        return
    from kerasrecipes.batch.parquet import to_parquet

    folder.write(name, to_parquet(rows))
