"""A worker on this machine: a process that is restarted when it dies. A shard that kills it is then read file by file."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kerasrecipes.batch.job import Job
from kerasrecipes.errors import KerasRecipesError

MAX_START_ATTEMPTS = 3  # processes that may die before the model is loaded, as on a machine short of memory
MAX_DEATHS_PER_FILE = 2
THREAD_ENV = ("KERASRECIPES_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


class WorkerDied(Exception):
    """The process has ended."""


class WorkerProcess:
    """One worker's process, whose engine has a number of threads."""

    def __init__(self, job: Job, threads: int):
        self.job, self.threads = job, threads
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start a process and wait until it has loaded the model.

        Raises:
            KerasRecipesError: The model cannot be loaded.
        """
        for _ in range(MAX_START_ATTEMPTS):
            self.log = tempfile.TemporaryFile()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kerasrecipes.batch.worker_main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=self.log, text=True, start_new_session=True, env={**os.environ, **dict.fromkeys(THREAD_ENV, str(self.threads))},
            )  # fmt: skip
            try:
                self.send(asdict(self.job))
                self.receive()
                return
            except WorkerDied:
                continue
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        raise KerasRecipesError(
            f"A worker dies before it has loaded {self.job.name}: {lines[-1] if lines else 'it printed no message'}"
        )

    def send(self, request: dict[str, Any]) -> None:
        assert self.process and self.process.stdin
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise WorkerDied from error

    def receive(self) -> dict[str, Any]:
        """Return the next answer.

        Raises:
            WorkerDied: The process has ended.
            KerasRecipesError: The process cannot do what it was asked.
        """
        assert self.process and self.process.stdout
        line = self.process.stdout.readline()
        if not line.endswith("\n"):
            self.close()
            raise WorkerDied
        answer = json.loads(line)
        if "refused" in answer:
            self.close()
            raise KerasRecipesError(answer["refused"])
        return answer

    def run_shard(self, number: int, paths: Sequence[str]) -> dict[str, int]:
        """Have a shard written, and return {"files", "failed"}.

        A process that dies is restarted. After its second death the files are read one by one, and a file that kills the
        process twice gets an error row.

        Raises:
            KerasRecipesError: The model cannot be loaded, or the folder cannot be written.
        """
        deaths: Counter[str | None] = Counter()  # by the file that was being read
        while True:
            path = None
            deadly = [p for p, count in deaths.items() if p is not None and count >= MAX_DEATHS_PER_FILE]
            one_by_one = deaths.total() >= MAX_DEATHS_PER_FILE
            try:
                if self.process is None:
                    self.start()
                self.send({"number": number, "paths": list(paths), "deadly": deadly, "one_by_one": one_by_one})
                while "done" not in (answer := self.receive()):
                    path = answer["reading"]
                return answer["done"]
            except WorkerDied:
                self.close()
                deaths[path] += 1

    def close(self) -> None:
        """Kill the process."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        self.process = None
