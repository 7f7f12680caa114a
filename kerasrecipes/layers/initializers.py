"""The start of a context module: it passes its input on (arXiv 1511.07122, section 3)."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasrecipes")
class IdentityInitializer(keras.initializers.Initializer):
    """Kernels that pass maps on: equations 4 (as many maps as classes) and 5 (a multiple of them).

    With C classes, c_i maps in and c_o out (numbered from 0) the centre of the kernel from map a to map b is C / c_o where
    floor(a C / c_i) = floor(b C / c_o), so that each class's maps feed those of the same class; all else is drawn from
    N(0, noise^2). Equation 4 is the case c_i = c_o = C.

    Args:
        classes: C. noise: standard deviation. seed: of it.
    """

    def __init__(self, classes: int, noise: float = 0.0, seed: int | None = None):
        self.classes, self.noise, self.seed = classes, noise, seed

    def __call__(self, shape, dtype=None):
        height, width, inputs, outputs = shape
        kernel = np.random.default_rng(self.seed).normal(0, self.noise, shape) if self.noise else np.zeros(shape)
        a, b = (np.arange(n) * self.classes // n for n in (inputs, outputs))
        same = a[:, None] == b[None, :]
        centre = kernel[height // 2, width // 2]
        kernel[height // 2, width // 2] = np.where(same, self.classes / outputs, centre)
        return ops.convert_to_tensor(kernel, dtype or "float32")

    def get_config(self):
        return {"classes": self.classes, "noise": self.noise, "seed": self.seed}
