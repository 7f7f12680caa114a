"""Run code in a Python process of its own, on a backend of its own."""

import os
import subprocess
import sys

from paths import HELPERS


def in_new_process(code, *arguments, backend="tensorflow"):
    env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HELPERS), env.get("PYTHONPATH"))))
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, env=env, timeout=900)
