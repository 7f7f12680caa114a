"""Train a recipe: resumable to the step, stopping on a loss that is not finite, recording what it did."""

import csv
import json
import math
import os
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.hub import manifest, weights
from kerasrecipes.training import checkpoint
from kerasrecipes.training.config import TrainConfig
from kerasrecipes.training.distributed import DeviceGroup
from kerasrecipes.training.initialization import initialize_weights
from kerasrecipes.training.interrupts import DeferredInterrupt
from kerasrecipes.training.learning_curve import plot_learning_curve
from kerasrecipes.training.optimizer import ClippedAdamW
from kerasrecipes.training.prefetch import BatchPrefetcher
from kerasrecipes.training.task_adapters import build_for_training, training_task_for
from kerasrecipes.utils.environment import git_commit, hardware_summary
from kerasrecipes.utils.locks import exclusive_lock

LOG_EVERY_STEPS = 20


class Trainer:
    """One training run in a folder: `checkpoint.npz`, `log.csv`, `validation.csv`, `curve.png`, `run.json`.

    Args:
        config: what to train.
        folder: where the run lives.
        resume: go on from the folder's checkpoint; without one, begin.
        devices: of `training.devices.begin`, called before anything of Keras is made; default: one.

    Raises:
        DataError: the folder already holds a run and `resume` is False, its checkpoint does not fit, or batches cannot be divided
            among the devices.
    """

    def __init__(
        self, config: TrainConfig, folder: str | Path, resume: bool = False, devices: DeviceGroup | None = None
    ):
        self.devices = devices or DeviceGroup()
        if config.start == "released":
            config = replace(
                config, start=str(weights.weights_path(manifest.get_entry(config.recipe)))
            )  # which the release looks for
        self.config, self.folder = config, Path(folder)
        self.file = self.folder / "checkpoint.npz"
        if self.file.exists() and not resume:
            raise DataError(f"{self.folder} already holds a run: pass --resume to go on with it, or another --out")
        self.folder.mkdir(parents=True, exist_ok=True)
        random.seed(config.seed)
        keras.utils.set_random_seed(config.seed)
        try:
            keras.config.set_dtype_policy(config.precision)
        except ValueError as error:
            raise DataError(f"precision {config.precision!r}: {error}") from None
        kind = training_task_for(config.recipe)
        self.model = build_for_training(config)
        optimizer = make_optimizer(config)
        optimizer.build(self.model.trainable_variables)
        self.model.compile(optimizer=optimizer, metrics=[], jit_compile=keras.config.backend() == "jax")
        self.state: dict[str, Any] = {"step": 0, "epoch": 0, "batch": 0, kind.amount: 0.0, "wall_hours": 0.0}
        if self.file.exists():
            try:
                self.state |= checkpoint.load_checkpoint(self.file, self.model)
            except ValueError as error:
                raise DataError(
                    f"{error}: go on with the configuration that the run began with (its run.json)"
                ) from error
        self.kind = kind(config, self.model, self.folder.parent / "audio_cache")
        self.dataset = self.kind.dataset
        self.devices.check(self.kind)
        if (config.start or config.start_recipe) and not self.file.exists():
            batch = lambda i: self.dataset[i % len(self.dataset)][0]  # noqa: E731
            initialize_weights(config, self.model, batch, self.devices.first)
            averages = optimizer._model_variables_moving_average or []
            for average, variable in zip(averages, self.model.trainable_variables, strict=bool(averages)):
                average.assign(keras.ops.copy(variable.value))  # JAX gives each buffer away once
        self.devices.same(
            self.state["step"],
            f"The hosts do not see the same checkpoint: {self.folder} must lie on a disk that all of them share",
        )
        self.batches = BatchPrefetcher(lambda index: self.devices.batch(self.kind, index))

    # ------------------------------------------------------------------ the loop

    def train(self, minutes: float | None = None) -> dict[str, Any]:
        """Take steps until `config.steps`, or for so many minutes; returns the state. Interrupting loses nothing: the step at hand is
        finished and saved; interrupting again ends at once, and the last checkpoint stays.

        Raises:
            DataError: another process trains into the folder.
        """
        if not self.devices.first:
            return self.steps(minutes)
        with exclusive_lock(self.folder, f"another process trains into {self.folder}: stop it, or pass another --out"):
            return self.steps(minutes)

    def steps(self, minutes: float | None) -> dict[str, Any]:
        config, state, begin = self.config, self.state, time.monotonic()
        last_save = last_validation = lap = begin
        recent: list[dict[str, float]] = []
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        agree = self.devices.broadcast_flags
        (over,) = agree(minutes is not None and minutes <= 0)
        with DeferredInterrupt() as interrupts, Progress(*columns, disable=not self.devices.first) as progress:
            bar = progress.add_task("compiling", total=config.steps, completed=state["step"])
            while state["step"] < config.steps and not over:
                loss, amount = self.step()
                recent.append(self.losses)
                now = time.monotonic()
                state["wall_hours"] += (now - lap) / 3600
                speed, told = self.kind.speed(amount, now - lap)
                lap = now
                if state["step"] % LOG_EVERY_STEPS == 0 or state["step"] == config.steps:
                    self.log(
                        "log.csv",
                        **{name: float(np.mean([r[name] for r in recent])) for name in self.losses},
                        rate=config.learning_rate(state["step"]),
                        speed=round(speed, 1),
                    )
                    recent.clear()
                progress.update(
                    bar, completed=state["step"],
                    description=f"pass {state['epoch']}  loss {loss:.3f}  {told}",
                )  # fmt: skip
                over, save, validate, stop = agree(
                    minutes is not None and now - begin >= 60 * minutes,
                    now - last_save > 60 * config.checkpoint_minutes,
                    bool(self.kind.validation) and now - last_validation > 60 * config.validate_minutes,
                    interrupts.asked,
                )
                if save or stop or validate:
                    self.save()
                    last_save = now
                if stop:
                    raise KeyboardInterrupt
                if validate:
                    with interrupts.at_once():
                        self.validate()
                    last_validation = last_save = lap = time.monotonic()
        self.save()
        if self.kind.validation:
            self.validate()
        return state

    def step(self) -> tuple[float, float]:
        """One batch; returns its loss (nats per character or sample) and the amount of data it held."""
        state = self.state
        if state["batch"] >= len(self.dataset):
            state["epoch"], state["batch"] = state["epoch"] + 1, 0
        if self.dataset.epoch != state["epoch"]:
            self.batches.clear()
            self.dataset.set_epoch(state["epoch"])
        inputs, labels, whole = self.batches(state["batch"], len(self.dataset))
        self.model.optimizer.learning_rate.assign(self.config.learning_rate(state["step"]))
        skipped = int(self.model.optimizer.skipped)
        measured = self.devices.train(self.model, inputs, labels, whole)
        self.losses = {name: float(v) for name, v in measured.items() if name == "loss" or name.endswith("_loss")}
        loss = self.losses["loss"]
        if not math.isfinite(loss):
            names = self.kind.names(state["batch"])
            raise KerasRecipesError(
                f"The loss is {loss} at step {state['step']}; the last checkpoint is kept. The batch holds: {names}. "
                "Look at these clips (kerasrecipes data describe), lower `peak`, or train in float32."
            )
        if int(self.model.optimizer.skipped) > skipped:
            self.log("skipped.csv", loss=loss, utterances=self.kind.names(state["batch"]))
        amount = self.devices.total(self.kind.seen(inputs, labels), whole)
        state["step"] += 1
        state["batch"] += 1
        state[self.kind.amount] += amount
        return loss, amount

    # ------------------------------------------------------------------ records

    def save(self) -> None:
        """Write the checkpoint and `run.json`."""
        if not self.devices.first:
            return
        checkpoint.save_checkpoint(self.file, self.model, self.state)
        record = {
            "config": self.config.to_dict(), "state": self.state, "hardware": self.devices.hardware() or hardware_summary(), "commit": git_commit(),
            "backend": keras.config.backend(), "keras": keras.__version__,
            "data": self.kind.sources(),
        }  # fmt: skip
        partial = self.folder / "run.json.partial"
        partial.write_text(json.dumps(record, indent=1, default=list) + "\n")
        os.replace(partial, self.folder / "run.json")

    def log(self, name: str, **values: Any) -> None:
        """Append a row to a CSV file of the run."""
        if not self.devices.first:
            return
        path = self.folder / name
        row = {**{k: round(v, 4) if isinstance(v, float) else v for k, v in {**self.state, **values}.items()}}
        new = not path.exists()
        with open(path, "a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)

    def validate(self) -> dict[str, float]:
        """Scores of the averaged weights on the validation set, logged."""
        with ema_weights(self.model):
            values = self.kind.score()
        self.log("validation.csv", **values)
        if self.devices.first:
            plot_learning_curve(self.folder)
        return values


def make_optimizer(config: TrainConfig) -> ClippedAdamW:
    """The run's optimiser; biases, normalisation and transitions are not decayed."""
    optimizer = ClippedAdamW(
        config.peak, weight_decay=config.weight_decay, limit=config.clipnorm,
        use_ema=config.average > 0, ema_momentum=config.average or 0.99,
    )  # fmt: skip
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "transitions"])
    return optimizer


class ema_weights:
    """In this context the model holds the optimiser's running average of its weights; afterwards its own again."""

    def __init__(self, model: keras.Model):
        self.model = model
        self.averages = model.optimizer._model_variables_moving_average if model.optimizer.use_ema else []

    def __enter__(self) -> keras.Model:
        self.own = [keras.ops.copy(v.value) for v in self.model.trainable_variables]
        for variable, average in zip(self.model.trainable_variables, self.averages, strict=False):
            variable.assign(average)
        return self.model

    def __exit__(self, *error: Any) -> None:
        for variable, value in zip(self.model.trainable_variables, self.own, strict=True):
            variable.assign(value)
