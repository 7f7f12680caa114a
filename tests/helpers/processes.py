"""Run code in a Python process of its own, on a backend of its own."""

import importlib.util
import os
import subprocess
import sys

import pytest
from paths import HELPERS


def in_new_process(code, *arguments, backend="tensorflow"):
    env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HELPERS), env.get("PYTHONPATH"))))
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, env=env, timeout=900)


def call_on_backend(function, backend):
    """Call a test module's function in a new process on another backend. Skip the test if the backend is not installed."""
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    module, name = function.__module__, function.__name__
    in_new_process(f"import sys; sys.path[:0] = sys.argv[1:]; import {module}; {module}.{name}()", *sys.path, backend=backend)
