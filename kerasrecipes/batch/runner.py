"""Many files: every one of them a row, exactly once, by workers of this machine or of a Ray cluster.

>>> from kerasrecipes import batch
>>> batch.run("deepspeech2_small", ["talks/"], "results", workers="auto")
>>> for row in batch.read("results"): print(row["path"], row["text"], row["error"])

Files are put into shards once (`plan.jsonl`); a shard's file `part-*.jsonl` appears whole when all of its rows are there.
A run that was stopped, in whatever way, goes on when the same call is made again.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from kerasrecipes.errors import DataError, KerasRecipesError

__all__ = ["RunProgress", "RunSummary", "read", "run"]

RUNNERS = ("local", "ray")
ROW_FORMATS = ("jsonl", "parquet")


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Args:
        files: with a row, of `total`. failed: of these, in this call, the ones with an error. earlier: files of shards that
            earlier calls wrote. seconds: since this call began to work.
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


class RunSummary(RunProgress):
    """What a run did."""


def run(
    name: str, sources: Sequence[str | PathLike], out: str | PathLike, *, verb: str = "transcribe",
    workers: int | str = "auto", threads: int | None = None, runner: str = "local", address: str | None = None,
    gpus: float = 0, shards: str = "jsonl", engine: str | None = "auto", precision: str | None = None,
    progress: Callable[[RunProgress], None] | None = None, **options: Any,
) -> RunSummary:  # fmt: skip
    """Transcribe, classify or segment files, and write a row for each.

    Args:
        name, engine, precision: as `kerasrecipes.load` takes them; every worker loads the model once.
        sources: folders, patterns, files; addresses that fsspec knows (s3://, gs://, hf://, https://) among them.
        out: the folder of results, here or at such an address. It is made; a run of the same recipe, weights, options and
            files that lies there is gone on with.
        verb: "transcribe", "classify" or "segment"; options: its arguments.
        workers: processes, or Ray's actors; "auto" is one per CPU of this machine as far as memory goes.
        threads: of each worker's engine; default: the CPUs divided among the workers (local), or 1 (Ray).
        runner: "local" or "ray". address: of the Ray cluster, "HOST:PORT" or "auto". gpus: of each Ray actor.
        shards: "jsonl", or "parquet" (needs the extra of that name).
        progress: called when work begins and after every shard.

    Returns:
        The numbers of files.

    Raises:
        DataError: no files; `out` cannot be written, or holds another run, or another process writes into it.
        KerasRecipesError: the model cannot be loaded or has no such verb; an unknown runner; no cluster answers.
    """
    from kerasrecipes import audio, image
    from kerasrecipes.batch import local_runner, plan
    from kerasrecipes.batch.inputs import list_inputs
    from kerasrecipes.batch.job import TASK_COLUMNS, Job
    from kerasrecipes.utils.output_folder import open_output_folder

    for value, known in ((verb, tuple(TASK_COLUMNS)), (runner, RUNNERS), (shards, ROW_FORMATS)):
        if value not in known:
            raise KerasRecipesError(f"There is no {value!r}: it must be one of {', '.join(known)}")
    count = local_runner.resolve_workers(workers)
    if count < 1:
        raise KerasRecipesError(f"{workers} workers do nothing: at least 1")
    if shards == "parquet":
        from kerasrecipes.batch.parquet import import_pyarrow

        import_pyarrow()
    job = Job(verb, str(name), str(out), engine, precision, options, shards)
    identity = json.loads(json.dumps(job.identity()))
    files = list_inputs(sources, audio.AUDIO_EXTENSIONS if verb == "transcribe" else image.IMAGE_EXTENSIONS)
    place = open_output_folder(out)
    place.make()
    with place.held():
        made = plan.load_or_create_plan(place, identity, files, count)
        left = made.left(place.names())
        earlier = sum(map(len, made.shards)) - sum(len(made.shards[k]) for k in left)
        begin, state = time.monotonic(), {"files": earlier, "failed": 0}

        def now(kind: type[RunProgress] = RunProgress) -> Any:
            return kind(state["files"], len(files), state["failed"], earlier, time.monotonic() - begin)

        def done(found: dict[str, int]) -> None:
            for key, value in found.items():
                state[key] += value
            if progress:
                progress(now())

        if progress:
            progress(now())
        if left and runner == "local":
            local_runner.run_locally(job, made, left, count, done, threads)
        elif left:
            from kerasrecipes.batch import ray_runner

            ray_runner.run(job, made, left, count, done, address, threads or 1, gpus)
        return now(RunSummary)


def read(out: str | PathLike, partial: bool = False) -> Iterator[dict[str, Any]]:
    """The rows of a run, shard by shard.

    Args:
        out: the folder of results. partial: also of a run that is not done.

    Yields:
        {"path", "text", "words", "confidence", "duration", "recipe", "weights", "error"} for "transcribe"; "name" and "top"
        for "classify", "width", "height", "areas" and "mask" for "segment" in place of the four in the middle. All of these
        are None where `error` is not.

    Raises:
        DataError: no run lies there, or it is not done and `partial` is False.
    """
    from kerasrecipes.batch import plan
    from kerasrecipes.utils.output_folder import open_output_folder

    place = open_output_folder(out)
    made = plan.load_plan(place)
    left = set(made.left(place.names()))
    if left and not partial:
        raise DataError(
            f"{place.place} lacks {len(left)} of {len(made.shards)} shards: give the run's command again, or partial=True"
        )
    for number in range(len(made.shards)):
        if number in left:
            continue
        data = place.read(made.name(number))
        if made.suffix == "jsonl":
            yield from map(json.loads, data.decode().splitlines())
        else:
            from kerasrecipes.batch.parquet import from_parquet

            yield from from_parquet(data)
