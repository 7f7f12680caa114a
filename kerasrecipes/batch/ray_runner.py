"""Run workers on a Ray cluster through Ray Data: one actor per worker, each with a process of its own that holds the model.

Every machine of the cluster needs kerasrecipes, the input files and the output folder (a shared file system, or URLs that
fsspec knows). Ray restarts an actor that dies and gives its shard to another one. A shard appears only when it is complete,
and a complete shard is not written again.
"""

import json
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from kerasrecipes.batch.job import Job
from kerasrecipes.batch.plan import Plan
from kerasrecipes.errors import BackendUnavailable, KerasRecipesError
from kerasrecipes.utils.files import first_line

FORWARDED_ENV = ("KERAS_BACKEND", "PYTHONPATH", "TF_CPP_MIN_LOG_LEVEL", "KERASRECIPES_HOME", "HF_HOME")
CONNECT_TIMEOUT = 5.0  # seconds


class RayWorker:
    """An actor with one worker process."""

    def __init__(self, job: dict[str, Any], threads: int):
        from kerasrecipes.batch.worker_process import WorkerProcess

        self.process = WorkerProcess(Job(**job), threads)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list]:
        """Process shards and return counts. A permanent error is returned, not raised, so Ray does not retry it."""
        columns: dict[str, list] = {"files": [], "failed": [], "refused": []}
        for number, paths in zip(batch["number"], batch["paths"], strict=True):
            try:
                counts = self.process.run_shard(int(number), json.loads(str(paths))) | {"refused": ""}
            except KerasRecipesError as error:
                counts = {"files": 0, "failed": 0, "refused": str(error)}
            for key, value in counts.items():
                columns[key].append(value)
        return columns


def run_on_ray(
    job: Job, plan: Plan, pending: Sequence[int], workers: int, on_shard: Callable[[dict[str, int]], None],
    address: str | None = None, cpus: float = 1, gpus: float = 0,
) -> None:  # fmt: skip
    """Write the pending shards of a plan, and call `on_shard` with {"files", "failed"} after each.

    Without an address, `RAY_ADDRESS` gives it, or a cluster is started on this machine. The first error ends the run.
    """
    ray = connect(address)
    job = replace(job, working_directory=os.getcwd())  # actors run in folders of their own
    shards = [{"number": number, "paths": json.dumps(plan.shards[number])} for number in pending]
    environment = {name: value for name in FORWARDED_ENV if (value := os.environ.get(name))}
    rows = ray.data.from_items(shards, override_num_blocks=len(shards)).map_batches(
        RayWorker, fn_constructor_args=(asdict(job), max(1, round(cpus))), batch_size=1, num_cpus=cpus, num_gpus=gpus or None,
        concurrency=(1, min(workers, len(shards))), runtime_env={"env_vars": environment},
    )  # fmt: skip
    for row in rows.iter_rows():
        if row["refused"]:
            raise KerasRecipesError(str(row["refused"]))
        on_shard({"files": int(row["files"]), "failed": int(row["failed"])})


def connect(address: str | None) -> Any:
    """Return the `ray` module, connected to a cluster.

    Raises:
        BackendUnavailable: Ray is not installed.
        KerasRecipesError: No cluster answers.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise BackendUnavailable('--runner ray needs Ray: pip install "kerasrecipes[ray]"') from error
    address = address or os.environ.get("RAY_ADDRESS")
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit():  # fail within seconds: Ray itself would retry for minutes
            socket.create_connection((host or "127.0.0.1", int(port)), CONNECT_TIMEOUT).close()
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ConnectionError, RuntimeError, ValueError) as error:
        raise KerasRecipesError(
            f"No Ray cluster answers at {address or 'this machine'} ({first_line(error)}): start one (ray start --head), or "
            "check --address"
        ) from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray
