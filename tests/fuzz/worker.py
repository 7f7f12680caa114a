"""The child process that reads damaged files, under limits of memory and with an eye on everything it does outside its folder.

Its standard input holds lines of JSON, `[reader, first case, end, seed]` or `[reader, file]`. It answers on its standard output:
a line for each case before it begins, and one for each failure.
"""

import contextlib
import functools
import json
import os
import random
import resource
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import mutators
from readers import READERS

UNUSED_MODULES = ("tensorflow", "matplotlib")  # Keras computes in numpy here, and would import both, which takes seconds
BYTES_OVER_START = 1 << 30
MAX_BYTES_WITH_KERAS = 3 << 30
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
FORBIDDEN_EVENTS = ("os.system", "os.exec", "os.posix_spawn", "socket.connect", "pickle.find_class")
WRITE_EVENTS = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod", "shutil.rmtree")


class Watch:
    """An audit hook that records what a reader must not do: write outside its folder, start programs, connect."""

    def __init__(self, folder: Path):
        self.folder, self.enabled = f"{folder}/", False
        self.violations: list[str] = []
        sys.addaudithook(self.see)

    def see(self, event: str, arguments: tuple) -> None:
        if not self.enabled:
            return
        writes = event in WRITE_EVENTS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITE_FLAGS)
        if writes and isinstance(arguments[0], str | bytes):
            path = os.path.abspath(os.fsdecode(arguments[0]))
            if not f"{path}/".startswith(self.folder) and path != os.devnull:  # a temporary file without a name opens the folder
                self.violations.append(f"{event} {path}")
        elif event in FORBIDDEN_EVENTS or (event == "subprocess.Popen" and Path(str(arguments[0])).stem not in ("ffmpeg", "ffprobe")):
            self.violations.append(f"{event} {arguments[:2]!r:.200}")


@functools.cache
def load_samples(reader: str) -> dict[str, dict[str, bytes]]:
    return READERS[reader].samples()


@functools.cache
def find_targets(reader: str) -> list[tuple[str, str]]:
    """Return (sample, file) of all files of a reader that are damaged."""
    undamaged = READERS[reader].undamaged
    return [
        (sample, name)
        for sample, files in load_samples(reader).items()
        for name in files
        if len(files) == 1 or not name.endswith(undamaged)
    ]


def make_case(reader: str, number: int, seed: int) -> tuple[str, str, bytes]:
    """Return (sample, name of the damaged file, its content) of a case, which depends on nothing else.

    Every fifth case is a small file that is cut off, at the next byte each time.
    """
    rng = random.Random(f"{reader}/{number}/{seed}")
    inputs, targets = load_samples(reader), find_targets(reader)
    small = [target for target in targets if len(inputs[target[0]][target[1]]) <= mutators.TINY_BYTES]
    if small and number % 5 == 0:
        count = number // 5
        sample, name = small[count % len(small)]
        return sample, name, mutators.cut_at(inputs[sample][name], count // len(small))
    sample, name = rng.choice(targets)
    others = [inputs[a][b] for a, b in targets]
    return sample, name, mutators.mutate(inputs[sample][name], rng, others)


def read_case(reader: str, sample: str, name: str, content: bytes, folder: Path, watch: Watch) -> str:
    """Read a damaged file, and return what was wrong with the outcome, or an empty string."""
    from kerasrecipes.errors import KerasRecipesError

    for file, data in load_samples(reader)[sample].items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if file == name else data)
    watch.enabled, problem = True, ""
    try:
        READERS[reader].read(folder / name)
    except KerasRecipesError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, MemoryError):
            cause = cause.__cause__ or cause.__context__
        problem = f"memory: {error!r:.300}" if cause else ""
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "kerasrecipes/" in f.filename]
        place = f"{frames[-1].filename.rpartition('kerasrecipes/')[2]}:{frames[-1].lineno}" if frames else "?"
        problem = f"exception: {place}: {type(error).__name__}: {error!s:.160}"
    finally:
        watch.enabled = False
    if watch.violations:
        problem = f"outside: {watch.violations[0]}"
        watch.violations.clear()
    return problem


def limit_memory(with_keras: bool) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    start = pages * os.sysconf("SC_PAGE_SIZE")
    limit = max(MAX_BYTES_WITH_KERAS, start + BYTES_OVER_START) if with_keras else start + BYTES_OVER_START
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@contextlib.contextmanager
def quiet_streams() -> Iterator:
    """Yield the standard output for answers, and send what libraries print to nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    yield answers


def main() -> None:
    jobs = [json.loads(line) for line in sys.stdin]
    warnings.simplefilter("ignore")
    for module in UNUSED_MODULES:
        sys.modules[module] = None  # type: ignore[assignment]
    folder = Path.cwd()
    with quiet_streams() as answers:
        watch = Watch(folder)
        for reader in dict.fromkeys(job[0] for job in jobs):  # imports, which take memory and start programs, before the limit
            for number, (sample, files) in enumerate(load_samples(reader).items()):
                name = next(name for name in files if (sample, name) in find_targets(reader))
                place = folder / f"warm_{reader}_{number}"
                outcome = read_case(reader, sample, name, files[name], place, watch)
                if outcome and not outcome.startswith("outside"):
                    print(json.dumps({"problem": f"the valid sample {sample}: {outcome}"}), file=answers, flush=True)
        limit_memory(any(READERS[job[0]].needs_keras for job in jobs))
        for reader, *rest in jobs:
            numbers = range(rest[0], rest[1]) if len(rest) == 3 else [rest[0]]
            for number in numbers:
                print(json.dumps({"reader": reader, "case": number}), file=answers, flush=True)
                if isinstance(number, int):
                    case = make_case(reader, number, rest[2])
                else:
                    path = Path(number)
                    case = path.parent.name, path.name.partition("-")[2].replace("+", "/"), path.read_bytes()
                if problem := read_case(reader, *case, folder / reader / case[0], watch):
                    print(json.dumps({"problem": problem}), file=answers, flush=True)
        print(json.dumps({"end": True}), file=answers, flush=True)


if __name__ == "__main__":
    main()
