"""Batches of changing shapes for `model.fit`."""

from typing import Any

import keras


def to_keras_input(dataset: keras.utils.PyDataset) -> Any:
    """What `model.fit` gets in place of `dataset`, whose batches are (dict of arrays, array) of changing sizes.

    On TensorFlow, Keras takes a size that the first two batches happen to share as that of all; here every size is
    open. The other backends take the dataset itself.
    """
    if keras.config.backend() != "tensorflow":
        return dataset
    import tensorflow as tf

    inputs, labels = dataset[0]
    spec = {k: tf.TensorSpec([None] * v.ndim, v.dtype) for k, v in inputs.items()}
    passes = 0

    def batches():
        nonlocal passes
        if passes:
            dataset.on_epoch_end()
        passes += 1
        for i in range(len(dataset)):
            yield dataset[i]

    made = tf.data.Dataset.from_generator(
        batches, output_signature=(spec, tf.TensorSpec([None] * labels.ndim, labels.dtype))
    )
    return made.apply(tf.data.experimental.assert_cardinality(len(dataset))).prefetch(2)
