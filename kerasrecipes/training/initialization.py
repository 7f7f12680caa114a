"""Initial weights of a run: saved weights, or matching layers of another recipe with a front end fitted to them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from rich.progress import track

from kerasrecipes.errors import DataError, WeightsCorrupted, convert_errors
from kerasrecipes.loading import HEAD_LAYERS, load, load_weights_checked, replace_head
from kerasrecipes.tasks.public_models import find_foreign_source, set_foreign_weights
from kerasrecipes.tasks.saved_models import AVERAGED_MODEL, load_keras_file
from kerasrecipes.training.config import TrainConfig
from kerasrecipes.training.model_building import build_for_training, without_training_only
from kerasrecipes.training.optimizer import ClippedAdamW
from kerasrecipes.training.widening import is_narrower, widen_weights

LayerPairs = list[tuple[Any, Any]]  # (source layer, target layer)


def initialize_weights(config: TrainConfig, model: Any, batches: Any = None, show_progress: bool = True) -> None:
    """Set the model's weights as `init_from`, `init_config`, `init_from_recipe` and `hint_steps` of its configuration say.

    `batches` is a function from a number to the inputs of a batch, for `hint_steps`.
    """
    if config.init_from_recipe:
        source = load(config.init_from_recipe, compile=False)
        if not (pairs := copy_matching_weights(source, model)):
            raise DataError(f"No layer of {config.init_from_recipe} fits {config.recipe}: remove init_from_recipe")
        if config.hint_steps:
            fit_front_end_to_hints(
                source, model, pairs, batches, config.hint_steps, config.learning_rate, show_progress
            )
        return
    if foreign := find_foreign_source(str(config.init_from), model.recipe):
        set_foreign_weights(model, foreign)
        return
    path = Path(str(config.init_from))
    if not path.is_file() and not (path / "run.json").is_file():
        raise DataError(
            f"There are no weights {path} to start from: pass a .weights.h5 file, a run's folder, 'released', another program's "
            "checkpoint or the name of a public one (kerasrecipes list)"
        )
    plain = without_training_only(config)
    saved = build_for_training(replace(plain, config={**plain.config, **(config.init_config or {})}))
    (load_weights_checked if path.is_file() else load_run_weights)(saved, path)
    keras.utils.set_random_seed(config.seed)  # building and loading used random numbers
    if config.init_config and hasattr(model, "front_end_head"):
        copy_weights_by_name(saved, model, config)
        return
    if config.init_config:
        target = build_for_training(plain)
        if len(saved.layers) != len(target.layers):
            raise DataError(
                f"init_config: the network of {path} has {len(saved.layers)} layers and this one {len(target.layers)}: only a "
                "segmenter's layers are copied by name"
            )
        same_symbols = hasattr(saved, "alphabet") and saved.alphabet == target.alphabet
        if same_symbols and is_narrower(saved, target):
            model.set_weights(widen_weights(saved, model))
            return
        saved = replace_head(saved, target, ("transitions",) if same_symbols else HEAD_LAYERS)
    model.set_weights(saved.get_weights())


def read_run_record(run: Path) -> dict[str, Any]:
    """Read a run's record: its configuration, state, data and machine."""
    if not (run / "run.json").is_file():
        raise DataError(f"{run} holds no run (no run.json): pass the --output of a training, for instance runs/NAME")
    with convert_errors(DataError, run / "run.json"):
        return dict(json.loads((run / "run.json").read_text("utf-8")))


def load_run_weights(model: Any, folder: Path) -> None:
    """Set the model's weights to the averaged weights of a run."""
    try:
        model.set_weights(load_keras_file(folder / AVERAGED_MODEL).get_weights())
    except ValueError as error:
        raise WeightsCorrupted(
            f"The run {folder} does not fit {model.name}: set init_config to the settings that differ in that run"
        ) from error


