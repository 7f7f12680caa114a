"""Base class of the task adapters: what the trainer needs for a recipe of any task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import data
from kerasrecipes.data.origins import labelers_by_source, synthesizers_by_source
from kerasrecipes.errors import DataError
from kerasrecipes.training.config import TrainConfig


class TrainingTask:
    """Base class. Subclasses load data, make batches and evaluate."""

    amount_key, unit = "audio_hours", "h of audio"  # of the amounts of data in logs and records
    fixed_size_setting = ""  # setting that gives every batch the same number of items
    pad_label = 0
    throughput_unit, throughput_scale = "x real time", 3600.0  # throughput of an amount of 1 in a second
    can_distill = False  # True if batches can hold a teacher's posteriors
    reads_masks = False  # True if the data are images with masks

    def __init__(self, config: TrainConfig, model: Any, cache_dir: Path):
        if config.teacher is not None and not self.can_distill:
            raise DataError(
                f"{config.recipe} cannot learn from a teacher, only speech recognizers with CTC can: remove `teacher`"
            )
        if config.mask_values and not self.reads_masks:
            raise DataError(f"{config.recipe} is trained without masks: remove `mask_values`, which is for segmenters")
        self.teacher: dict[str, str] | None = None  # of the run's record: {name, sha256}
        self.config, self.model, self.cache_dir = config, model, cache_dir
        self.data = self.load_data(config.data)
        self.validation = self.load_data(config.validation, config.validation_speakers) if config.validation else None
        self.dataset = self.make_dataset()

    def load_data(self, specs: Sequence[str], speakers: Sequence[str] = ()) -> Any:
        """Load data sets."""
        return data.load_datasets(specs, speakers)

    def make_dataset(self) -> Any:
        """Return the batches of `self.data`."""
        raise NotImplementedError

    def set_epoch(self, epoch: int, step: int) -> None:
        """Lay out the batches of an epoch whose next step is `step`, both counted from 0."""
        self.dataset.set_epoch(epoch)

    def evaluate(self, validation: Any) -> dict[str, Any]:
        """Return the model's metrics on loaded data."""
        raise NotImplementedError

    def validate(self) -> dict[str, float]:
        """Return the model's metrics on the validation set as numbers."""
        return {name: metric.rate for name, metric in self.evaluate(self.validation).items()}

    def final_metrics(self) -> dict[str, dict[str, Any]]:
        """Return the metrics that a study reports, by condition."""
        return {"held out": self.evaluate(self.validation)}

    def batch_size(self, batch: int) -> int:
        """Return the number of items in a batch."""
        return len(self.dataset.batches[batch])

    def padded_sizes(self, inputs: Any, labels: np.ndarray) -> dict[str, int]:
        """Return the time dimensions to which a backend pads that compiles for every shape. Few batches differ in them."""
        return {}

    def amount_in(self, inputs: Any, labels: np.ndarray) -> float:
        """Return the amount of data in a batch."""
        return float(np.sum(inputs["length"])) / self.model.sample_rate / 3600

    def throughput(self, amount: float, seconds: float) -> tuple[float, str]:
        """Return the amount per second as a number and as text."""
        value = self.throughput_scale * amount / seconds
        return value, f"{value:.0f} {self.throughput_unit}"

    def describe_batch(self, batch: int) -> str:
        """Describe the batch for error messages."""
        return ", ".join(u.id for u in self.dataset.batch_utterances(batch))

    def data_summary(self) -> list[dict[str, Any]]:
        """Return the names and sizes of the training sets, the synthesizers of their speech and the teachers of their labels."""
        origins = {"synthesizers": synthesizers_by_source(self.data), "labelers": labelers_by_source(self.data)}
        return [
            {"name": name, "hours": round(hours, 2)}
            | {key: names_by_source[name] for key, names_by_source in origins.items() if name in names_by_source}
            for name, hours in self.hours_by_source().items()
        ]

    def hours_by_source(self) -> dict[str, float]:
        """Return the hours of each training set."""
        return self.dataset.hours_by_source()
