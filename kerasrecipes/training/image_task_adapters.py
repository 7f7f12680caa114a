"""What training a classifier or a segmenter needs: the picture side of `kerasrecipes.training.task_adapters`."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.data.images import ImageDataset, load_image_datasets
from kerasrecipes.data.segmentation_masks import SegmentationDataset, load_masks
from kerasrecipes.training.config import TrainConfig
from kerasrecipes.training.evaluation import evaluate_classification, evaluate_segmentation

DATASET_NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "camvid": "CamVid"}


class ImageTraining:
    """Classifiers: batches of pictures; the share of wrong classes."""

    amount, unit = "million_pictures", "million pictures"
    fixed, nothing = "batch_pictures", 0

    def __init__(self, config: TrainConfig, model: Any, cache: Path):
        self.model, self.config = model, config
        self.dataset, self.validation = self.load(bool(config.augment))

    def load(self, augment: bool) -> tuple[Any, Any]:
        config, rule = self.config, self.model.preparation
        batches = ImageDataset(
            *load_image_datasets(config.data, self.model.classes, rule), rule, batch_size=config.batch_pictures, augment=augment,
            seed=config.seed,
        )  # fmt: skip
        return batches, load_image_datasets(config.validation, self.model.classes, rule) if config.validation else None

    def items(self, batch: int) -> int:
        return min(self.dataset.batch_size, len(self.dataset.order) - batch * self.dataset.batch_size)

    def widths(self, inputs: np.ndarray, labels: np.ndarray) -> dict[str, int]:
        return {}

    def seen(self, inputs: np.ndarray, labels: np.ndarray) -> float:
        """Millions of pictures in a batch."""
        return len(inputs) / 1e6

    def speed(self, amount: float, seconds: float) -> tuple[float, str]:
        return 1e6 * amount / seconds, f"{1e6 * amount / seconds:.0f} pictures a second"

    def names(self, batch: int) -> str:
        size = self.dataset.batch_size
        return f"pictures {', '.join(str(i) for i in self.dataset.order[batch * size : (batch + 1) * size])}"

    def sources(self) -> list[dict[str, Any]]:
        kinds = [spec.partition(":")[0] for spec in self.config.data]
        return [{"name": DATASET_NAMES.get(k, k), "pictures": len(self.dataset.pictures) // len(kinds)} for k in kinds]

    def score(self) -> dict[str, float]:
        return {name: value.rate for name, value in evaluate_classification(self.model, *self.validation).items()}

    def outcome(self) -> dict[str, dict[str, Any]]:
        return {"held out": evaluate_classification(self.model, *self.validation)}


class SegmentationTraining(ImageTraining):
    """Segmenters: batches of pictures with masks; mean intersection over union."""

    def load(self, augment: bool) -> tuple[Any, Any]:
        config = self.config
        batches = SegmentationDataset(
            *load_masks(config.data, self.model.classes), self.model, batch_size=config.batch_pictures, augment=augment,
            seed=config.seed,
        )  # fmt: skip
        return batches, load_masks(config.validation, self.model.classes) if config.validation else None

    def score(self) -> dict[str, float]:
        return {name: value.rate for name, value in evaluate_segmentation(self.model, *self.validation).items()}

    def outcome(self) -> dict[str, dict[str, Any]]:
        return {"held out": evaluate_segmentation(self.model, *self.validation)}