def copy_weights_by_name(source: Any, target: Any, config: TrainConfig) -> None:
    """Copy a segmenter's weights to layers of the same name and shapes. The front ends' heads always match."""
    source_layers, target_layers = (
        {"front" if layer is model.front_end_head else layer.name: layer for layer in model.layers if layer.weights}
        for model in (source, target)
    )
    names = [
        name
        for name, layer in target_layers.items()
        if name in source_layers and weight_shapes(source_layers[name]) == weight_shapes(layer)
    ]
    if not names:
        raise DataError(
            f"No layer of {config.init_from} fits {config.recipe}: remove init_from, or correct init_config"
        )
    for name in names:
        target_layers[name].set_weights(source_layers[name].get_weights())


def copy_matching_weights(source: Any, target: Any) -> LayerPairs:
    """Copy weights between layers of the same type and position where shapes agree. Returns pairs in the target's order.

    Layers of a type are counted from the input, or from the output if more of them then match: a network with another front
    end has the same layers after it.
    """
    matches: LayerPairs = []
    for kind in dict.fromkeys(map(type, target.layers)):
        old, new = (list[Any](layer for layer in model.layers if type(layer) is kind) for model in (source, target))
        candidates: list[LayerPairs] = [
            [(a, b) for a, b in zip(*layers, strict=False) if b.weights and weight_shapes(a) == weight_shapes(b)]
            for layers in ((old, new), (old[::-1], new[::-1]))
        ]
        for a, b in max(candidates, key=len):  # from the input if both match equally often
            b.set_weights(a.get_weights())
            matches.append((a, b))
    return sorted(matches, key=lambda pair: target.layers.index(pair[1]))


def weight_shapes(layer: Any) -> list[tuple]:
    """Return the shapes of a layer's weights."""
    return [tuple(v.shape) for v in layer.weights]


def fit_front_end_to_hints(
    source: Any, target: Any, pairs: LayerPairs, batches: Any, steps: int, learning_rate: float, show_progress: bool = True
) -> list[float]:  # fmt: skip
    """Train the new front end to reproduce the activations that the first copied layer received in the source model.

    With a random front end, the copied layers would get noise and lose what they have learned before the front end gives
    useful features ("hints", FitNets, arXiv 1412.6550, section 2.2). The learning rate falls linearly to zero. Returns the
    loss of every step: the mean squared difference, with each feature's variance in the source scaled to 1.
    """
    old, new = pairs[0]
    teacher, student = (
        keras.Model(model.inputs, keras.tree.flatten(layer.input)[0]) for model, layer in ((source, old), (target, new))
    )
    first = batches(0)
    hints = ops.convert_to_numpy(teacher(ordered_inputs(teacher, first), training=False)).astype("float32")
    frames = student(ordered_inputs(student, first), training=False).shape[1]
    if abs(frames - hints.shape[1]) > 2:
        raise DataError(
            f"hint_steps: {new.name} would get {frames} frames and got {hints.shape[1]} in the source: the front ends' strides differ"
        )
    scale = 1 / (hints[np.any(hints != 0, axis=-1)].var(axis=0) + 1e-6)  # padding frames are zero

    def scaled_mse(y_true: Any, y_pred: Any) -> Any:
        sizes = ops.shape(y_true)[1], ops.shape(y_pred)[1]  # one of the front ends may give a frame less
        common = min(sizes) if all(isinstance(size, int) for size in sizes) else ops.minimum(*sizes)
        difference = ops.cast(y_pred[:, :common], "float32") - ops.cast(y_true[:, :common], "float32")
        return ops.mean(ops.square(difference) * ops.convert_to_tensor(scale), axis=-1)

    optimizer = ClippedAdamW(learning_rate, weight_decay=0.0)
    student.compile(optimizer, scaled_mse, jit_compile=keras.config.backend() == "jax")
    losses = []
    for step in track(range(steps), "fitting the front end", disable=not show_progress):
        inputs = batches(step)
        optimizer.learning_rate.assign(learning_rate * (1 - step / steps))
        hints = ops.convert_to_numpy(teacher(ordered_inputs(teacher, inputs), training=False))
        losses.append(float(student.train_on_batch(ordered_inputs(student, inputs), hints)))
    return losses


def ordered_inputs(model: Any, inputs: dict[str, Any]) -> list[Any]:
    """Return a batch's arrays in the order of a model's inputs."""
    return [inputs[x.name] for x in model.inputs]
