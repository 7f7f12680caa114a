"""Checks that hold for every recipe, for the tests of this package and of packages with recipes of their own.

>>> from kerasrecipes.testing import check_recipe
>>> check_recipe("mynet")
"""

import inspect
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes._lazy import keras
from kerasrecipes.inference.chunked import predict_logits_chunked
from kerasrecipes.loading import load, predict
from kerasrecipes.registry import get_recipe

AUDIO_LENGTHS = (12000, 7700, 4001)  # samples
CHUNK_SECONDS, CONTEXT_SECONDS = 2.0, 8.0  # the context is longer than the recording: also exact for networks that see all of it
TOLERANCE = 1e-4  # of the largest logit


def check_recipe(name: str) -> None:
    """Check a registered recipe at the size of its `tiny_config`, and raise AssertionError with what does not hold.

    An input alone gives the same logits as in a padded batch, and a recording at once the same as in chunks. A saved model gives the
    same logits. A training step has a finite loss. The verb of the task takes raw input. The configuration has a value for each
    argument of the builder, which refuses others.

    Args:
        name: Name of the recipe.
    """
    check_builder(name)
    model = load_tiny(name)
    logits = check_batch(model)
    check_chunks(model)
    check_saved(model, logits)
    check_verb(model)
    check_training(model)


def load_tiny(name: str, **changes: Any) -> Any:
    """Return a recipe's model at test size with random weights that are away from zeros and ones, the same in every call.

    Args:
        name: Name of the recipe.
        **changes: Arguments of `load`, and more changes to its configuration.
    """
    choose_seed = np.random.default_rng(2)
    keras.utils.set_random_seed(1)
    recipe = get_recipe(name)
    model = load(name, weights=None, **{**recipe.tiny_config, **changes})
    for variable in model.weights:
        if variable.path.endswith(("bias", "beta", "moving_mean")) or "bias" in variable.name:
            variable.assign(choose_seed.normal(size=variable.shape) * 0.1)
    return model


def example_inputs(model: Any, seed: int = 5) -> Any:
    """Return a batch of three inputs as the network takes them. Sequences have different lengths, and noise after their ends.

    Args:
        model: A Keras model of a recipe.
        seed: Seed of the values.
    """
    rng, task = np.random.default_rng(seed), model.recipe.task
    if task in ("image-classification", "segmentation"):
        height, width, channels = model.input_shape[1:]
        side = (height, width) if height else (2 * model.margin + 32, 2 * model.margin + 24)
        return rng.integers(0, 256, (3, *side, channels)).astype("float32")
    length = np.array(AUDIO_LENGTHS, "int32")
    if task == "language-model":
        return {"symbols": rng.integers(0, model.alphabet.vocab_size, (3, 12)).astype("int32"), "length": np.array([12, 7, 4], "int32")}
    if task == "waveform-generation":
        length //= 10
    inputs = {"audio": (rng.normal(size=(3, length[0])) * 0.1).astype("float32"), "length": length}
    return model.fill_default_inputs(inputs) if task == "waveform-generation" else inputs


