"""The process whose threads a Keras backend started. A forked process has none of them, and the backend would wait forever."""

import os

from kerasrecipes.errors import KerasRecipesError

_process: int | None = None  # the process that built the first model


def check_backend_process() -> None:
    """Remember this process as the one that runs Keras, or check that it is the one.

    Raises:
        KerasRecipesError: This process was forked from another one that had built a model.
    """
    global _process
    current = os.getpid()
    if _process is None:
        _process = current
    elif _process != current:
        raise KerasRecipesError(
            f"Process {current} was forked from {_process}, which had already loaded a Keras model, and would wait forever for its "
            'threads: start processes with multiprocessing.get_context("spawn"), load models only after the fork, or use '
            'load(NAME, engine="onnxruntime"), which can be forked'
        )
