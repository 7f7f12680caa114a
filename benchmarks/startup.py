"""How long the first answers take: `import kerasrecipes` and `kerasrecipes list`, beside Python's own start.

python benchmarks/startup.py
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from child_process import Unavailable, require_package

from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import write_benchmark_json

COMMANDS = {
    "python": ["-c", "pass"],
    "import kerasrecipes": ["-c", "import kerasrecipes"],
    "kerasrecipes list": ["-m", "kerasrecipes", "list", "deepspeech*", "--pretrained"],
}


def make_start(arguments: list[str], package: str = "", extra: str = "") -> Callable[[], dict]:
    """Return a function that runs Python with these arguments.

    Args:
        arguments: Arguments of the interpreter.
        package: Package of another project that the program needs. Default: none.
        extra: Extra of this package that installs it.
    """
    if package:
        require_package(package, extra)
        if (first := subprocess.run([sys.executable, *arguments], capture_output=True, text=True)).returncode:
            raise Unavailable(f"{package} ended with an error: {(first.stderr.strip() or 'no message').splitlines()[-1]}")

    def work() -> dict:
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        return {}

    return work


def seconds(arguments: list[str], runs: int) -> float:
    """The fastest of some runs: what others do on the machine only ever adds."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=10)
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    o = options.parse_args()
    found = {name: seconds(arguments, o.runs) for name, arguments in COMMANDS.items()}
    own = found["python"]
    figures = {name: f"{value:.3f} s, {value / own:.1f} times Python's start" for name, value in found.items()}
    for name, value in figures.items():
        print(f"{name:24} {value}")
    if o.write:
        write_benchmark_json(o.write, "Start-up", f"fastest of {o.runs} runs; {hardware_summary()}", figures)


if __name__ == "__main__":
    main()
