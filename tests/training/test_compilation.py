"""JAX's programs: kept in the package's cache, and announced before they are compiled. The hint at a faster backend."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
from processes import in_new_process

from kerasrecipes.layers import SequenceRNN
from kerasrecipes.training.backend_hint import faster_backend_hint, show_faster_backend
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


def test_the_log_names_torch_where_it_is_faster(monkeypatch, capsys):
    pytest.importorskip("jax")
    recurrent, plain = (SimpleNamespace(name="n", layers=layers) for layers in ([SequenceRNN(2)], []))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "torch")
    assert faster_backend_hint(recurrent) is None  # TensorFlow is not slower
    monkeypatch.setattr("keras.config.backend", lambda: "jax")
    assert faster_backend_hint(plain) is None
    show_faster_backend(recurrent)
    assert capsys.readouterr().err == "n trains faster on torch, which is installed: set KERAS_BACKEND=torch\n"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert faster_backend_hint(recurrent) is None
