"""Workers on a Ray cluster, by Ray Data: one actor per worker, each with a process of its own that holds the model.

Every machine of the cluster must have kerasrecipes, the files and the folder of results (a shared file system, or addresses
that fsspec knows). An actor that ends is started again by Ray and its shard given to another: what it had not finished is
not there, and a shard that is there is not written again.
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
CONNECT_TIMEOUT = 5.0  # seconds for a cluster to answer


class RayWorker:
    """A worker in Ray.

    Args:
        job: `asdict` of the run's. threads: of its engine.
    """

    def __init__(self, job: dict[str, Any], threads: int):
        from kerasrecipes.batch.worker_process import WorkerProcess

        self.hand = WorkerProcess(Job(**job), threads)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list]:
        """Shards to counts; a refusal is an answer, so that Ray does not try it again."""
        told: dict[str, list] = {"files": [], "failed": [], "refused": []}
        for number, paths in zip(batch["number"], batch["paths"], strict=True):
            try:
                found = self.hand.shard(int(number), json.loads(str(paths))) | {"refused": ""}
            except KerasRecipesError as error:
                found = {"files": 0, "failed": 0, "refused": str(error)}
            for key, value in found.items():
                told[key].append(value)
        return told


def run(
    job: Job, plan: Plan, left: Sequence[int], workers: int, done: Callable[[dict[str, int]], None],
    address: str | None = None, cpus: float = 1, gpus: float = 0,
) -> None:  # fmt: skip
    """Have the shards `left` of the plan written.

    Args:
        workers: most actors at once. done: called with {"files", "failed"} after every shard.
        address: of a running cluster, "HOST:PORT" or "auto"; None for `RAY_ADDRESS`, or a cluster of this machine alone.
        cpus, gpus: of one actor.

    Raises:
        BackendUnavailable: Ray is not installed. KerasRecipesError: no cluster answers at the address; the model cannot be
            loaded, or the folder cannot be written.
    """
    ray = connect(address)
    job = replace(job, base=os.getcwd())  # actors have folders of their own
    orders = ray.data.from_items(
        [{"number": k, "paths": json.dumps(plan.shards[k])} for k in left], override_num_blocks=len(left)
    )
    environment = {name: value for name in FORWARDED_ENV if (value := os.environ.get(name))}
    rows = orders.map_batches(
        RayWorker, fn_constructor_args=(asdict(job), max(1, round(cpus))), batch_size=1, num_cpus=cpus, num_gpus=gpus or None,
        concurrency=(1, min(workers, len(left))), runtime_env={"env_vars": environment},
    )  # fmt: skip
    for row in rows.iter_rows():
        if row["refused"]:
            raise KerasRecipesError(str(row["refused"]))
        done({"files": int(row["files"]), "failed": int(row["failed"])})


def connect(address: str | None) -> Any:
    """Ray, in touch with a cluster.

    Raises:
        BackendUnavailable: Ray is not installed. KerasRecipesError: no cluster answers.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise BackendUnavailable('--runner ray needs Ray: pip install "kerasrecipes[ray]"') from error
    place = address or os.environ.get("RAY_ADDRESS")
    host, _, port = (place or "").removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit():  # Ray itself would try for minutes
            socket.create_connection((host or "127.0.0.1", int(port)), CONNECT_TIMEOUT).close()
        if not ray.is_initialized():
            ray.init(address=place, log_to_driver=False, logging_level="ERROR")
    except (OSError, ConnectionError, RuntimeError, ValueError) as error:
        raise KerasRecipesError(
            f"No Ray cluster answers at {place or 'this machine'} ({first_line(error)}): start one (ray start --head), or "
            "check --address"
        ) from error
    progress = ray.data.DataContext.get_current()
    progress.enable_progress_bars = False
    return ray