def check_builder(name: str) -> None:
    """Check that the recipe's builder lists its keywords, and that the recipe gives a value to each and to no others."""
    recipe = get_recipe(name)
    parameters = inspect.signature(recipe.builder_function).parameters
    starred = [p.name for p in parameters.values() if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    expect(not starred, f"{name}: the builder takes any keyword: list them, so that misspelled ones are errors")
    expect(set(recipe.config) == set(parameters), f"{name}: changes give no value to {sorted(set(parameters) - set(recipe.config))}")
    unknown = sorted(set(recipe.tiny_config) - set(parameters))
    expect(not unknown, f"{name}: the builder does not take {', '.join(unknown)} of tiny_config")


def check_batch(model: Any, inputs: Any = None, tolerance: float = TOLERANCE) -> np.ndarray:
    """Check that every input alone gives its logits in a batch, and return those of the batch.

    Args:
        model: A Keras model of a recipe.
        inputs: A batch. Default: `example_inputs(model)`.
        tolerance: Largest difference, as a share of the largest logit where that is above 1.
    """
    inputs = example_inputs(model) if inputs is None else inputs
    together = model.predict_logits(inputs)
    expect(np.isfinite(together).all() and np.ptp(together) > 0, f"{model.name}: the logits are constant or not finite")
    count_frames = getattr(model, "output_length", int)
    for i in range(len(together)):
        if not isinstance(inputs, dict):
            single = model.predict_logits(inputs[i : i + 1])[0]
            expect_close(single, together[i], f"{model.name}: image {i} alone and in a batch", tolerance)
            continue
        n = int(inputs["length"][i])
        alone = {k: v[i : i + 1, :n] if v.ndim > 1 and v.shape[1] == inputs["length"].max() else v[i : i + 1] for k, v in inputs.items()}
        single, frames = model.predict_logits(alone)[0], int(count_frames(n))
        expect(len(single) == frames, f"{model.name}: {n} steps give {len(single)} frames, and output_length says {frames}")
        expect_close(single, together[i, :frames], f"{model.name}: sequence {i} alone and in a batch", tolerance)
        expect(not together[i, frames:].any(), f"{model.name}: logits after the end of sequence {i} are not 0: end with SequenceMask")
    return together


def check_chunks(model: Any, tolerance: float = TOLERANCE) -> None:
    """Check that a recording in chunks gives its logits at once. Models of other tasks pass."""
    if not hasattr(model, "predict_logits_chunked"):
        return
    wave = (np.random.default_rng(6).normal(size=100_001) * 0.1).astype("float32")
    whole = model.predict_logits({"audio": wave[None], "length": np.array([len(wave)], "int32")})[0]
    expect_close(predict_logits_chunked(model, wave, CHUNK_SECONDS, CONTEXT_SECONDS), whole, f"{model.name}: in chunks", tolerance)


def check_saved(model: Any, logits: np.ndarray) -> None:
    """Check that the saved model gives the logits that `example_inputs` have."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        loaded = load(Path(folder) / "model.keras", compile=False)
    expect_close(loaded.predict_logits(example_inputs(loaded)), logits, f"{model.name}: after saving", 1e-6)


def check_verb(model: Any) -> None:
    """Check that the verb of the task takes raw input."""
    rng, task = np.random.default_rng(7), model.recipe.task
    sources: dict[str, Callable[[], Any]] = {
        "language-model": lambda: model.generate("", max_length=3, seed=1),
        "waveform-generation": lambda: model.generate(0.01, seed=1),
    }
    if task in sources:
        expect(sources[task]() is not None, f"{model.name}: generate returned nothing")
    elif task in ("speech-recognition", "phoneme-recognition"):
        wave = (rng.normal(size=16000) * 0.1).astype("float32")
        expect(isinstance(predict(model, wave, sample_rate=16000).text, str), f"{model.name}: transcribe returned no text")
    else:
        pixels = rng.integers(0, 256, (40, 40, 3)).astype("uint8")
        expect(predict(model, pixels).to_dict(), f"{model.name}: {task} returned nothing")


def check_training(model: Any) -> None:
    """Check that a training step has a finite loss and changes weights."""
    inputs, task = example_inputs(model), model.recipe.task
    targets: Any = np.array([[1, 2], [3, 0], [2, 0]], "int32")
    if task in ("phoneme-recognition", "language-model", "waveform-generation"):
        targets = np.ones(model.predict_logits(inputs).shape[:2], "int32")
    elif task == "image-classification":
        targets = np.array([0, 1, 0], "int32")
    elif task == "segmentation":
        targets = np.ones(model.predict_logits(inputs).shape[:3], "int32")
    before = [np.array(v) for v in model.trainable_variables]
    loss = float(np.ravel(model.train_on_batch(inputs, targets))[0])
    expect(math.isfinite(loss), f"{model.name}: the loss of a training step is {loss}")
    changed = [not np.array_equal(v, w) for v, w in zip(before, model.trainable_variables, strict=True)]
    expect(any(changed), f"{model.name}: a training step changes no weight")


def expect(holds: Any, message: str) -> None:
    """Raise AssertionError with the message if something does not hold. Unlike `assert`, also under `python -O`."""
    if not holds:
        raise AssertionError(message)


def expect_close(values: np.ndarray, reference: np.ndarray, message: str, tolerance: float) -> None:
    """Raise AssertionError if values differ by more than `tolerance` times the largest reference value, or 1 if that is less."""
    expect(values.shape == reference.shape, f"{message}: the shapes are {values.shape} and {reference.shape}")
    difference = float(np.abs(values - reference).max(initial=0))
    scale = max(float(np.abs(reference).max(initial=0)), 1.0)
    expect(difference <= tolerance * scale, f"{message}: the logits differ by {difference:.2g}")
