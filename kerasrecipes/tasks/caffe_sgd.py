"""Stochastic gradient descent as in Caffe, in which the networks of 2012 to 2016 were trained."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasrecipes")
class CaffeSGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD` whose weight decay is an L2 penalty, and whose biases have settings of their own.

        velocity = momentum * velocity + rate * (gradient + decay * weight)
        weight = weight - velocity

    In Keras the decay is outside the velocity. Caffe's definitions usually give biases twice the learning rate and no decay
    (`lr_mult: 2`, `decay_mult: 0`).

    Args:
        learning_rate: As in Keras. Default 0.01.
        momentum: As in Keras. Default 0.9.
        weight_decay: Factor of the weights in the gradient. Default 0.
        bias_weight_decay: The same for variables named `bias`. Default 0.
        bias_rate: Learning rate of variables named `bias` as a multiple of `learning_rate`. Default 1.
        **kwargs: Arguments of `keras.optimizers.SGD`.
    """

    def __init__(
        self, learning_rate: Any = 0.01, momentum: float = 0.9, *, weight_decay: float = 0.0, bias_weight_decay: float = 0.0,
        bias_rate: float = 1.0, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(learning_rate, momentum, weight_decay=weight_decay, **kwargs)
        self.bias_weight_decay, self.bias_rate = bias_weight_decay, bias_rate

    def _apply_weight_decay(self, variables: Any) -> None:
        """Do nothing, because `update_step` adds the decay to the gradient."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a variable and its velocity."""
        keras_variable = self._trainable_variables[self._get_variable_index(variable)]  # TensorFlow's own has another name
        if keras_variable.name == "bias":
            decay, rate = self.bias_weight_decay, learning_rate * self.bias_rate
        else:
            decay, rate = self.weight_decay if self._use_weight_decay(keras_variable) else 0.0, learning_rate
        super().update_step(ops.cast(gradient, variable.dtype) + decay * variable, variable, rate)

    def get_config(self) -> dict:
        return {**super().get_config(), "bias_weight_decay": self.bias_weight_decay, "bias_rate": self.bias_rate}
