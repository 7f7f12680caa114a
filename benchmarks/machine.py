"""The kind of processor that results belong to."""

import platform
from pathlib import Path

from kerasrecipes.utils.environment import hardware_summary

# instructions that decide how fast a network computes, the fastest first. Each x86 processor with one of them has all after it
X86_FLAGS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
ARM_FLAGS = ("sve", "bf16", "i8mm", "asimd")


def read_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """Return the processor's flags that matter here, the fastest first."""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    flags = next((line.split(":")[1].split() for line in lines if line.lower().startswith(("flags", "features"))), [])
    return [flag for flag in X86_FLAGS + ARM_FLAGS if flag in flags]


def processor_kind(flags: list[str]) -> str:
    """Return the name of a processor's kind: its fastest flag, or the architecture where no flag is known."""
    return flags[0] if flags else platform.machine().lower() or "unknown"


def describe_machine() -> dict[str, object]:
    """Return the kind of this machine's processor, its flags, its name and cores, and the system."""
    flags = read_flags()
    return {"kind": processor_kind(flags), "flags": flags, "hardware": hardware_summary(), "system": platform.system()}
