"""All epochs of a data set have the same number of batches, which Keras asks for once."""

import keras
import numpy as np
import pytest

from kerasrecipes import Alphabet, PhonemeSet, data
from kerasrecipes.data.keras_adapter import batch_ends, fixed_batch_ends, to_keras_input
from kerasrecipes.data.phone_alignments import AlignedUtterance

EPOCHS = 40


@pytest.fixture(scope="module")
def lengths():
    return np.random.default_rng(0).integers(4_000, 40_000, 50)


@pytest.fixture(scope="module")
def clips(lengths):
    noise = np.random.default_rng(1).normal(size=max(lengths)).astype("float32") * 0.1
    return data.from_lists([noise[:n] for n in lengths], ["hi there"] * len(lengths), 16000)


def speech(clips, **options):
    options = {"batch_seconds": 8, "speed_perturbation": (0.9, 1.0, 1.1)} | options
    return data.SpeechDataset(clips, Alphabet(), lambda n: n // 160, **options)


def texts(clips, **options):
    words = np.random.default_rng(2).integers(1, 40, 60)
    return data.TextDataset(["ab" * int(n) for n in words], Alphabet("ab"), batch_tokens=300, **options)


def phones(tmp_path_factory):
    import soundfile

    folder, rng, rows = tmp_path_factory.mktemp("phones"), np.random.default_rng(3), []
    for i in range(12):
        n = int(rng.integers(8_000, 40_000))
        soundfile.write(folder / f"{i}.wav", rng.normal(size=n) * 0.1, 16000)
        rows.append(AlignedUtterance(f"{i}", str(folder / f"{i}.wav"), "", "", n / 16000, phones=(("AA", 0.0), ("B", 0.2))))
    return data.PhonemeDataset(
        data.Utterances(rows), PhonemeSet.from_value("arpabet"), lambda n: n // 160, crop_seconds=0.5, batch_seconds=2,
        speed_perturbation=(0.9, 1.0, 1.1), cache_dir=folder,
    )  # fmt: skip


@pytest.mark.parametrize("make", [
    speech, texts, lambda clips: speech(clips, batch_order="sortagrad"), lambda clips: speech(clips, batch_order="sorted"),
    lambda clips: speech(clips, batch_size=7), lambda clips: speech(clips[:3], batch_seconds=2),
], ids=["random", "texts", "sortagrad", "sorted", "batch size", "three clips"])  # fmt: skip
def test_epochs_have_one_length_and_every_item_once(clips, make):
    dataset = make(clips)
    count, items = len(dataset), sorted(int(i) for batch in dataset.batches for i in batch)
    assert count > 1
    for _ in range(EPOCHS):
        dataset.on_epoch_end()
        assert len(dataset) == count and all(len(batch) for batch in dataset.batches)
        assert sorted(int(i) for batch in dataset.batches for i in batch) == items


def test_crops_of_clips_have_one_length(tmp_path_factory):
    dataset = phones(tmp_path_factory)
    count = len(dataset)
    for _ in range(EPOCHS):
        dataset.on_epoch_end()
        assert len(dataset) == count and {i for batch in dataset.batches for i in batch} == set(range(12))
        assert max(len(batch) for batch in dataset.batches) <= 4  # 2 s of crops of 0.5 s


def test_batches_hold_hardly_more_than_their_seconds(clips):
    """The number of batches is large enough for nearly all epochs, and not larger than an epoch needs by more than two."""
    dataset = speech(clips)
    sizes, needed = [], []
    for _ in range(EPOCHS):
        dataset.on_epoch_end()
        sizes += [len(b) * max(dataset.num_samples(i, k) for k in range(len(b))) for i, b in enumerate(dataset.batches)]
        order, speed, _ = dataset.epoch_order(dataset.epoch)
        needed.append(len(batch_ends(dataset.lengths[order, speed[order]], dataset.batch_samples)))
    assert max(sizes) <= 1.05 * 8 * 16000 and len(dataset) - min(needed) <= 2 and len(set(needed)) > 1


def test_ends_are_those_of_a_loop(lengths):
    """The batches are those of a loop over the items that closes a batch when the next item would exceed its limit."""
    for limit in (1, 30_000, 100_000, 1e9):
        ends, begin = [], 0
        for i in range(1, len(lengths)):
            if (i + 1 - begin) * lengths[begin : i + 1].max() > limit:
                ends.append(i)
                begin = i
        assert batch_ends(lengths, limit) == [*ends, len(lengths)]


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 30, 50])
def test_any_number_of_batches(lengths, count):
    ends = fixed_batch_ends(lengths, 128_000, count)
    assert len(ends) == count and ends[-1] == len(lengths) and np.all(np.diff(ends, prepend=0) > 0)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="other backends take the data set itself")
def test_tensorflow_runs_through_epochs_of_random_speeds(clips):
    """`tf.data` raises an error in an epoch that has more or fewer batches than it was told."""
    batches = to_keras_input(speech(clips, augment=data.AudioAugmentation(noise_prob=0.5)))
    assert {sum(1 for _ in batches) for _ in range(10)} == {int(batches.cardinality())}
