"""Keras's callbacks in `fit` of classifiers and recognizers: logs, early stopping, checkpoints, TensorBoard."""

import csv
import importlib.util

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.testing import load_tiny
from kerasrecipes.training.run_comparison import compare_runs

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 28, 28)).astype("uint8")
LABELS = np.arange(40) % 10
WAVES = [(RNG.normal(size=n) * 0.1).astype("float32") for n in RNG.integers(8_000, 12_000, 12)]


def fit_classifier(callbacks, epochs):
    model = load_tiny("convnetjs_mnist")
    return model, model.fit(IMAGES, LABELS, 8, epochs, verbose=0, validation_split=0.2, callbacks=callbacks)


def fit_recognizer(callbacks, epochs):
    """With random speeds and noise, as the guide suggests for few speakers."""
    model = load_tiny("deepspeech1_small")
    clips = kr.data.from_lists(WAVES, ["ab"] * len(WAVES), 16000)
    noise = kr.data.AudioAugmentation(noise_prob=0.5)
    batches = model.make_dataset(clips[:10], batch_seconds=2, speed_perturbation=(0.9, 1.0, 1.1), augment=noise)
    return model, model.fit(batches, epochs=epochs, verbose=0, validation_data=clips[10:], callbacks=callbacks)


@pytest.mark.parametrize(("fit", "metric"), [
    (fit_classifier, "accuracy"), pytest.param(fit_recognizer, "cer", marks=pytest.mark.slow),
], ids=["images", "speech"])  # fmt: skip
def test_logs_and_checkpoints(fit, metric, tmp_path):
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}.keras", monitor="val_loss")
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_loss", save_best_only=True)
    model, history = fit([checkpoint, best, keras.callbacks.CSVLogger(tmp_path / "log.csv")], 3)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2] and {"loss", metric, "val_loss", f"val_{metric}"} <= set(rows[0])
    for name in ("loss", f"val_{metric}"):
        assert [float(row[name]) for row in rows] == pytest.approx(history.history[name])
    last, kept = (kr.load(tmp_path / f"{name}.keras") for name in ("03", "best"))
    for loaded, epoch in ((last, 3), (kept, 1 + int(np.argmin(history.history["val_loss"])))):
        expected = kr.load(tmp_path / f"{epoch:02d}.keras")
        for v, w in zip(loaded.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(v, w)
    for v, w in zip(last.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)
    assert compare_runs([tmp_path / "log.csv"]).runs[0].best("val_loss")[0] == pytest.approx(min(history.history["val_loss"]))


def test_early_stopping_restores_the_best_weights():
    stopping = keras.callbacks.EarlyStopping("loss", min_delta=1e9, patience=1, restore_best_weights=True)  # nothing is that much better
    states = []
    record = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: states.append(record.model.get_weights()))
    model, history = fit_classifier([record, stopping], 5)
    assert len(history.history["loss"]) == len(states) == 2
    for v, w in zip(model.get_weights(), states[0], strict=True):
        np.testing.assert_array_equal(v, w)


@pytest.mark.skipif(not importlib.util.find_spec("tensorboard"), reason="tensorboard is not installed")
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="Keras writes its files with TensorFlow")
def test_tensorboard_has_the_curves(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    _, history = fit_classifier([keras.callbacks.TensorBoard(tmp_path, write_graph=False)], 2)
    for part, name in (("train", "loss"), ("validation", "val_loss")):
        events = EventAccumulator(str(tmp_path / part))
        events.Reload()
        values = [float(make_ndarray(event.tensor_proto)) for event in events.Tensors("epoch_loss")]
        assert values == pytest.approx(history.history[name])
