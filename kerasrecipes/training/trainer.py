"""The trainer: resumable to the step, stops on a loss that is not finite, and records what it did."""

import math
import random
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.hub import manifest, weights
from kerasrecipes.tasks.saved_models import save_averaged_model
from kerasrecipes.training.backend_hint import show_faster_backend
from kerasrecipes.training.checkpoint import load_checkpoint, read_stamp, save_checkpoint
from kerasrecipes.training.config import TrainConfig
from kerasrecipes.training.distributed import DeviceGroup
from kerasrecipes.training.initialization import initialize_weights
from kerasrecipes.training.interrupts import DeferredInterrupt
from kerasrecipes.training.learning_curve import plot_learning_curve
from kerasrecipes.training.model_building import build_for_training, without_training_only
from kerasrecipes.training.optimizer import averaged_weights, ema_weights, make_optimizer
from kerasrecipes.training.precision import resolve_dtype_policy
from kerasrecipes.training.prefetch import BatchPrefetcher
from kerasrecipes.training.run_folder import CHECKPOINT, append_row, check_run_folder, cut_rows, remove_leftovers
from kerasrecipes.training.task_adapters import training_task_for
from kerasrecipes.training.training_progress import TrainingProgress
from kerasrecipes.utils.environment import git_commit, hardware_summary
from kerasrecipes.utils.files import write_json
from kerasrecipes.utils.locks import exclusive_lock

LOG_EVERY_STEPS = 20


