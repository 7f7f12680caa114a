"""Fuzz every reader of outside bytes: `make fuzz`, or `python tests/fuzz/fuzz.py --cases 2000 --seed 1 --readers audio image`.

Damaged files are read in child processes with limits on memory and time. The outcome of each is a result or an error of the package.
Anything else is a failure: another exception, a crash, a hang, too much memory, a file outside the folder. The input of each failure
is written to the folder of failures, with the command that repeats it.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
SEEDS, WORKER = HERE / "seeds", HERE / "worker.py"
MAX_CASE_SECONDS = 20.0  # of work, which on a busy machine takes longer
MAX_WAITS = 10  # times MAX_CASE_SECONDS without an answer, for a case that waits and does not work
MAX_START_SECONDS = 180.0
BATCH = 2000  # cases of a reader in one child


@dataclass
class Report:
    """What a run of the fuzzer found.

    Args:
        counts: Cases that were read, by reader.
        failures: (reader, case number or seed file, what was wrong).
    """

    counts: Counter = field(default_factory=Counter)
    failures: list[tuple[str, Any, str]] = field(default_factory=list)


def run_jobs(jobs: list[list], report: Report, progress: Callable[[Report], Any] = lambda report: None) -> None:
    """Read all cases of some jobs (lines of the worker's input), in as many children as crashes and hangs take."""
    while jobs:
        last = run_child(jobs, report, progress)
        if last is None:
            return
        position = next(i for i, job in enumerate(jobs) if job[0] == last[0] and covers(job, last[1]))
        rest = [last[0], last[1] + 1, *jobs[position][2:]] if isinstance(last[1], int) else None
        jobs = ([rest] if rest and rest[1] < rest[2] else []) + jobs[position + 1 :]


def covers(job: list, case: Any) -> bool:
    return job[1] <= case < job[2] if isinstance(case, int) else job[1] == case


def run_child(jobs: list[list], report: Report, progress: Callable[[Report], Any]) -> tuple[str, Any] | None:
    """Run one child to its end, its crash or its hang. Return the case that ended it, or None."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        environment = os.environ | {
            "PYTHONPATH": f"{HERE.parent / 'helpers'}:{HERE.parents[1]}", "KERAS_BACKEND": "numpy", "KERASRECIPES_CACHE": f"{folder}/cache",
            "TMPDIR": folder, "HOME": folder, "HF_HUB_CACHE": f"{folder}/hub", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2", "PYTHONFAULTHANDLER": "",
        }  # fmt: skip
        child = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=folder, env=environment,
        )  # fmt: skip
        assert child.stdin and child.stderr
        child.stdin.write("".join(f"{json.dumps(job)}\n" for job in jobs))
        child.stdin.close()
        answers: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=read_answers, args=(child, answers), daemon=True).start()
        last: tuple[str, Any] | None = None
        problem, waits, start = "", 0, cpu_seconds(child.pid)
        while not problem:
            try:
                answer = answers.get(timeout=MAX_CASE_SECONDS if last else MAX_START_SECONDS)
            except queue.Empty:
                waits += 1
                if waits >= MAX_WAITS or cpu_seconds(child.pid) - start > 0.8 * MAX_CASE_SECONDS:
                    problem = f"hang: no answer after {MAX_CASE_SECONDS:g} s of work"
                continue
            waits, start = 0, cpu_seconds(child.pid)
            if answer is None:
                problem = f"crash: exit status {child.wait()} {child.stderr.read()[-300:]}".strip()
            elif "end" in answer:
                child.wait()
                progress(report)
                return None
            elif "problem" in answer:
                report.failures.append((*(last or ("start", 0)), answer["problem"]))
            else:
                last = answer["reader"], answer["case"]
                report.counts[last[0]] += 1
                if not sum(report.counts.values()) % 500:
                    progress(report)
        child.kill()
        child.wait()
        if last is None:
            raise RuntimeError(f"The worker cannot start: {problem}")
        report.failures.append((*last, problem))
        return last


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its living children in seconds, 0 if it has ended."""
    try:
        process = psutil.Process(pid)
        return sum(sum(p.cpu_times()[:2]) for p in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0.0


def read_answers(child: subprocess.Popen, answers: queue.SimpleQueue) -> None:
    assert child.stdout
    for line in child.stdout:
        answers.put(json.loads(line))
    answers.put(None)


def plan_jobs(cases: int, seed: int, names: list[str], first: int = 0) -> list[list]:
    """Share cases among readers. Those with Keras come last.

    Args:
        cases: Number of cases.
        seed: Seed of all damage.
        names: Readers.
        first: Number of each reader's first case, as in the command that repeats a failure.
    """
    from readers import READERS

    total = sum(READERS[name].share for name in names)
    counts = {name: max(1, round(cases * READERS[name].share / total)) for name in names}
    return [[name, first, first + counts[name], seed] for name in sorted(names, key=lambda name: READERS[name].needs_keras)]


def split_batches(jobs: list[list]) -> Iterator[list[list]]:
    """Yield the jobs of each child: at most `BATCH` cases of one reader."""
    for reader, first, end, seed in jobs:
        for start in range(first, end, BATCH):
            yield [[reader, start, min(start + BATCH, end), seed]]


def seed_jobs(names: list[str]) -> list[list]:
    """Return a job for each file in the folder of seeds, SEEDS/READER/SAMPLE/HASH-NAME."""
    return [[name, str(path)] for name in names for path in sorted((SEEDS / name).glob("*/*"))]


def save_failure(reader: str, number: int, seed: int, folder: Path) -> Path:
    """Write the input of a failure where a seed of that name would be, with `+` for `/` in its name."""
    import hashlib

    from worker import make_case

    sample, name, content = make_case(reader, number, seed)
    path = folder / reader / sample / f"{hashlib.sha256(content).hexdigest()[:8]}-{name.replace('/', '+')}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def main() -> int:
    from readers import READERS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=200_000, help="number of cases, shared among the readers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--readers", nargs="*", default=list(READERS), choices=READERS, metavar="NAME", help=", ".join(READERS))
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each reader: resumes a run of the same seed")
    parser.add_argument("--failures", type=Path, default=Path("build/fuzz"), help="folder of the failures' inputs")
    options = parser.parse_args()
    start, report = time.monotonic(), Report()

    def progress(report: Report) -> None:
        count = sum(report.counts.values())
        print(f"{count:7} cases, {len(report.failures)} failures, {time.monotonic() - start:.0f} s", flush=True)

    run_jobs(seed_jobs(options.readers), report)
    for batch in split_batches(plan_jobs(options.cases, options.seed, options.readers, options.first)):
        print(f"{batch[0][0]}: cases {batch[0][1]} to {batch[0][2] - 1}", flush=True)
        run_jobs(batch, report, progress)
    for reader, count in report.counts.items():
        print(f"{reader:14} {count:7} cases")
    for reader, number, problem in report.failures:
        if isinstance(number, int) and reader in READERS:
            path = save_failure(reader, number, options.seed, options.failures)
            command = f"{sys.executable} {sys.argv[0]} --readers {reader} --first {number} --cases 1 --seed {options.seed}"
            print(f"FAILED {reader}, {problem}\n  input: {path}\n  again: {command}")
        else:
            print(f"FAILED {reader} {number}: {problem}")
    print(f"{sum(report.counts.values())} cases, {len(report.failures)} failures, {time.monotonic() - start:.0f} s, seed {options.seed}")
    return bool(report.failures)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent / "helpers"))
    sys.exit(main())
