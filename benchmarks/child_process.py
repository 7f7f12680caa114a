"""Child processes of benchmarks: run one to its end, or let several repeat their work in turns.

A `Worker` prepares works by functions of the scripts in this folder. Such a function loads what the work needs, and returns another
one without arguments that does the work once and returns a dictionary:

- amount: units of work that were done, for instance seconds of audio. Default: 1.
- value: the measured figure, where it is not the CPU time of a unit, for instance MiB.
- note: a remark on the result, for instance the number of wrong words.
"""

import atexit
import contextlib
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
END_SECONDS = 20.0  # until a child that is still at work is stopped
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
THREAD_VARIABLES = ("KERASRECIPES_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
ONE_THREAD = dict.fromkeys(THREAD_VARIABLES, "1")


class ChildError(RuntimeError):
    """A child process ended with an error."""


class Unavailable(Exception):
    """Work that cannot be prepared here, because a package or a model is missing. The message says how to get it."""


def describe_error(command: Sequence[str], status: int | None, errors: str) -> str:
    """Return what failed, with the last lines that the process wrote to standard error."""
    lines = [line for line in errors.splitlines() if line.strip()]
    return "\n".join([f"{' '.join(command[1:3])} ended with status {status}:", *lines[-8:]])


def run_child(arguments: Sequence[Any], **environment: str) -> Any:
    """Run Python and return the JSON value of the last line that it prints.

    Args:
        arguments: Arguments of the interpreter, for instance the path of a script and its options.
        **environment: Variables that are set for the child, for instance `KERAS_BACKEND`.

    Raises:
        ChildError: The child ended with an error.
    """
    command = [sys.executable, *map(str, arguments)]
    process = subprocess.run(command, env={**os.environ, **QUIET, **environment}, capture_output=True, text=True)
    if process.returncode:
        raise ChildError(describe_error(command, process.returncode, process.stderr))
    return json.loads(process.stdout.splitlines()[-1])


class Worker:
    """A child process on one CPU that prepares several works, and does one of them whenever it is asked.

    Args:
        environment: Variables that are set for the child, for instance `KERAS_BACKEND`.
    """

    def __init__(self, environment: Mapping[str, str] | None = None):
        self.command = [sys.executable, str(HERE / "child_process.py")]
        self.errors = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env={**os.environ, **QUIET, **ONE_THREAD, **(environment or {})},
        )  # fmt: skip

    def _ask(self, question: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        with contextlib.suppress(BrokenPipeError):  # below, the output tells why the child has ended
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        if not (line := self.process.stdout.readline()):
            status = self.process.wait()
            self.errors.seek(0)
            raise ChildError(describe_error(self.command, status, self.errors.read()))
        kind, content = json.loads(line)
        if kind == "result":
            return content
        raise Unavailable(content) if kind == "unavailable" else ChildError(content)

    def prepare(self, make: str, arguments: Mapping[str, Any]) -> int:
        """Prepare a work, and return its number.

        Args:
            make: "MODULE:FUNCTION" of a script in this folder.
            arguments: Keyword arguments of the function, as JSON holds them.

        Raises:
            Unavailable: The function raised it.
            ChildError: The function raised another error, or the child has ended.
        """
        return self._ask({"make": make, "arguments": dict(arguments)})

    def repeat(self, number: int) -> dict[str, Any]:
        """Do a work once, and return its dictionary with `cpu` and `seconds`, the CPU time and the elapsed time.

        Raises:
            ChildError: The work raised an error, or the child has ended.
        """
        return self._ask({"repeat": number})

    def close(self) -> None:
        """End the child."""
        assert self.process.stdin and self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def require_package(module: str, extra: str) -> None:
    """Raise `Unavailable` if a package is not installed.

    Args:
        module: Name to import.
        extra: Extra of this package that installs it.
    """
    if importlib.util.find_spec(module) is None:
        raise Unavailable(f'{module} is not installed: pip install "kerasrecipes[{extra}]"')


def make_folder() -> Path:
    """Return a new folder that is deleted when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="kerasrecipes-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    import resource

    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def use_one_cpu() -> None:
    """Keep this process and its children on one CPU, where the system offers this: libraries then start one thread."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def prepare(make: str, arguments: Mapping[str, Any]) -> Callable[[], dict[str, Any] | None]:
    """Return what "MODULE:FUNCTION" of this folder returns for these arguments."""
    module, _, name = make.partition(":")
    return getattr(importlib.import_module(module), name)(**arguments)


def do_once(work: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """Do a work once and measure it."""
    cpu, begin = cpu_seconds(), time.perf_counter()
    result = work() or {}
    return {**result, "cpu": cpu_seconds() - cpu, "seconds": time.perf_counter() - begin}


def serve() -> None:
    """Answer the questions of a `Worker`, lines of JSON on standard input, on standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    use_one_cpu()
    works: list[Callable[[], dict[str, Any] | None]] = []
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if "make" in question:
                works.append(prepare(**question))
                answer = "result", len(works) - 1
            else:
                answer = "result", do_once(works[question["repeat"]])
        except Unavailable as error:
            answer = "unavailable", str(error)
        except Exception as error:
            answer = "error", f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    import child_process  # by its name, so that scripts raise the class `Unavailable` that `serve` catches

    child_process.serve()
