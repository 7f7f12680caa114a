"""AdamW that clips by the global norm and lets no gradient through that is not finite."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasrecipes")
class ClippedAdamW(keras.optimizers.AdamW):
    """As `keras.optimizers.AdamW`, with gradients scaled to norm `limit` (Deep Speech 2 clips at 400, section 3.7).

    Where the norm is not finite the gradient is taken as zero; `skipped` counts such steps, so that one bad batch
    cannot turn every weight into NaN. The running average of the weights (`use_ema`) has momentum t / (t + 9) at step t until
    that reaches `ema_momentum`: with 0.999 from the first step on, a third of an average after 1,000 steps would be the random
    numbers that training began with.

    Args:
        learning_rate, weight_decay, kwargs: as Keras's. limit: of the global norm.
    """

    def __init__(self, learning_rate: Any = 1e-3, weight_decay: float = 1e-4, limit: float = 5.0, **kwargs: Any):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.limit = limit

    def build(self, variables: Any) -> None:
        if not self.built:
            self.skipped = self.add_variable((), initializer="zeros", dtype="int32", name="skipped")
        super().build(variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        if not self.built:
            self.build(trainable_variables)
        norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in grads))
        finite = ops.isfinite(norm)
        scale = ops.minimum(self.limit / ops.maximum(norm, 1e-12), 1.0)
        self.skipped.assign_add(ops.cast(ops.logical_not(finite), "int32"))
        super().apply(
            [ops.where(finite, g * ops.cast(scale, g.dtype), ops.zeros_like(g)) for g in grads], trainable_variables
        )

    def _update_model_variables_moving_average(self, trainable_variables: Any) -> None:
        if not self.use_ema:
            return
        steps = ops.cast(self.iterations, "float32")  # before this one
        momentum = ops.minimum(self.ema_momentum, steps / (steps + 9))
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            if average is not None:
                average.assign(momentum * ops.cast(average, "float32") + (1 - momentum) * ops.cast(variable, "float32"))

    def get_config(self) -> dict:
        return {**super().get_config(), "limit": self.limit}
