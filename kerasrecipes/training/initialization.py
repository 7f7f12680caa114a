"""Where a training begins: at saved weights, or at layers of another recipe and a front end fitted to them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from rich.progress import track

from kerasrecipes.errors import DataError, WeightsCorrupted
from kerasrecipes.loading import HEAD_LAYERS, load, load_weights_checked, replace_head
from kerasrecipes.training import checkpoint
from kerasrecipes.training.config import TrainConfig, config_from_dict
from kerasrecipes.training.optimizer import ClippedAdamW
from kerasrecipes.training.task_adapters import build_for_training

TRAINING_ONLY_KEYS = ("dropout", "spec_augment", "band_limit")  # changes of a configuration that add no weights
Pairs = list[tuple[Any, Any]]  # layers: the one that gives its weights, the one that takes them


def initialize_weights(config: TrainConfig, model: Any, batches: Any = None, show: bool = True) -> None:
    """Set the model's weights from `config.start`: a file of the recipe as it is used, without the run's own changes, or the folder
    of a run, with `config.start_config` on top. Or, in part, from the released weights of another recipe, `config.start_recipe`.

    Args:
        batches: inputs by number, for `config.hint_steps`. show: progress of these.

    Raises:
        WeightsCorrupt: the file or run belongs to another architecture.
        DataError: there is no such file, or no layer of the other recipe or of the file fits.
    """
    plain = {k: v for k, v in config.config.items() if k not in TRAINING_ONLY_KEYS}
    if config.start_recipe:
        source = load(config.start_recipe, compile=False)
        if not (pairs := copy_matching_weights(source, model)):
            raise DataError(f"No layer of {config.start_recipe} fits {config.recipe}: leave start_recipe away")
        if config.hint_steps:
            fit_front_end_to_hints(source, model, pairs, batches, config.hint_steps, config.peak, show)
        return
    start = Path(str(config.start))
    if not start.is_file() and not (start / "run.json").is_file():
        raise DataError(
            f"There are no weights {start} to begin from: pass a .weights.h5 file, a run's folder, or 'released'"
        )
    saved = build_for_training(replace(config, frozen=(), config={**plain, **(config.start_config or {})}))
    (load_weights_checked if start.is_file() else load_run_weights)(saved, start)
    keras.utils.set_random_seed(config.seed)  # a run's checkpoint brings its random state
    if config.start_config and hasattr(model, "front_end_head"):
        copy_weights_by_name(saved, model, config)
        return
    if config.start_config:
        fresh = build_for_training(replace(config, frozen=(), config=plain))
        if len(saved.layers) != len(fresh.layers):
            raise DataError(
                f"start_config: the network of {start} has {len(saved.layers)} layers, this one {len(fresh.layers)}: only a "
                "segmenter's are taken over by their names"
            )
        same = (
            hasattr(saved, "alphabet") and saved.alphabet == fresh.alphabet
        )  # another criterion over the same symbols
        saved = replace_head(saved, fresh, ("transitions",) if same else HEAD_LAYERS)
    model.set_weights(saved.get_weights())


def load_run_model(folder: Path) -> Any:
    """The model of a run with its averaged weights, without the changes that are for training alone.

    Raises:
        DataError: the folder holds no run, or one of another version.
    """
    config = config_from_dict(read_run_record(folder)["config"], str(folder))
    model = build_for_training(
        replace(config, frozen=(), config={k: v for k, v in config.config.items() if k not in TRAINING_ONLY_KEYS})
    )
    load_run_weights(model, folder)
    return model


def read_run_record(run: Path) -> dict[str, Any]:
    """What a run wrote of itself: its configuration, state, data and machine.

    Raises:
        DataError: the folder holds no run.
    """
    if not (run / "run.json").is_file():
        raise DataError(f"{run} holds no run (no run.json): pass the --out of a training, for instance runs/NAME")
    return json.loads((run / "run.json").read_text())


def load_run_weights(model: Any, folder: Path) -> None:
    """Set the model's weights to the averaged ones of a run.

    Raises:
        WeightsCorrupt: the run trained another architecture.
    """
    from kerasrecipes.training.trainer import ema_weights, make_optimizer  # which imports this module

    config = config_from_dict(read_run_record(folder)["config"], str(folder))
    trained = build_for_training(config)
    trained.compile(optimizer=make_optimizer(config), metrics=[])
    trained.optimizer.build(trained.trainable_variables)
    checkpoint.load_checkpoint(folder / "checkpoint.npz", trained, chance=False)
    try:
        with ema_weights(trained):
            model.set_weights(trained.get_weights())
    except ValueError as error:
        raise WeightsCorrupted(
            f"The run {folder} does not fit {model.name}: give what its configuration has otherwise as start_config"
        ) from error


def copy_weights_by_name(source: Any, target: Any, config: TrainConfig) -> None:
    """Give a segmenter's layers the weights of the source's layers of their names where shapes agree; the front end's scores are
    one layer, whatever it is called.

    Raises:
        DataError: no layer fits.
    """
    given, taking = (
        {"front" if layer is model.front_end_head else layer.name: layer for layer in model.layers if layer.weights}
        for model in (source, target)
    )
    fits = [
        name for name, layer in taking.items() if name in given and weight_shapes(given[name]) == weight_shapes(layer)
    ]
    if not fits:
        raise DataError(f"No layer of {config.start} fits {config.recipe}: leave start away, or mend start_config")
    for name in fits:
        taking[name].set_weights(given[name].get_weights())


def copy_matching_weights(source: Any, target: Any) -> Pairs:
    """Give layers the weights of the source's layers of their kind where shapes agree; returns (given, taking) in the target's order.

    A kind's layers are paired by their number from the input, or from the output where more of them then agree: a net with
    another front end has the same layers behind it.
    """
    taken: Pairs = []
    for kind in dict.fromkeys(map(type, target.layers)):
        of_kind: list[list[Any]] = [[x for x in model.layers if type(x) is kind] for model in (source, target)]
        old_ones, new_ones = of_kind
        fits: list[Pairs] = [
            [
                (old, new)
                for old, new in zip(*pair, strict=False)
                if new.weights and weight_shapes(old) == weight_shapes(new)
            ]
            for pair in ((old_ones, new_ones), (old_ones[::-1], new_ones[::-1]))
        ]
        for old, new in max(fits, key=len):  # the first of equals
            new.set_weights(old.get_weights())
            taken.append((old, new))
    return sorted(taken, key=lambda pair: target.layers.index(pair[1]))


def weight_shapes(layer: Any) -> list[tuple]:
    """Those of a layer's variables."""
    return [tuple(v.shape) for v in layer.weights]


