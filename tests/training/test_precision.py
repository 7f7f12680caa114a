"""`dtype_policy: auto` computes in bfloat16 where that is fast."""

import pytest

from kerasrecipes.training import precision
from kerasrecipes.training.config import CONFIGS, read_config

X86 = "processor\t: 0\nmodel name\t: A processor\nflags\t\t: fpu avx2 {}\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\n"


@pytest.mark.parametrize(("cpuinfo", "policy"), [
    (X86.format("avx512f avx512_bf16"), "mixed_bfloat16"),
    (X86.format("amx_bf16 amx_tile"), "mixed_bfloat16"),
    (X86.format("avx512f"), "float32"),
    (ARM.format("i8mm bf16"), "mixed_bfloat16"),
    (ARM.format("sve"), "float32"),
    ("", "float32"),
    (None, "float32"),
])  # fmt: skip
def test_auto_follows_the_flags_of_the_processor(tmp_path, monkeypatch, cpuinfo, policy):
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(precision, "has_accelerator", lambda: False)
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert precision.resolve_dtype_policy("auto") == policy
    assert precision.resolve_dtype_policy("float16") == "float16"


def test_an_accelerator_computes_in_bfloat16(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(precision, "list_devices", lambda: ["cpu:0", "gpu:0"])
    assert precision.resolve_dtype_policy("auto") == "mixed_bfloat16"


def test_released_configurations_use_it():
    policies = {path.stem: read_config(path).dtype_policy for path in CONFIGS.glob("*.yaml")}
    assert "mixed_bfloat16" not in policies.values() and policies["wav2letter_small"] == "auto"


@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax", "numpy"])
def test_every_backend_names_its_devices(backend, monkeypatch):
    if backend != "numpy":
        pytest.importorskip(backend)
    if backend in ("tensorflow", "jax") and backend != precision.keras.config.backend():
        pytest.skip("Keras lists the devices of its own backend")
    monkeypatch.setattr(precision.keras.config, "backend", lambda: backend)
    assert precision.list_devices()[0].startswith("cpu")
