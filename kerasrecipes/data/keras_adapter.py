"""Base class of data sets for `model.fit`, and an adapter for batches of varying shapes."""

from collections.abc import Iterator
from typing import Any

import keras

from kerasrecipes.utils.backend_process import check_backend_process


class EpochDataset(keras.utils.PyDataset):
    """Base class of data sets whose batches depend only on the seed, the epoch and their index."""

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lay out the batches of an epoch, counted from 0."""
        self.epoch = epoch

    def on_epoch_end(self) -> None:
        """Go to the next epoch. Keras calls this."""
        self.set_epoch(self.epoch + 1)


def to_keras_input(dataset: keras.utils.PyDataset) -> Any:
    """Return what `model.fit` gets in place of a dataset whose batches (dict of arrays, array) vary in shape.

    On TensorFlow, Keras fixes a size that the first two batches share. A `tf.data.Dataset` with open sizes prevents that.
    Other backends get the dataset itself.
    """
    if keras.config.backend() != "tensorflow":
        return dataset
    check_backend_process()
    import tensorflow as tf

    inputs, labels = dataset[0]
    spec = {k: tf.TensorSpec([None] * v.ndim, v.dtype) for k, v in inputs.items()}
    epochs = 0

    def batches() -> Iterator[Any]:
        nonlocal epochs
        if epochs:
            dataset.on_epoch_end()
        epochs += 1
        for i in range(len(dataset)):
            yield dataset[i]

    signature = (spec, tf.TensorSpec([None] * labels.ndim, labels.dtype))
    pipeline = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return pipeline.apply(tf.data.experimental.assert_cardinality(len(dataset))).prefetch(2)
