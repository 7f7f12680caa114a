"""Identity initialization of the context module (arXiv 1511.07122, section 3)."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasrecipes")
class IdentityInitializer(keras.initializers.Initializer):
    """Kernels that return their input: equations 4 (one map per class) and 5 (several maps per class).

    With C classes, c_i input maps and c_o output maps, numbered from 0, the center of the kernel from map a to map b is
    C / c_o where floor(a C / c_i) = floor(b C / c_o), so that the maps of a class feed the maps of the same class. All
    other values are sampled from N(0, stddev^2). Equation 4 is the case c_i = c_o = C.

    Args:
        num_classes: C.
        stddev: Standard deviation of the other values.
        seed: Seed of the other values.
    """

    def __init__(self, num_classes: int, stddev: float = 0.0, seed: int | None = None):
        self.num_classes, self.stddev, self.seed = num_classes, stddev, seed

    def __call__(self, shape, dtype=None):
        height, width, inputs, outputs = shape
        kernel = np.random.default_rng(self.seed).normal(0, self.stddev, shape) if self.stddev else np.zeros(shape)
        a, b = (np.arange(n) * self.num_classes // n for n in (inputs, outputs))
        same_class = a[:, None] == b[None, :]
        center = kernel[height // 2, width // 2]
        kernel[height // 2, width // 2] = np.where(same_class, self.num_classes / outputs, center)
        return ops.convert_to_tensor(kernel, dtype or "float32")

    def get_config(self):
        return {"num_classes": self.num_classes, "stddev": self.stddev, "seed": self.seed}
