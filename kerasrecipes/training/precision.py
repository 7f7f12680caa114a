"""The precision of a training run: bfloat16 where the processor computes it fast, else float32."""

from pathlib import Path

import keras

CPUINFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # "bf16" is ARM's
AUTO = "auto"


def resolve_dtype_policy(policy: str) -> str:
    """Return the Keras dtype policy that a configuration's `dtype_policy` stands for on this machine.

    A processor without instructions for bfloat16 emulates it: a training step takes nine times as long as in float32.

    Args:
        policy: A Keras policy, or "auto" for mixed_bfloat16 on a graphics card, a TPU or a processor with such instructions,
            and float32 on all others.
    """
    if policy != AUTO:
        return policy
    return "mixed_bfloat16" if has_accelerator() or has_bfloat16_cpu() else "float32"


def has_bfloat16_cpu() -> bool:
    """Return True if the operating system lists instructions for bfloat16 among the processor's."""
    try:
        lines = CPUINFO.read_text("utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return False
    flags = (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features")))
    return not BFLOAT16_FLAGS.isdisjoint(next(flags, ()))


def has_accelerator() -> bool:
    """Return True if the backend has a device beside the CPU."""
    return any(not device.startswith("cpu") for device in list_devices())


def list_devices() -> list[str]:
    """Return the names of the backend's devices, for instance ["cpu:0", "gpu:0"]."""
    if keras.config.backend() in ("tensorflow", "jax"):
        return keras.distribution.list_devices()
    if keras.config.backend() != "torch":
        return ["cpu:0"]
    import torch

    return ["cpu:0", *(f"gpu:{number}" for number in range(torch.cuda.device_count()))]
