"""The adapters of the six tasks: how the trainer loads data, makes batches and evaluates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import data
from kerasrecipes.data.image_dataset import ImageDataset
from kerasrecipes.data.images import load_image_datasets
from kerasrecipes.data.segmentation_dataset import SegmentationDataset
from kerasrecipes.data.segmentation_masks import load_masks
from kerasrecipes.data.wave_dataset import open_audio_cache
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.registry import get_recipe
from kerasrecipes.training.distillation import prepare_teacher
from kerasrecipes.training.distributed import round_up_to_bucket
from kerasrecipes.training.evaluation import (
    evaluate_bits_per_character,
    evaluate_bits_per_sample,
    evaluate_classification,
    evaluate_phonemes,
    evaluate_segmentation,
    evaluate_speech,
)
from kerasrecipes.training.training_task import TrainingTask

EVAL_NOISE_DB = (20.0, 10.0, 0.0)  # signal-to-noise ratios at which studies evaluate recognizers
DATASET_NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "camvid": "CamVid"}


class SpeechTraining(TrainingTask):
    """Speech recognizers: batches of audio, word and character error rates."""

    can_distill = True

    def make_dataset(self, **options: Any) -> Any:
        config = self.config
        if config.teacher is not None:
            options["teacher"], self.teacher = prepare_teacher(config, self.model, self.data, self.cache_dir)
        augment = data.AudioAugmentation(**config.augment) if config.augment else None
        return self.model.make_dataset(
            self.data, batch_seconds=config.batch_seconds, batch_order=config.batch_order, seed=config.seed,
            speed_perturbation=config.speed_perturbation, augment=augment, cache_dir=self.cache_dir, **options,
        )  # fmt: skip

    def padded_sizes(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, int]:
        samples = round_up_to_bucket(inputs["audio"].shape[1])
        frames = {"teacher": self.model.output_length(samples)} if "teacher" in inputs else {}
        return {"audio": samples, "labels": round_up_to_bucket(labels.shape[1], 1), **frames}

    def set_epoch(self, epoch: int, step: int) -> None:
        self.dataset.uses_teacher = self.config.uses_teacher_at(step)
        super().set_epoch(epoch, step)

    def evaluate(self, validation: Any, **options: Any) -> dict[str, Any]:
        return evaluate_speech(self.model, validation, decoder="greedy", **options)  # the network alone is trained

    def final_metrics(self) -> dict[str, dict[str, Any]]:
        """Return error rates on clean audio and with pink noise."""
        noisy = {f"{db:g} dB": self.evaluate(self.validation, noise=db) for db in EVAL_NOISE_DB}
        return {"clean": self.evaluate(self.validation), **noisy}


class PhonemeTraining(SpeechTraining):
    """Phoneme recognizers: batches of audio with a label for every frame, phoneme error rate and boundaries."""

    can_distill = False

    def make_dataset(self, **options: Any) -> Any:
        return super().make_dataset(crop_seconds=self.config.crop_seconds, **options)

    def padded_sizes(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, int]:
        samples = round_up_to_bucket(inputs["audio"].shape[1])
        return {"audio": samples, "labels": self.model.output_length(samples)}  # a label for every frame

    def evaluate(self, validation: Any, **options: Any) -> dict[str, Any]:
        return evaluate_phonemes(self.model, validation, **options)

    final_metrics = TrainingTask.final_metrics


class TextTraining(TrainingTask):
    """Language models: batches of lines, bits per character."""

    amount_key, unit, pad_label = "million_characters", "million characters", -1
    throughput_unit, throughput_scale = "characters/s", 1e6

    def load_data(self, specs: Sequence[str], speakers: Sequence[str] = ()) -> Any:
        return data.load_text_datasets(specs, speakers)

    def make_dataset(self) -> Any:
        order = "sorted" if self.config.batch_order == "sorted" else "random"
        return data.TextDataset(
            self.data, self.model.alphabet, batch_tokens=self.config.batch_tokens, batch_order=order, seed=self.config.seed
        )  # fmt: skip

    def evaluate(self, validation: Any) -> dict[str, Any]:
        return evaluate_bits_per_character(self.model, validation)

    def padded_sizes(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, int]:
        steps = round_up_to_bucket(labels.shape[1])
        return {"symbols": steps, "labels": steps}

    def amount_in(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> float:
        return float(np.sum(inputs["length"])) / 1e6

    def describe_batch(self, batch: int) -> str:
        return f"{len(self.dataset.batches[batch])} texts of batch {batch}"

    def data_summary(self) -> list[dict[str, Any]]:
        return [
            {"name": Path(spec.partition(":")[2].partition("?")[0]).name, "characters": sum(len(t) + 1 for t in self.load_data([spec]))}
            for spec in self.config.data
        ]  # fmt: skip


class WaveTraining(TrainingTask):
    """WaveNet: batches of crops, bits per sample."""

    fixed_size_setting, pad_label, throughput_unit = "batch_seconds", -1, "samples/s"

    def make_dataset(self) -> Any:
        config, self.throughput_scale = self.config, 3600.0 * self.model.sample_rate
        return data.WaveDataset(
            open_audio_cache(self.data, self.model, self.cache_dir), [u.speaker for u in self.data], self.model,
            batch_seconds=config.batch_seconds, crop_seconds=config.crop_seconds or 1.0,
            conditioning_dropout=config.conditioning_dropout, seed=config.seed,
        )  # fmt: skip

    def evaluate(self, validation: Any) -> dict[str, Any]:
        return evaluate_bits_per_sample(self.model, validation)

    def batch_size(self, batch: int) -> int:
        return self.dataset.batch_size

    def amount_in(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> float:
        """Return the hours of audio with targets in a batch."""
        return float(np.sum(labels >= 0)) / self.model.sample_rate / 3600

    def describe_batch(self, batch: int) -> str:
        return ", ".join(self.data[i].id for i in self.dataset.batch_clip_indices(batch))

    def hours_by_source(self) -> dict[str, float]:
        hours: dict[str, float] = {}
        for u, samples in zip(self.data, self.dataset.lengths, strict=True):
            hours[u.source] = hours.get(u.source, 0.0) + float(samples) / self.model.sample_rate / 3600
        return hours


class ImageTraining(TrainingTask):
    """Image classifiers: batches of images, the share of wrong classes."""

    amount_key, unit, fixed_size_setting = "million_images", "million images", "batch_images"
    throughput_unit, throughput_scale = "images/s", 1e6

    def load_data(self, specs: Sequence[str], speakers: Sequence[str] = ()) -> Any:
        return load_image_datasets(specs, self.model.classes, self.model.preprocessing)

    def make_dataset(self) -> Any:
        config = self.config
        images, labels = self.data
        return ImageDataset(
            images, labels, self.model.preprocessing, batch_size=config.batch_images, augment=bool(config.augment), seed=config.seed
        )  # fmt: skip

    def evaluate(self, validation: Any) -> dict[str, Any]:
        return evaluate_classification(self.model, *validation)

    def batch_size(self, batch: int) -> int:
        return len(self.dataset.batch_members(batch))

    def amount_in(self, inputs: np.ndarray, labels: np.ndarray) -> float:
        return len(inputs) / 1e6

    def describe_batch(self, batch: int) -> str:
        return f"images {', '.join(map(str, self.dataset.batch_members(batch)))}"

    def data_summary(self) -> list[dict[str, Any]]:
        readers = [spec.partition(":")[0] for spec in self.config.data]
        size = len(self.dataset.images) // len(readers)
        return [{"name": DATASET_NAMES.get(reader, reader), "images": size} for reader in readers]


class SegmentationTraining(ImageTraining):
    """Segmenters: batches of images with masks, mean intersection over union."""

    reads_masks = True

    def load_data(self, specs: Sequence[str], speakers: Sequence[str] = ()) -> Any:
        return load_masks(specs, self.model.classes, self.config.mask_values)

    def make_dataset(self) -> Any:
        config = self.config
        images, masks = self.data
        return SegmentationDataset(
            images, masks, self.model, batch_size=config.batch_images, augment=bool(config.augment), seed=config.seed
        )  # fmt: skip

    def evaluate(self, validation: Any) -> dict[str, Any]:
        return evaluate_segmentation(self.model, *validation)


TRAINING_TASKS: dict[str, type[TrainingTask]] = {
    "speech-recognition": SpeechTraining, "phoneme-recognition": PhonemeTraining, "language-model": TextTraining,
    "waveform-generation": WaveTraining, "image-classification": ImageTraining, "segmentation": SegmentationTraining,
}  # fmt: skip


def training_task_for(recipe: str) -> type[TrainingTask]:
    """Return the adapter of a recipe's task."""
    task = get_recipe(recipe).task
    if task not in TRAINING_TASKS:
        raise KerasRecipesError(
            f"{recipe} cannot be trained by `kerasrecipes train`: its task is {task}; use model.fit"
        )
    return TRAINING_TASKS[task]
