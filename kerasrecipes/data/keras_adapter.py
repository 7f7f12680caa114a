"""Base class of data sets for `model.fit`, and an adapter for batches of varying shapes."""

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.errors import DataError
from kerasrecipes.utils.backend_process import check_backend_process
from kerasrecipes.utils.sources import is_file_input

LAYOUT_EPOCHS = 8  # whose largest number of batches is that of all epochs
MAX_SHAPES = 6  # of a data set's batches on JAX, which compiles a program for each
MAX_LAYOUT_BATCHES = 1000  # of an epoch that count when these shapes are chosen
MAX_CUTS = 60  # lengths among which the ends of the shapes' groups are chosen


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


class PaddedBatches(keras.utils.PyDataset):
    """Batches of a dataset of audio, padded to few shapes for a backend that compiles a program for each.

    Batches of similar length share a shape. Items of length 0 without labels are added, which contribute to no loss, no gradient
    and no statistics, so results do not change.

    Args:
        dataset: Dataset with `batch_shape`.
        on_new_shape: Function that is called with a message before a shape's first batch. Default: none.
    """

    def __init__(self, dataset: Any, on_new_shape: Callable[[str], None] | None = None):
        super().__init__()
        self.dataset, self.on_new_shape = dataset, on_new_shape
        self.used_shapes: set[tuple[int, ...]] = set()
        first, shapes = dataset.epoch, []
        for epoch in range(first, first + LAYOUT_EPOCHS):
            dataset.set_epoch(epoch)
            stride = -(-len(dataset) // MAX_LAYOUT_BATCHES)
            shapes += [dataset.batch_shape(i) for i in range(0, len(dataset), stride)]
        dataset.set_epoch(first)
        self.shapes = group_shapes(np.array(shapes))

    def __len__(self) -> int:
        return len(self.dataset)

    def on_epoch_end(self) -> None:
        self.dataset.on_epoch_end()

    def padded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the smallest of the shapes that holds a batch's shape. Where none does, one of them grows."""
        holding = [tuple(map(max, shape, s)) for s in self.shapes]
        best = min(range(len(holding)), key=lambda i: (holding[i] != self.shapes[i], holding[i][0] * holding[i][1]))
        self.shapes[best] = holding[best]
        return holding[best]

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        inputs, labels = self.dataset[index]
        shape = rows, samples, num_labels = self.padded_shape((*inputs["audio"].shape, labels.shape[1]))
        if shape not in self.used_shapes and self.on_new_shape:
            seconds = samples / SAMPLE_RATE
            place = f"shape {len(self.used_shapes) + 1} of {len(self.shapes)}"
            self.on_new_shape(f"compiling for batches of {rows} clips of {seconds:.1f} s, {place}")
        self.used_shapes.add(shape)
        sizes = {"audio": samples}
        if "teacher" in inputs:
            sizes["teacher"] = int(self.dataset.output_length(samples))
        return {k: pad_batch(x, rows, sizes.get(k)) for k, x in inputs.items()}, pad_batch(labels, rows, num_labels)


def group_shapes(shapes: np.ndarray) -> list[tuple[int, ...]]:
    """Return at most `MAX_SHAPES` shapes, one of which holds each given one, with the least padding in all.

    Args:
        shapes: (batches, 3) items, samples and labels.
    """
    shapes = shapes[np.argsort(shapes[:, 1], kind="stable")]
    ends = np.unique(np.linspace(0, len(shapes), MAX_CUTS + 1).round().astype(int))  # where a group may end
    cells = len(ends) - 1
    cost = np.full((cells, cells + 1), np.inf)  # padded size of a group of cells i ... j - 1
    for i in range(cells):
        largest = np.maximum.accumulate(shapes[ends[i] :, :2].astype("float64"), axis=0)
        for j in range(i + 1, cells + 1):
            count = ends[j] - ends[i]
            cost[i, j] = largest[count - 1].prod() * count
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [0])}  # by the last cut: padded size in all, and cuts
    for _ in range(MAX_SHAPES):
        for j in range(cells, 0, -1):
            best[j] = min((best[i][0] + cost[i, j], [*best[i][1], j]) for i in range(j) if i in best)
    cuts = best[cells][1]
    return [tuple(shapes[ends[i] : ends[j]].max(axis=0).tolist()) for i, j in itertools.pairwise(cuts)]


def pad_batch(x: np.ndarray, rows: int, width: int | None = None, value: float = 0) -> np.ndarray:
    """Pad `x` (items, width, ...) with `value` to more items and a greater width."""
    sizes = [(0, rows - len(x))] + [(0, 0)] * (x.ndim - 1)
    if width is not None and x.ndim > 1:
        sizes[1] = (0, width - x.shape[1])
    return np.pad(x, sizes, constant_values=value)


def to_keras_input(dataset: keras.utils.PyDataset, verbose: Any = 0) -> Any:
    """Return what `model.fit` gets in place of a dataset whose batches (dict of arrays, array) vary in shape.

    On TensorFlow, Keras fixes a size that the first two batches share. A `tf.data.Dataset` with open sizes prevents that.
    JAX compiles for every shape and gets `PaddedBatches` where the dataset knows its batches' shapes. Torch gets the dataset.

    Args:
        dataset: Dataset of batches.
        verbose: Unless 0 (default), a line on stderr tells before JAX compiles.
    """
    if keras.config.backend() == "jax" and hasattr(dataset, "batch_shape"):
        show = lambda message: print(f"\n{message}", file=sys.stderr)  # noqa: E731
        return PaddedBatches(dataset, show if verbose else None)
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
