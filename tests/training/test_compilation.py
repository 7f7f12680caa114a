"""JAX's programs: kept in the package's cache, and announced before they are compiled."""

import importlib.util

import numpy as np
import pytest
from processes import in_new_process

from kerasrecipes.training.distributed import DeviceGroup

CACHE = """
import os, sys, pathlib, jax
os.environ["KERASRECIPES_CACHE"] = sys.argv[1]
from kerasrecipes.utils.environment import enable_compilation_cache
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.jit(lambda x: x + 1)(1.0)  # JAX now knows that there is no cache
enable_compilation_cache()
jax.jit(lambda x: x * 2)(1.0)
folder = pathlib.Path(sys.argv[1]) / "jax"
assert list(folder.iterdir()), "nothing was kept"
jax.config.update("jax_compilation_cache_dir", "elsewhere")
enable_compilation_cache()
assert jax.config.jax_compilation_cache_dir == "elsewhere"  # a folder of the user's own stays
"""


def test_programs_are_kept_in_the_cache(tmp_path):
    if not importlib.util.find_spec("jax"):
        pytest.skip("JAX is not installed")
    in_new_process(CACHE, tmp_path, backend="jax")


def test_jax_compiles_once_for_each_shape_and_others_never(monkeypatch):
    devices = DeviceGroup()
    batch = {"audio": np.zeros((2, 5)), "length": np.zeros(2)}, np.zeros((2, 3))
    monkeypatch.setattr("keras.config.backend", lambda: "jax")
    assert [devices.compiles_for(*batch) for _ in range(2)] == [True, False]
    assert devices.compiles_for(batch[0], np.zeros((2, 4)))
    monkeypatch.setattr("keras.config.backend", lambda: "torch")
    assert not devices.compiles_for(batch[0], np.zeros((2, 5)))