def fit_front_end_to_hints(
    source: Any, target: Any, pairs: Pairs, batches: Any, steps: int, peak: float, show: bool = True
) -> list[float]:
    """Teach the layers before the first that was taken over to give it what it was given in the source; returns the errors.

    A new front end sends noise into layers that know what to do with the old one's features, and they would forget it before
    the front end has learnt to speak to them. So it first learns to imitate ("hints", FitNets, arXiv 1412.6550, section 2.2).

    Args:
        source, target, pairs: of `take_over`. batches: inputs of both models, by number.
        steps: of AdamW; the rate falls from `peak` to zero. show: a progress bar.

    Raises:
        DataError: the front ends differ in their strides.

    Returns:
        Mean squared differences, with each feature's variance in the source as 1, of every step.
    """
    old, new = pairs[0]
    teacher, student = (
        keras.Model(model.inputs, keras.tree.flatten(layer.input)[0]) for model, layer in ((source, old), (target, new))
    )
    first = batches(0)
    wanted = ops.convert_to_numpy(teacher(ordered_inputs(teacher, first), training=False)).astype("float32")
    steps_made = student(ordered_inputs(student, first), training=False).shape[1]
    if abs(steps_made - wanted.shape[1]) > 2:
        raise DataError(
            f"hint_steps: {new.name} would get {steps_made} steps where it got {wanted.shape[1]}: the front ends' strides differ"
        )
    scale = 1 / (wanted[np.any(wanted != 0, axis=-1)].var(axis=0) + 1e-6)  # steps behind an item's end are zero

    def error(y_true: Any, y_pred: Any) -> Any:
        sizes = ops.shape(y_true)[1], ops.shape(y_pred)[1]  # one of two front ends may end a step earlier
        most = min(sizes) if all(isinstance(size, int) for size in sizes) else ops.minimum(*sizes)
        difference = ops.cast(y_pred[:, :most], "float32") - ops.cast(y_true[:, :most], "float32")
        return ops.mean(ops.square(difference) * ops.convert_to_tensor(scale), axis=-1)

    student.compile(ClippedAdamW(peak, weight_decay=0.0), error, jit_compile=keras.config.backend() == "jax")
    errors = []
    for step in track(range(steps), "fitting the front end", disable=not show):
        inputs = batches(step)
        student.optimizer.learning_rate.assign(peak * (1 - step / steps))
        wanted = ops.convert_to_numpy(teacher(ordered_inputs(teacher, inputs), training=False))
        errors.append(float(student.train_on_batch(ordered_inputs(student, inputs), wanted)))
    return errors


def ordered_inputs(model: Any, inputs: dict[str, Any]) -> list[Any]:
    """A batch's arrays in the order of a model's inputs."""
    return [inputs[x.name] for x in model.inputs]
