"""One loaded model that turns shards of files into rows and writes them: what every worker does, wherever it runs."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasrecipes.batch.inputs import fetch_bytes
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest, weights
from kerasrecipes.utils.files import sha256_file
from kerasrecipes.utils.filesystem import URL_SEPARATOR
from kerasrecipes.utils.output_folder import open_output_folder

TASK_COLUMNS = {
    "transcribe": ("text", "words", "confidence", "duration"),
    "classify": ("name", "top"),
    "segment": ("width", "height", "areas", "mask"),
}
FILES_PER_STEP = {"transcribe": 256, "classify": 256, "segment": 8}  # files whose results are held at a time
REMOTE_FILES_PER_STEP = 32  # files whose bytes are
WORKER_DIED_MESSAGE = (
    "the process that read it ended without a word: too little memory, or a file that breaks its reader"
)


@dataclass(frozen=True)
class Job:
    """What all workers of a run are told.

    Args:
        verb: "transcribe", "classify" or "segment". name, engine, precision: as `kerasrecipes.load` takes them.
        options: of the verb. place: the folder of results. shards: "jsonl" or "parquet".
        base: the folder that relative paths begin at; "" for the worker's own.
    """

    verb: str
    name: str
    place: str
    engine: str | None = "auto"
    precision: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    shards: str = "jsonl"
    base: str = ""

    def identity(self) -> dict[str, Any]:
        """What makes a run the same run, beside its files. The engine may change: its scores do not."""
        return {
            "recipe": self.name, "weights": weights_hash(self.name), "verb": self.verb, "options": self.options,
            "shards": self.shards, "precision": self.precision or "float32",
        }  # fmt: skip


def weights_hash(name: str) -> str:
    """The sha256 of a recipe's released weights, of a model's file, or of a training's checkpoint.

    Raises:
        WeightsUnavailable: the recipe has none. KerasRecipesError: there is no such recipe or file.
    """
    from kerasrecipes import loading

    if name.startswith("hf://"):
        return weights.fetch_entry(name).sha256
    if name.endswith(".onnx") or loading.is_saved_model(name):
        path = Path(name) / "checkpoint.npz" if Path(name).is_dir() else Path(name)
        if not path.is_file():
            raise KerasRecipesError(f"There is no file {name}")
        return sha256_file(path)
    return manifest.get_entry(name).sha256


class ShardProcessor:
    """A loaded model and the folder of results.

    Raises:
        KerasRecipesError: what `load` raises; the model has no such verb; an option that the verb refuses.
    """

    def __init__(self, job: Job):
        from kerasrecipes import loading

        self.job, self.folder = job, open_output_folder(job.place)
        self.weights = weights_hash(job.name)
        self.model = loading.load(job.name, compile=False, engine=job.engine, precision=job.precision)
        task = self.model.recipe.task
        if loading.TASK_MODELS[task][1] != job.verb:
            raise KerasRecipesError(f"{job.name} does not {job.verb}: its task is {task}")
        self.verb: Callable[..., list[Any]] = getattr(self.model, job.verb)
        self.verb([], **job.options)  # options are looked at before any file is

    def shard(
        self, number: int, paths: Sequence[str], killers: Sequence[str] = (), announce: Any = None
    ) -> dict[str, int]:
        """Write the shard's file: a row for every path.

        Args:
            number, paths: of the shard. killers: paths that ended a worker, which get an error.
            announce: called with every path before it is read, which is then read alone.

        Returns:
            {"files", "failed"}.
        """
        rows = list(self.rows(number, paths, set(killers), announce))
        write_shard(self.folder, f"part-{number:05}.{self.job.shards}", rows, self.job.verb)
        return {"files": len(rows), "failed": sum(row["error"] is not None for row in rows)}

    def rows(self, number: int, paths: Sequence[str], killers: set[str], announce: Any) -> Iterator[dict[str, Any]]:
        """A row for every path, in order."""
        step = 1 if announce else FILES_PER_STEP[self.job.verb]
        step = min(step, REMOTE_FILES_PER_STEP) if any(URL_SEPARATOR in p for p in paths) else step
        for begin in range(0, len(paths), step):
            some = paths[begin : begin + step]
            if announce and some[0] not in killers:
                announce(some[0])
            good = [p for p in some if p not in killers]
            found = dict(zip(good, self.results(good), strict=True))
            for place, path in enumerate(some, begin):
                yield self.row(
                    path, found.get(path, KerasRecipesError(WORKER_DIED_MESSAGE)), f"masks/{number:05}-{place:03}.png"
                )

    def results(self, paths: Sequence[str]) -> list[Any]:
        """What the verb answers for every path, or the error."""
        sources = fetch_bytes(paths)
        good = [s for s in sources if not isinstance(s, Exception)]
        try:
            found = iter(self.verb(good, **self.job.options) if good else [])
            return [s if isinstance(s, Exception) else next(found) for s in sources]
        except Exception as error:  # whatever a decoder or an engine throws at one of many
            return [error] if len(paths) == 1 else [self.results([path])[0] for path in paths]

    def row(self, path: str, result: Any, mask: str) -> dict[str, Any]:
        failed = isinstance(result, Exception)
        values = {} if failed else result.to_dict()
        if self.job.verb == "segment" and not failed:
            values["mask"] = mask
            self.folder.write(mask, encode_mask_png(result))
        row = {"path": path, **{c: values.get(c) for c in TASK_COLUMNS[self.job.verb]}}
        if "n_best" in self.job.options:
            row["alternatives"] = [{"text": a["text"], "score": a["score"]} for a in values.get("alternatives") or ()]
        known = isinstance(result, KerasRecipesError)
        error = (str(result) if known else f"{type(result).__name__}: {result}") if failed else None
        return row | {"recipe": self.model.recipe.name, "weights": self.weights, "error": error}


def encode_mask_png(segmentation: Any) -> bytes:
    import io

    from PIL import Image

    picture = Image.fromarray(segmentation.mask)
    picture.putpalette(segmentation.palette.tobytes())
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def write_shard(place: Any, name: str, rows: list[dict[str, Any]], verb: str) -> None:
    """The shard's file, whole."""
    if name.endswith(".jsonl"):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        place.write(name, text.encode("utf-8", "backslashreplace"))
        return
    from kerasrecipes.batch.parquet import to_parquet

    place.write(name, to_parquet(rows, verb))
