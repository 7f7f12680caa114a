"""Run a task over many files and read the rows back.

The files are put into shards once (`plan.jsonl`). A shard's file `part-*.jsonl` appears when all of its rows are complete.
A run that was stopped, in whatever way, continues when the same call is made again.
"""

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from kerasrecipes.errors import DataError, KerasRecipesError, convert_errors

RUNNERS = ("local", "ray")
ROW_FORMATS = ("jsonl", "parquet")


@dataclass(frozen=True)
class RunProgress:
    """The progress of a run, at its end its summary.

    Args:
        files: Files that have a row.
        total: All files of the run.
        failed: Rows with an error, also those that earlier calls wrote.
        earlier: Files in shards that earlier calls wrote.
        seconds: Time since this call started its workers.
    """

    files: int
    total: int
    failed: int
    earlier: int
    seconds: float

    @property
    def rate(self) -> float:
        """Files per second in this call."""
        return (self.files - self.earlier) / self.seconds if self.seconds else 0.0


def run(
    name: str, sources: Sequence[str | PathLike], output: str | PathLike, *, task: str = "transcribe",
    workers: int | str = "auto", threads: int | None = None, runner: str = "local", address: str | None = None,
    gpus: float = 0, row_format: str = "jsonl", engine: str | None = "auto", engine_precision: str | None = None,
    progress: Callable[[RunProgress], None] | None = None, **options: Any,
) -> RunProgress:  # fmt: skip
    """Transcribe, classify or segment files, and write a row for each.

    Args:
        name: Recipe or file, as `kerasrecipes.load` takes it. Every worker loads the model once.
        sources: Folders, patterns and files, or URLs of these that fsspec knows (s3://, gs://, hf://, https://).
        output: Folder of results, local or such a URL. It is created if missing. A run of the same recipe, weights,
            options and files in it is continued.
        task: "transcribe", "classify" or "segment".
        workers: Number of processes or Ray actors. "auto" is one per CPU of this machine, as far as memory allows.
        threads: Threads of each worker's engine. Default: the CPUs divided among the workers (local), or 1 (Ray).
        runner: "local" or "ray".
        address: The Ray cluster, "HOST:PORT" or "auto".
        gpus: GPUs of each Ray actor.
        row_format: "jsonl", or "parquet" (needs `pip install "kerasrecipes[parquet]"`).
        engine: As `kerasrecipes.load` takes it.
        engine_precision: As `kerasrecipes.load` takes it.
        progress: Called before the first and after every shard.
        **options: Keywords of the model's `transcribe`, `classify` or `segment`.

    Returns:
        The numbers of files.

    Raises:
        DataError: There are no files; `output` cannot be written or holds another run; another process writes into it.
        KerasRecipesError: The model cannot be loaded or has another task, the runner is unknown, or no cluster answers.
    """
    from kerasrecipes import audio
    from kerasrecipes.batch import local_runner, plan
    from kerasrecipes.batch.inputs import list_inputs
    from kerasrecipes.batch.job import TASK_COLUMNS, Job
    from kerasrecipes.utils.image_formats import IMAGE_FILES
    from kerasrecipes.utils.output_folder import open_output_folder

    for value, choices in ((task, tuple(TASK_COLUMNS)), (runner, RUNNERS), (row_format, ROW_FORMATS)):
        if value not in choices:
            raise KerasRecipesError(f"{value!r} is not available: choose one of {', '.join(choices)}")
    count = local_runner.resolve_workers(workers)
    if count < 1:
        raise KerasRecipesError(f"workers is {workers}: at least 1 is needed")
    if row_format == "parquet":
        from kerasrecipes.batch.parquet import import_pyarrow

        import_pyarrow()
    job = Job(task, str(name), str(output), engine, engine_precision, options, row_format)
    identity = json.loads(json.dumps(job.identity()))
    files = list_inputs(sources, audio.audio_files() if task == "transcribe" else IMAGE_FILES)
    folder = open_output_folder(output)
    folder.create()
    with folder.locked():
        shards = plan.load_or_create_plan(folder, identity, files, count)
        pending = shards.pending_shards(folder.names())
        earlier = sum(map(len, shards.shards)) - sum(len(shards.shards[k]) for k in pending)
        failed = sum(row["error"] is not None for row in read_shards(folder, shards, pending))
        start, counts = time.monotonic(), {"files": earlier, "failed": failed}

        def current() -> RunProgress:
            return RunProgress(counts["files"], len(files), counts["failed"], earlier, time.monotonic() - start)

        def on_shard(written: dict[str, int]) -> None:
            for key, value in written.items():
                counts[key] += value
            if progress:
                progress(current())

        on_shard({})
        if pending and runner == "local":
            local_runner.run_locally(job, shards, pending, count, on_shard, threads)
        elif pending:
            from kerasrecipes.batch import ray_runner

            ray_runner.run_on_ray(job, shards, pending, count, on_shard, address, threads or 1, gpus)
        return current()


def read(output: str | PathLike, partial: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run, shard by shard.

    Args:
        output: Folder of results.
        partial: Also read a run that is not complete. Default False.

    Yields:
        {"path", ..., "recipe", "weights", "error"}; between them "text", "words", "confidence" and "duration" for
        "transcribe", "name" and "top" for "classify", "width", "height", "class_areas" and "mask" for "segment". These are
        None where `error` is not.

    Raises:
        DataError: The folder holds no run, or the run is not complete and `partial` is False.
    """
    from kerasrecipes.batch import plan
    from kerasrecipes.utils.output_folder import open_output_folder

    folder = open_output_folder(output)
    shards = plan.load_plan(folder)
    pending = set(shards.pending_shards(folder.names()))
    if pending and not partial:
        raise DataError(
            f"{folder.location} lacks {len(pending)} of {len(shards.shards)} shards: repeat the run's command, or pass "
            "partial=True"
        )
    yield from read_shards(folder, shards, pending)


def read_shards(folder: Any, plan: Any, pending: Collection[int]) -> Iterator[dict[str, Any]]:
    """Yield the rows of all shards of a plan but the pending ones."""
    for number in sorted(set(range(len(plan.shards))) - set(pending)):
        name = plan.shard_file(number)
        with convert_errors(DataError, f"{folder.location}/{name}"):
            data = folder.read(name)
            if plan.row_format == "jsonl":
                rows = [json.loads(line) for line in data.decode().split("\n") if line]  # names may hold U+2028
            else:
                from kerasrecipes.batch.parquet import from_parquet

                rows = from_parquet(data)
        yield from rows
