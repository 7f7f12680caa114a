"""Base class of data sets for `model.fit`, and an adapter for batches of varying shapes."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import DataError
from kerasrecipes.utils.backend_process import check_backend_process
from kerasrecipes.utils.sources import is_file_input

LAYOUT_EPOCHS = 8  # whose largest number of batches is that of all epochs


class EpochDataset(keras.utils.PyDataset):
    """Base class of data sets whose batches depend only on the seed, the epoch and their index.

    All epochs have the same number of batches, because Keras asks for it once.
    """

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lay out the batches of an epoch, counted from 0."""
        self.epoch = epoch

    def on_epoch_end(self) -> None:
        """Go to the next epoch. Keras calls this."""
        self.set_epoch(self.epoch + 1)


def batch_ends(sizes: np.ndarray, limit: float) -> list[int]:
    """Return the end of each batch if batches take items in order, as many as fit when padded to the largest of them.

    Args:
        sizes: Sizes (items,) in order.
        limit: Largest padded size of a batch. An item that exceeds it is a batch of its own.
    """
    ends, begin = [], 0
    most = int(limit // max(sizes.min(initial=limit), 1)) + 1
    while begin < len(sizes):
        largest = np.maximum.accumulate(sizes[begin : begin + most])
        begin += max(int(np.searchsorted(largest * np.arange(1, len(largest) + 1), limit, "right")), 1)
        ends.append(begin)
    return ends


def fixed_batch_ends(sizes: np.ndarray, limit: float, num_batches: int) -> list[int]:
    """Return the ends of exactly `num_batches` batches of items in order.

    They are those of `batch_ends`. Where these are too few or too many, the limit becomes the smallest one that gives no more than
    `num_batches`, and the batches with the most items are halved until there are enough.

    Args:
        sizes: Sizes (items,) in order, at least `num_batches` of them.
        limit: Largest padded size of a batch.
        num_batches: Number of batches.
    """
    ends = batch_ends(sizes, limit)
    if len(ends) == num_batches:
        return ends
    low, high = 0.0, float(limit if len(ends) < num_batches else sizes.max() * len(sizes))
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if len(batch_ends(sizes, middle)) <= num_batches else (middle, high)
    ends = batch_ends(sizes, high)
    while len(ends) < num_batches:
        counts = np.diff(ends, prepend=0)
        widest = int(counts.argmax())
        ends.insert(widest, ends[widest] - int(counts[widest]) // 2)
    return ends


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


def split_validation(clips: Any, share: float) -> tuple[Any, Any]:
    """Return the clips for training and the last `share` of them, for validation, as Keras splits arrays.

    Raises:
        DataError: One of the parts is empty.
    """
    count = int(len(clips) * (1 - share))
    if not 0 < count < len(clips):
        raise DataError(
            f"validation_split={share} of {len(clips)} clips leaves one part empty: pass a share between 0 and 1 and more clips, "
            "or validation_data"
        )
    return clips[:count], clips[count:]


def to_plain_list(x: Any) -> Any:
    """Return a pandas or polars column, or a numpy array of strings or objects, as a list, and anything else as it is."""
    if hasattr(x, "to_list"):
        return x.to_list()
    return x.tolist() if isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.kind in "UO" else x


def is_clip_list(x: Any, y: Any) -> bool:
    """Return whether `fit` was given a list of files, or a list of anything with a list of texts."""
    if not isinstance(x, list | tuple) or y is None:
        return False
    has_texts = isinstance(y, list | tuple) and all(isinstance(text, str) for text in y[:1])
    return has_texts or is_file_input(list(x))
