"""The machine and the process: CPUs, threads, hardware and commit for records."""

import contextlib
import os
import platform
import subprocess
from pathlib import Path

import platformdirs

from kerasrecipes.errors import KerasRecipesError


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def num_threads() -> int:
    """Return the number of threads to compute with: `KERASRECIPES_THREADS`, else `available_cpus()`.

    An engine's own default counts all CPUs of the machine, and threads beyond the available CPUs wait for each other.

    Raises:
        KerasRecipesError: `KERASRECIPES_THREADS` is no positive whole number.
    """
    if value := os.environ.get("KERASRECIPES_THREADS"):
        if not value.isdecimal() or not int(value):
            raise KerasRecipesError(f"KERASRECIPES_THREADS is {value!r}: set it to a number of threads, or unset it")
        return int(value)
    return available_cpus()


def user_folder(variable: str, default: str) -> Path:
    """Return the folder that an environment variable names, or a default. A leading ~ is the home folder.

    Raises:
        KerasRecipesError: The folder lies in the home folder, and this user has none.
    """
    folder = os.environ.get(variable) or default
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise KerasRecipesError(f"There is no home folder for {folder}: set {variable} to a folder, or HOME") from error


def cache_folder() -> Path:
    """Return the package's cache: `KERASRECIPES_CACHE`, else kerasrecipes in the user's cache folder.

    Raises:
        KerasRecipesError: As `user_folder`.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        default = Path(base) / "kerasrecipes" if base else platformdirs.user_cache_dir("kerasrecipes", appauthor=False)
    except RuntimeError:  # a user without a home folder
        default = "~/.cache/kerasrecipes"
    return user_folder("KERASRECIPES_CACHE", str(default))


def enable_compilation_cache() -> None:
    """Let JAX keep compiled programs in the package's cache, so that later processes load them, unless it has a folder already.

    A user without a home folder gets none.
    """
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    with contextlib.suppress(KerasRecipesError):
        if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
            return
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
        compilation_cache.reset_cache()  # JAX decides at its first program whether there is a cache


def hardware_summary() -> str:
    """Return one line with the number of cores and the processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores, {model}"


def git_commit() -> str | None:
    """Return the commit of the checkout that holds this package, or None outside a checkout."""
    result = subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True)
    return result.stdout.strip() or None