class Trainer:
    """One training run in a folder, which raises `DataError` if it already holds a run and `resume` is False.

    The folder holds `checkpoint.npz`, `averaged.keras` (the model with its averaged weights, without dropout), `run.json`,
    `log.csv`, `validation.csv` and `curve.png`.

    Args:
        config: Settings of the run.
        folder: Folder of the run.
        resume: True to continue from the folder's checkpoint, or to start if there is none. Default False.
        devices: Result of `setup_devices`, which must be called before Keras creates any variable. Default: one device.
    """

    def __init__(
        self, config: TrainConfig, folder: str | Path, resume: bool = False, devices: DeviceGroup | None = None
    ):
        self.devices = devices or DeviceGroup()
        if config.init_from == "released":  # the record names the file, which the next release looks for
            config = replace(config, init_from=str(weights.weights_path(manifest.get_entry(config.recipe))))
        config = replace(config, dtype_policy=resolve_dtype_policy(config.dtype_policy))  # the record says which it is
        self.config, self.folder = config, Path(folder)
        self.checkpoint_path = self.folder / CHECKPOINT
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():  # no other process writes the checkpoint while it is read
            self._prepare(resume)

    def _lock(self) -> AbstractContextManager:
        """Return the lock of the folder, which only the main process takes."""
        message = f"another process trains into {self.folder}: stop it, or pass another --output"
        return exclusive_lock(self.folder, message) if self.devices.is_main else nullcontext()

    def _prepare(self, resume: bool) -> None:
        """Build model, optimizer and batches, and set them to the checkpoint's state if there is one."""
        config, self.checkpoint_stamp = self.config, read_stamp(self.checkpoint_path)
        has_checkpoint = self.checkpoint_stamp is not None
        check_run_folder(self.folder, resume)
        random.seed(config.seed)
        keras.utils.set_random_seed(config.seed)
        try:
            keras.config.set_dtype_policy(config.dtype_policy)
        except ValueError as error:
            raise DataError(f"dtype_policy {config.dtype_policy!r}: {error}") from None
        task_type = training_task_for(config.recipe)
        self.model = build_for_training(config)
        optimizer = make_optimizer(config)
        optimizer.build(self.model.trainable_variables)
        self.model.compile(optimizer=optimizer, metrics=[], jit_compile=keras.config.backend() == "jax")
        self.state: dict[str, Any] = {"step": 0, "epoch": 0, "batch": 0, task_type.amount_key: 0.0, "wall_hours": 0.0}
        self.task = task_type(config, self.model, self.folder.parent / "audio_cache")
        self.dataset = self.task.dataset
        if config.teacher is not None:
            keras.utils.set_random_seed(config.seed)  # loading the teacher used random numbers
        if has_checkpoint:
            self.state |= load_checkpoint(self.checkpoint_path, self.model)
        self.devices.check_divisible(self.task)
        if (config.init_from or config.init_from_recipe) and not has_checkpoint:
            initialize_weights(
                config, self.model, lambda i: self.dataset[i % len(self.dataset)][0], self.devices.is_main
            )
            averages = optimizer._model_variables_moving_average if optimizer.use_ema else []
            for average, variable in zip(averages, self.model.trainable_variables, strict=bool(averages)):
                average.assign(keras.ops.copy(variable.value))  # a copy, because JAX donates each buffer once
        self.devices.assert_equal(
            self.state["step"],
            f"The hosts do not see the same checkpoint: {self.folder} must be on a disk that all of them share",
        )
        self.batches = BatchPrefetcher(lambda index: self.devices.batch(self.task, index))
        self._plain_model: keras.Model | None = None

    # ------------------------------------------------------------------ the loop

    def train(self, max_minutes: float | None = None) -> dict[str, Any]:
        """Train until `config.max_steps`, or for `max_minutes`, and return the state: step, epoch, batch, amount of data and hours.

        Ctrl-C loses nothing: the current step is finished and saved. A second Ctrl-C ends at once, and the last checkpoint
        remains. Raises `DataError` if another process trains into the folder.
        """
        with self._lock():
            if self.devices.is_main:
                if read_stamp(self.checkpoint_path) != self.checkpoint_stamp:
                    raise DataError(f"another process has trained into {self.folder}: start again with --resume")
                remove_leftovers(self.folder, self.state["step"])
                show_faster_backend(self.model)
            return self._train_loop(max_minutes)

    def _train_loop(self, max_minutes: float | None) -> dict[str, Any]:
        config, state, start = self.config, self.state, time.monotonic()
        last_save = last_validation = step_end = start
        recent: list[dict[str, float]] = []
        display = TrainingProgress(config.max_steps, state["step"], disable=not self.devices.is_main)
        broadcast = self.devices.broadcast_flags
        (timed_out,) = broadcast(max_minutes is not None and max_minutes <= 0)
        with DeferredInterrupt() as interrupts, display as progress:
            while state["step"] < config.max_steps and not timed_out:
                loss, amount = self._train_step(progress)
                recent.append(self.losses)
                now = time.monotonic()
                state["wall_hours"] += (now - step_end) / 3600
                throughput, throughput_text = self.task.throughput(amount, now - step_end)
                step_end = now
                if state["step"] % LOG_EVERY_STEPS == 0 or state["step"] == config.max_steps:
                    self.log(
                        "log.csv",
                        **{name: float(np.mean([r[name] for r in recent])) for name in self.losses},
                        learning_rate=config.learning_rate_at(state["step"]),
                        throughput=round(throughput, 1),
                    )
                    recent.clear()
                description = f"epoch {state['epoch']}  loss {loss:.3f}  {throughput_text}"
                progress.update(state["step"], description)
                timed_out, save, validate, stop = broadcast(
                    max_minutes is not None and now - start >= 60 * max_minutes,
                    now - last_save > 60 * config.checkpoint_every_minutes,
                    bool(self.task.validation) and now - last_validation > 60 * config.validate_every_minutes,
                    interrupts.requested,
                )
                if save or stop or validate:
                    self.save()
                    last_save = now
                if stop:
                    raise KeyboardInterrupt
                if validate:
                    with interrupts.immediate():
                        self.validate()
                    last_validation = last_save = step_end = time.monotonic()
        self.save()
        if self.task.validation:
            self.validate()
        return state

    def _train_step(self, progress: TrainingProgress | None = None) -> tuple[float, float]:
        """Train on one batch, and return its loss (nats per character or sample) and its amount of data."""
        state = self.state
        self._set_epoch()  # of a resumed run, which has its own number of batches
        uses_teacher = self.config.uses_teacher_at
        if state["batch"] >= len(self.dataset) or uses_teacher(state["step"] - 1) != uses_teacher(state["step"]):
            state["epoch"], state["batch"] = state["epoch"] + 1, 0
            self._set_epoch()
        inputs, labels, replicate = self.batches(state["batch"], len(self.dataset))
        optimizer = self.model.optimizer
        optimizer.learning_rate.assign(self.config.learning_rate_at(state["step"]))
        num_skipped = int(optimizer.num_skipped)
        if self.devices.compiles_for(inputs, labels) and progress:
            progress.update(state["step"], f"compiling for batches of labels {labels.shape}")
        logs = self.devices.train(self.model, inputs, labels, replicate)
        self.losses = {name: float(v) for name, v in logs.items() if name == "loss" or name.endswith("_loss")}
        loss = self.losses["loss"]
        if not math.isfinite(loss):
            raise KerasRecipesError(
                f"The loss is {loss} at step {state['step']}. The last checkpoint remains. The batch holds: "
                f"{self.task.describe_batch(state['batch'])}. Check these clips (kerasrecipes data summary), lower "
                "`learning_rate`, or train in float32."
            )
        if int(optimizer.num_skipped) > num_skipped:
            self.log("skipped.csv", loss=loss, utterances=self.task.describe_batch(state["batch"]))
        amount = self.devices.all_sum(self.task.amount_in(inputs, labels), replicate)
        state["step"] += 1
        state["batch"] += 1
        state[self.task.amount_key] += amount
        return loss, amount

    def _set_epoch(self) -> None:
        """Lay out the batches of the state's epoch."""
        if self.dataset.epoch != self.state["epoch"]:
            self.batches.clear()
            self.task.set_epoch(self.state["epoch"], self.state["step"])

    # ------------------------------------------------------------------ records

    def save(self) -> None:
        """Write the checkpoint, the averaged model and `run.json`."""
        if not self.devices.is_main:
            return
        save_checkpoint(self.checkpoint_path, self.model, self.state)
        self.checkpoint_stamp = read_stamp(self.checkpoint_path)
        self._save_averaged_model()
        record = {
            "config": self.config.to_dict(), "state": self.state, "hardware": self.devices.hardware() or hardware_summary(),
            "commit": git_commit(), "backend": keras.config.backend(), "keras": keras.__version__,
            "data": self.task.data_summary(),
        }  # fmt: skip
        if self.task.teacher:
            record["teacher"] = self.task.teacher
        write_json(self.folder / "run.json", record, default=list)

    def _save_averaged_model(self) -> None:
        if self._plain_model is None:
            distribution = keras.distribution.distribution()
            keras.distribution.set_distribution(None)  # only this process builds it
            self._plain_model = build_for_training(without_training_only(self.config))
            keras.distribution.set_distribution(distribution)
        self._plain_model.set_weights(averaged_weights(self.model))
        save_averaged_model(self._plain_model, self.folder)

    def log(self, name: str, **values: Any) -> None:
        """Append a row to a CSV file of the run."""
        if self.devices.is_main:
            append_row(self.folder / name, {**self.state, **values})

    def validate(self) -> dict[str, float]:
        """Evaluate the averaged weights on the validation set, and log the metrics."""
        with ema_weights(self.model):
            metrics = self.task.validate()
        if self.devices.is_main:
            cut_rows(self.folder / "validation.csv", self.state["step"])  # a finished run was resumed
            self.log("validation.csv", **metrics)
            plot_learning_curve(self.folder)
        return metrics
