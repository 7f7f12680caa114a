"""Shapes of batches on JAX: few of them, each batch in one, and the same loss with padding as without."""

import itertools

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import data
from kerasrecipes.data import keras_adapter
from kerasrecipes.data.keras_adapter import MAX_SHAPES, PaddedBatches, group_shapes


class Layout:
    """A dataset of batches of random lengths, anew in every epoch."""

    def __init__(self):
        self.set_epoch(0)

    def set_epoch(self, epoch):
        self.epoch, rng = epoch, np.random.default_rng(epoch)
        longest = np.sort(rng.integers(200, 2000, 30))
        self.shapes = [(6000 // n, int(n), int(rng.integers(1, 9))) for n in longest]

    def on_epoch_end(self):
        self.set_epoch(self.epoch + 1)

    def __len__(self):
        return len(self.shapes)

    def batch_shape(self, index):
        return self.shapes[index]

    def __getitem__(self, index):
        rows, samples, labels = self.shapes[index]
        return {"audio": np.ones((rows, samples), "float32"), "length": np.full(rows, samples)}, np.ones((rows, labels), "int32")


def test_batches_of_many_epochs_have_six_shapes_and_keep_their_values():
    messages, seen = [], set()
    batches = PaddedBatches(Layout(), messages.append)
    for _ in range(20):
        for i in range(len(batches)):
            inputs, labels = batches[i]
            shape = batches.dataset.shapes[i]
            assert all(a >= b for a, b in zip((*inputs["audio"].shape, labels.shape[1]), shape, strict=True))
            assert inputs["audio"].sum() == shape[0] * shape[1] == inputs["length"].sum() and labels.sum() == shape[0] * shape[2]
            assert not inputs["audio"][shape[0] :].any() and not inputs["audio"][:, shape[1] :].any()
            seen.add((*inputs["audio"].shape, labels.shape[1]))
        batches.on_epoch_end()
    assert batches.dataset.epoch == 20 and len(seen) <= MAX_SHAPES + 2  # a shape may grow for a batch that comes late
    assert len(messages) == len(seen) and all(m.startswith("compiling for batches of") for m in messages)


def test_groups_waste_the_least(monkeypatch):
    shapes = np.array([(60 // n, n, 3) for n in (2, 3, 5, 6, 10, 20, 30, 60)])
    monkeypatch.setattr(keras_adapter, "MAX_SHAPES", 3)
    groups = group_shapes(np.random.default_rng(0).permutation(shapes))

    def padded(cuts):
        parts = [shapes[i:j] for i, j in itertools.pairwise((0, *cuts, len(shapes)))]
        return sum(len(part) * part[:, 0].max() * part[:, 1].max() for part in parts)

    ends = [next(i for i, s in enumerate(shapes) if s[1] == group[1]) + 1 for group in groups]
    assert padded(ends[:-1]) == min(padded(cuts) for cuts in itertools.combinations(range(1, 8), 2))


def test_padding_does_not_change_the_loss(clips):
    model = kr.load("deepspeech2_small", weights=None, **dict(kr.get_recipe("deepspeech2_small").tiny_config) | {"recurrent_layers": 0})
    dataset = model.make_dataset(data.librispeech(clips), batch_seconds=20.0, batch_order="sorted")
    for i in range(len(dataset)):
        assert dataset.batch_shape(i) == (*dataset[i][0]["audio"].shape, dataset[i][1].shape[1])
    batches = PaddedBatches(dataset)
    batches.shapes = [tuple(n + extra for n, extra in zip(batches.padded_shape(dataset.batch_shape(0)), (3, 4321, 7), strict=True))]
    (plain, labels), (padded, padded_labels) = dataset[0], batches[0]
    assert padded["audio"].shape[0] == plain["audio"].shape[0] + 3
    losses = [float(model.compute_loss(x, y, model(x, training=True))) for x, y in ((plain, labels), (padded, padded_labels))]
    assert losses[0] > 0 and losses[1] == pytest.approx(losses[0], rel=1e-4)  # batch normalization counts valid frames only
