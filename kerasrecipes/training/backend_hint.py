"""A hint at a faster backend that is installed."""

import importlib.util
import sys
from typing import Any

import keras

from kerasrecipes.layers.recurrent import SequenceRNN


def faster_backend_hint(model: Any) -> str | None:
    """Return a line that names torch where it is installed and trains the model faster than the current backend, else None.

    On a CPU that is a recurrent network on JAX: it pads batches, so that it compiles for few shapes, and torch does not.
    """
    if keras.config.backend() != "jax" or not any(isinstance(layer, SequenceRNN) for layer in model.layers):
        return None
    import jax

    if jax.default_backend() != "cpu" or not importlib.util.find_spec("torch"):
        return None
    return f"{model.name} trains faster on torch, which is installed: set KERAS_BACKEND=torch"


def show_faster_backend(model: Any) -> None:
    """Print the hint on standard error, if there is one."""
    if hint := faster_backend_hint(model):
        print(hint, file=sys.stderr, flush=True)
