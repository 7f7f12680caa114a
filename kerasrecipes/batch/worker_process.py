"""Workers on this machine: processes that are started again when they end, and a shard that ends one is read file by file."""

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

MAX_START_ATTEMPTS = 3  # processes that may end before they have loaded the model; a machine short of memory ends some
MAX_DEATHS_PER_FILE = 2
THREAD_ENV = ("KERASRECIPES_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


class WorkerDied(Exception):
    """The process has ended."""


class WorkerProcess:
    """One worker's process.

    Args:
        job: what it is about. threads: that its engine computes with.
    """

    def __init__(self, job: Job, threads: int):
        self.job, self.threads = job, threads
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Have a process with a loaded model.

        Raises:
            KerasRecipesError: the model cannot be loaded.
        """
        for _ in range(MAX_START_ATTEMPTS):
            self.log = tempfile.TemporaryFile()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kerasrecipes.batch.worker_main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=self.log, text=True, start_new_session=True, env={**os.environ, **dict.fromkeys(THREAD_ENV, str(self.threads))},
            )  # fmt: skip
            try:
                self.tell(asdict(self.job))
                self.hear()
                return
            except WorkerDied:
                continue
        self.log.seek(0)
        said = self.log.read().decode(errors="replace").strip().splitlines()
        raise KerasRecipesError(
            f"A worker ends before it has loaded {self.job.name}: {said[-1] if said else 'no word'}"
        )

    def tell(self, order: dict[str, Any]) -> None:
        assert self.process and self.process.stdin
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise WorkerDied from error

    def hear(self) -> dict[str, Any]:
        """
        Raises:
            Gone: the process has ended. KerasRecipesError: it cannot do what it was told.
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

    def shard(self, number: int, paths: Sequence[str]) -> dict[str, int]:
        """Have a shard written; returns {"files", "failed"}.

        A process that ends is started again. After the second time the files are read one by one, and one that ends it
        twice gets a row with an error.

        Raises:
            KerasRecipesError: the model cannot be loaded, or the folder cannot be written.
        """
        ended: Counter[str | None] = Counter()  # processes, by the file that they were reading
        while True:
            at = None
            killers = [path for path, times in ended.items() if path is not None and times >= MAX_DEATHS_PER_FILE]
            alone = ended.total() >= MAX_DEATHS_PER_FILE
            try:
                if self.process is None:
                    self.start()
                self.tell({"number": number, "paths": list(paths), "killers": killers, "alone": alone})
                while "done" not in (answer := self.hear()):
                    at = answer["at"]
                return answer["done"]
            except WorkerDied:
                self.close()
                ended[at] += 1

    def close(self) -> None:
        """End the process."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        self.process = None
