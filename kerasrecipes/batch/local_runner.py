"""All workers on this machine."""

import os
import queue
import threading
from collections.abc import Callable, Sequence

from kerasrecipes.batch.job import Job
from kerasrecipes.batch.plan import Plan
from kerasrecipes.batch.worker_process import WorkerProcess
from kerasrecipes.utils.environment import available_cpus

MEMORY_PER_WORKER = 1 << 30  # memory that "auto" leaves for each


def run_locally(
    job: Job, plan: Plan, left: Sequence[int], workers: int, done: Callable[[dict[str, int]], None],
    threads: int | None = None,
) -> None:  # fmt: skip
    """Have the shards `left` of the plan written.

    Args:
        workers: processes at once. done: called with {"files", "failed"} after every shard.
        threads: of each worker's engine; default: the CPUs divided among them.

    Raises:
        KerasRecipesError: the model cannot be loaded, or the folder cannot be written. Other shards are not begun.
    """
    orders: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in left:
        orders.put(number)
    answers: queue.SimpleQueue[dict[str, int] | BaseException | None] = queue.SimpleQueue()
    workers = min(workers, len(left))
    hands = [WorkerProcess(job, threads or max(1, available_cpus() // workers)) for _ in range(workers)]
    stopped = threading.Event()

    def work(hand: WorkerProcess) -> None:
        try:
            while not stopped.is_set():
                number = orders.get_nowait()
                answers.put(hand.shard(number, plan.shards[number]))
        except queue.Empty:
            answers.put(None)
        except BaseException as error:
            answers.put(error)

    crew = [threading.Thread(target=work, args=(hand,), daemon=True) for hand in hands]
    for thread in crew:
        thread.start()
    try:
        at_work = workers
        while at_work:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            if answer is None:
                at_work -= 1
            else:
                done(answer)
    finally:
        stopped.set()
        for hand in hands:
            hand.close()


def resolve_workers(wanted: int | str) -> int:
    """A number of workers; "auto" is one per CPU, as far as memory goes (1 GiB each)."""
    if wanted != "auto":
        return int(wanted)
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return available_cpus()
    return max(1, min(available_cpus(), free // MEMORY_PER_WORKER))
