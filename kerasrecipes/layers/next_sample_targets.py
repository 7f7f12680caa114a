"""Which samples' successors a network is asked for, and what they are: a sound is its own label (WaveNet, arXiv 1609.03499)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasrecipes")
class NextSampleTargets(keras.layers.Layer):
    """Of every few steps one, with the code that follows it.

    A softmax over 256 codes for each of 16,000 samples a second may cost as much as the network below. In training the one step
    is drawn, the same place in all groups of a batch: the mean loss over the chosen is that over all in expectation.

    Args:
        every: steps of a group; 1 keeps all. A rest at the end that fills no group is left out.

    Call: `x` (batch, steps, features), `codes` (batch, steps) integers, `length` (batch,); returns the steps
    (batch, steps // every, features), their targets (batch, steps // every) int32, -1 where the item has no next step,
    and how many targets each item has, (batch,) int32.
    """

    def __init__(self, every: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.every = every
        self.seed_generator = keras.random.SeedGenerator() if every > 1 else None

    def call(self, x, codes, length, training=None):
        length = ops.cast(length, "int32")[:, None]
        follows = ops.arange(1, ops.shape(codes)[1] + 1)[None, :] < length
        targets = ops.where(follows, ops.roll(ops.cast(codes, "int32"), -1, axis=1), -1)
        if self.every > 1:
            place = 0
            if training:
                place = keras.random.randint((), 0, self.every, seed=self.seed_generator)
            x, targets = self.chosen(x, place), self.chosen(targets[..., None], place)[..., 0]
        return x, targets, ops.sum(ops.cast(targets >= 0, "int32"), axis=1)

    def chosen(self, x, place):
        """The step `place` of every group: (batch, steps // every, features)."""
        groups = ops.shape(x)[1] // self.every
        grouped = ops.reshape(x[:, : groups * self.every], (-1, groups, self.every, x.shape[-1]))
        return ops.take(grouped, place, axis=2)

    def compute_output_spec(self, x, codes, length, training=None):
        steps = None if x.shape[1] is None else x.shape[1] // self.every
        return (
            keras.KerasTensor((x.shape[0], steps, x.shape[-1]), dtype=self.compute_dtype),
            keras.KerasTensor((x.shape[0], steps), dtype="int32"), keras.KerasTensor(length.shape, dtype="int32"),
        )  # fmt: skip

    def get_config(self):
        return {**super().get_config(), "every": self.every}
