"""Selection of the samples whose successor a WaveNet predicts, and the successors as targets (arXiv 1609.03499)."""

import keras
from keras import ops

from kerasrecipes.layers.base import ConfigLayer


@keras.saving.register_keras_serializable("kerasrecipes")
class NextSampleTargets(ConfigLayer):
    """Select one step out of every `stride`, together with the code that follows it as its target.

    A softmax over 256 codes for each of 16,000 samples a second may cost as much as the network below it. In training
    the step is sampled, the same one in all groups of a batch: the expected loss is the mean over all steps.

    Args:
        stride: Steps of a group; 1 keeps all steps. An incomplete last group is dropped.

    Call: `x` (batch, steps, features), `codes` (batch, steps) integers, `length` (batch,); returns the steps
    (batch, steps // stride, features), their targets (batch, steps // stride) int32, -1 where the item has no next
    step, and each item's number of targets (batch,) int32.
    """

    def __init__(self, stride: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.stride = stride
        self.seed_generator = keras.random.SeedGenerator() if stride > 1 else None

    def call(self, x, codes, length, training=None):
        length = ops.cast(length, "int32")[:, None]
        has_next = ops.arange(1, ops.shape(codes)[1] + 1)[None, :] < length
        targets = ops.where(has_next, ops.roll(ops.cast(codes, "int32"), -1, axis=1), -1)
        if self.stride > 1:
            index = keras.random.randint((), 0, self.stride, seed=self.seed_generator) if training else 0
            x, targets = self._select(x, index), self._select(targets[..., None], index)[..., 0]
        return x, targets, ops.sum(ops.cast(targets >= 0, "int32"), axis=1)

    def _select(self, x, index):
        """Return step `index` of every group: (batch, steps // stride, features)."""
        groups = ops.shape(x)[1] // self.stride
        grouped = ops.reshape(x[:, : groups * self.stride], (-1, groups, self.stride, x.shape[-1]))
        return ops.take(grouped, index, axis=2)

    def compute_output_spec(self, x, codes, length, training=None):
        steps = None if x.shape[1] is None else x.shape[1] // self.stride
        return (
            keras.KerasTensor((x.shape[0], steps, x.shape[-1]), dtype=self.compute_dtype),
            keras.KerasTensor((x.shape[0], steps), dtype="int32"),
            keras.KerasTensor(length.shape, dtype="int32"),
        )
