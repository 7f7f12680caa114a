"""Run all workers on this machine."""

import os
import queue
import threading
from collections.abc import Callable, Sequence

from kerasrecipes.batch.job import Job
from kerasrecipes.batch.plan import Plan
from kerasrecipes.batch.worker_process import WorkerProcess
from kerasrecipes.utils.environment import available_cpus

MEMORY_PER_WORKER = 1 << 30  # bytes that workers="auto" reserves for each


def run_locally(
    job: Job, plan: Plan, pending: Sequence[int], workers: int, on_shard: Callable[[dict[str, int]], None],
    threads: int | None = None,
) -> None:  # fmt: skip
    """Write the pending shards of a plan, and call `on_shard` with {"files", "failed"} after each.

    The CPUs are divided among the workers unless `threads` is given. The first error stops all workers.
    """
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in pending:
        numbers.put(number)
    answers: queue.SimpleQueue[dict[str, int] | BaseException | None] = queue.SimpleQueue()
    workers = min(workers, len(pending))
    processes = [WorkerProcess(job, threads or max(1, available_cpus() // workers)) for _ in range(workers)]
    stopped = threading.Event()

    def serve(process: WorkerProcess) -> None:
        try:
            while not stopped.is_set():
                number = numbers.get_nowait()
                answers.put(process.run_shard(number, plan.shards[number]))
        except queue.Empty:
            answers.put(None)
        except BaseException as error:
            answers.put(error)

    for process in processes:
        threading.Thread(target=serve, args=(process,), daemon=True).start()
    try:
        active = workers
        while active:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            if answer is None:
                active -= 1
            else:
                on_shard(answer)
    finally:
        stopped.set()
        for process in processes:
            process.close()


def resolve_workers(workers: int | str) -> int:
    """Return a number of workers. "auto" gives one per CPU, as far as the free memory allows (1 GiB each)."""
    if workers != "auto":
        return int(workers)
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return available_cpus()
    return max(1, min(available_cpus(), free // MEMORY_PER_WORKER))
