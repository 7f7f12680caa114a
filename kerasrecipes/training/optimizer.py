"""Optimizers with gradient clipping that skip gradients which are not finite, and the averaged weights."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.errors import DataError
from kerasrecipes.tasks.caffe_sgd import CaffeSGD
from kerasrecipes.training.config import TrainConfig
from kerasrecipes.training.muon import Muon

ADAMW = type(keras.optimizers.AdamW())  # on torch a subclass, which updates all variables by one call of each operation
UNDECAYED = ["gamma", "beta", "transitions"]  # names of weights without weight decay, beside biases


class GradientClipping(keras.optimizers.Optimizer):
    """Base class of optimizers that scale gradients to a global norm of at most `max_norm`.

    A gradient whose norm is not finite counts as zero, so that one bad batch cannot turn every weight into NaN, and
    `num_skipped` counts such steps. Deep Speech 2 clips at 400 (section 3.7).

    The running average of the weights (`use_ema`) has momentum t / (t + 9) at step t until that reaches `ema_momentum`. With
    0.999 from the first step on, the random initial weights would still be a third of the average after 1,000 steps.

    Args:
        *args: Arguments of the optimizer.
        max_norm: Largest global norm of the gradients. Default 5.
        **kwargs: Arguments of the optimizer.
    """

    def __init__(self, *args: Any, max_norm: float = 5.0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.max_norm = max_norm

    def build(self, variables: Any) -> None:
        if not self.built:
            self.num_skipped = self.add_variable((), initializer="zeros", dtype="int32", name="num_skipped")
        super().build(variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        if not self.built:
            self.build(trainable_variables)
        norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in grads))
        finite = ops.isfinite(norm)
        scale = ops.minimum(self.max_norm / ops.maximum(norm, 1e-12), 1.0)
        self.num_skipped.assign_add(ops.cast(ops.logical_not(finite), "int32"))
        super().apply(
            [ops.where(finite, g * ops.cast(scale, g.dtype), ops.zeros_like(g)) for g in grads], trainable_variables
        )

    def _update_model_variables_moving_average(self, trainable_variables: Any) -> None:
        if not self.use_ema:
            return
        steps = ops.cast(self.iterations, "float32")  # before this one
        momentum = ops.minimum(self.ema_momentum, steps / (steps + 9))
        if keras.config.backend() == "torch":
            average_by_torch(trainable_variables, self._model_variables_moving_average, 1 - float(momentum))
            return
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            if average is not None:
                average.assign(momentum * ops.cast(average, "float32") + (1 - momentum) * ops.cast(variable, "float32"))

    def get_config(self) -> dict:
        return {**super().get_config(), "max_norm": self.max_norm}


@keras.saving.register_keras_serializable("kerasrecipes")
class ClippedAdamW(GradientClipping, ADAMW):  # type: ignore[misc, valid-type]
    """`keras.optimizers.AdamW` with `GradientClipping`.

    Args:
        learning_rate: As in Keras. Default 1e-3.
        weight_decay: As in Keras. Default 1e-4.
        max_norm: Largest global norm of the gradients. Default 5.
        **kwargs: Arguments of `keras.optimizers.AdamW`.
    """

    def __init__(
        self, learning_rate: Any = 1e-3, weight_decay: float = 1e-4, *, max_norm: float = 5.0, **kwargs: Any
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, max_norm=max_norm, **kwargs)


@keras.saving.register_keras_serializable("kerasrecipes")
class ClippedSGD(GradientClipping, CaffeSGD):
    """`CaffeSGD` with `GradientClipping`. The arguments are those of both."""


@keras.saving.register_keras_serializable("kerasrecipes")
class ClippedMuon(GradientClipping, Muon):
    """`Muon` with `GradientClipping`. The arguments are those of both."""


def make_optimizer(config: TrainConfig) -> ClippedAdamW | ClippedMuon | ClippedSGD:
    """Return a run's optimizer. Normalization and transitions are not decayed, nor biases unless `bias_weight_decay` is set.

    Raises:
        DataError: The configuration names an unknown optimizer.
    """
    options: dict[str, Any] = {
        "weight_decay": config.weight_decay, "max_norm": config.clipnorm, "use_ema": config.ema_momentum > 0,
        "ema_momentum": config.ema_momentum or 0.99,
    }  # fmt: skip
    optimizer: ClippedAdamW | ClippedMuon | ClippedSGD
    if config.optimizer == "adamw":
        optimizer = ClippedAdamW(config.learning_rate, **options)
    elif config.optimizer == "muon":
        optimizer = ClippedMuon(config.learning_rate, adam_weight_decay=config.weight_decay, **options)
    elif config.optimizer == "sgd":
        optimizer = ClippedSGD(
            config.learning_rate, config.momentum, bias_rate=config.bias_rate,
            bias_weight_decay=config.bias_weight_decay, **options,
        )  # fmt: skip
    else:
        raise DataError(f"optimizer {config.optimizer!r:.80}: write adamw, muon or sgd")
    optimizer.exclude_from_weight_decay(var_names=UNDECAYED if config.optimizer == "sgd" else ["bias", *UNDECAYED])
    return optimizer


def average_by_torch(variables: list, averages: list, rate: float) -> None:
    """Move each average toward its variable by `rate` of their difference, all by one call."""
    import torch

    pairs = [(a.value, v.value.to(a.value.dtype)) for a, v in zip(averages, variables, strict=True) if a is not None]
    with torch.no_grad():
        torch._foreach_lerp_([average for average, _ in pairs], [value for _, value in pairs], rate)


def averaged_weights(model: keras.Model) -> list[np.ndarray]:
    """Return the model's weights with their running averages, in the order of `model.weights`."""
    averages = model.optimizer._model_variables_moving_average if model.optimizer.use_ema else []
    by_variable = {id(v): a for v, a in zip(model.trainable_variables, averages, strict=False)}
    return [ops.convert_to_numpy(by_variable.get(id(v), v)) for v in model.weights]


@contextlib.contextmanager
def ema_weights(model: keras.Model) -> Iterator[keras.Model]:
    """Give the model the running average of its weights in this context, and afterwards its own weights again."""
    averages = model.optimizer._model_variables_moving_average if model.optimizer.use_ema else []
    weights = [ops.copy(v.value) for v in model.trainable_variables]
    for variable, average in zip(model.trainable_variables, averages, strict=False):
        variable.assign(average)
    try:
        yield model
    finally:
        for variable, weight in zip(model.trainable_variables, weights, strict=True):
            variable.assign(weight)
