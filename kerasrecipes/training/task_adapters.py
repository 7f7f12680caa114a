"""What training a recipe of each task needs: its batches, how to count what was seen, and what is measured on the way."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import data
from kerasrecipes.data.wave_dataset import open_audio_cache
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.loading import build_model
from kerasrecipes.registry import get_recipe
from kerasrecipes.training.config import TrainConfig
from kerasrecipes.training.distributed import round_up_to_bucket
from kerasrecipes.training.evaluation import (
    evaluate_bits_per_character,
    evaluate_bits_per_sample,
    evaluate_phonemes,
    evaluate_speech,
)
from kerasrecipes.training.image_task_adapters import ImageTraining, SegmentationTraining

FRONT_END = "front end"  # in `frozen`: a segmenter's layers up to its front end's scores
EVAL_NOISE_DB = (20.0, 10.0, 0.0)  # decibels between speech and pink noise, beside none, in studies


class SpeechTraining:
    """Recognisers: batches of audio; word and character error rates."""

    amount, unit = "audio_hours", "h of audio"
    fixed = ""  # the setting that gives every batch the same number of items
    nothing = 0  # label of padding

    def __init__(self, config: TrainConfig, model: Any, cache: Path):
        self.model = model
        self.dataset = model.dataset(
            data.load_datasets(config.data), batch_seconds=config.batch_seconds, order=config.order, seed=config.seed,
            speeds=config.speeds, augment=data.AudioAugmentation(**config.augment) if config.augment else None, cache_dir=cache,
            **self.options(config),
        )  # fmt: skip
        self.validation = (
            data.load_datasets(config.validation, speakers=config.validation_speakers) if config.validation else None
        )

    def options(self, config: TrainConfig) -> dict[str, Any]:
        """More for the model's `dataset`."""
        return {}

    def items(self, batch: int) -> int:
        """How many utterances a batch holds."""
        return len(self.dataset.batches[batch])

    def widths(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, int]:
        """Sizes of time that few batches differ in, for a backend that compiles anew for every shape."""
        return {"audio": round_up_to_bucket(inputs["audio"].shape[1]), "labels": round_up_to_bucket(labels.shape[1], 1)}

    def seen(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> float:
        """Hours of audio in a batch."""
        return float(np.sum(inputs["length"])) / self.model.sample_rate / 3600

    def speed(self, amount: float, seconds: float) -> tuple[float, str]:
        """Amount per second as a number and in words."""
        times = 3600 * amount / seconds
        return times, f"{times:.0f} x real time"

    def names(self, batch: int) -> str:
        """What a batch holds, for error messages."""
        return ", ".join(u.id for u in self.dataset.batch_utterances(batch))

    def sources(self) -> list[dict[str, Any]]:
        """The sets and their sizes."""
        return [{"name": n, "hours": round(h, 2)} for n, h in self.dataset.hours_by_source().items()]

    def score(self) -> dict[str, float]:
        """Of the model on the validation set."""
        return {name: rate.rate for name, rate in evaluate_speech(self.model, self.validation).items()}

    def outcome(self) -> dict[str, dict[str, Any]]:
        """What a study says of the model: error rates on the validation set, clean and in pink noise."""
        found = {"clean": evaluate_speech(self.model, self.validation)}
        return found | {f"{db:g} dB": evaluate_speech(self.model, self.validation, noise=db) for db in EVAL_NOISE_DB}


class PhonemeTraining(SpeechTraining):
    """Phone recognisers: batches of audio with a label for every frame; phone error rate and boundaries."""

    def options(self, config: TrainConfig) -> dict[str, Any]:
        return {"crop_seconds": config.crop_seconds}

    def widths(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, int]:
        samples = round_up_to_bucket(inputs["audio"].shape[1])
        return {"audio": samples, "labels": self.model.output_length(samples)}  # a label for every frame

    def score(self) -> dict[str, float]:
        return {name: rate.rate for name, rate in evaluate_phonemes(self.model, self.validation).items()}

    def outcome(self) -> dict[str, dict[str, Any]]:
        return {"held out": evaluate_phonemes(self.model, self.validation)}


class TextTraining:
    """Language models: batches of lines; bits per character."""

    amount, unit = "million_characters", "million characters"
    fixed, nothing = "", -1

    def __init__(self, config: TrainConfig, model: Any, cache: Path):
        self.model: Any = model
        self.config, self.validation = config, data.load_text_datasets(config.validation, config.validation_speakers)
        self.dataset = data.TextDataset(
            data.load_text_datasets(config.data), model.alphabet, batch_symbols=config.batch_symbols,
            order="sorted" if config.order == "sorted" else "random", seed=config.seed,
        )  # fmt: skip

    def items(self, batch: int) -> int:
        return len(self.dataset.batches[batch])

    def widths(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, int]:
        steps = round_up_to_bucket(labels.shape[1])
        return {"symbols": steps, "labels": steps}

    def seen(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> float:
        return float(np.sum(inputs["length"])) / 1e6

    def speed(self, amount: float, seconds: float) -> tuple[float, str]:
        return 1e6 * amount / seconds, f"{1e6 * amount / seconds:.0f} characters a second"

    def names(self, batch: int) -> str:
        return f"{len(self.dataset.batches[batch])} texts of batch {batch}"

    def sources(self) -> list[dict[str, Any]]:
        return [
            {"name": Path(spec.partition(":")[2].partition("?")[0]).name, "characters": _count([spec])}
            for spec in self.config.data
        ]

    def score(self) -> dict[str, float]:
        return {name: value.rate for name, value in evaluate_bits_per_character(self.model, self.validation).items()}

    def outcome(self) -> dict[str, dict[str, Any]]:
        return {"held out": evaluate_bits_per_character(self.model, self.validation)}


class WaveTraining:
    """Generators: batches of crops; bits per sample."""

    amount, unit = "audio_hours", "h of audio"
    fixed, nothing = "batch_seconds", -1

    def __init__(self, config: TrainConfig, model: Any, cache: Path):
        self.model: Any = model
        self.utterances = data.load_datasets(config.data)
        self.dataset = data.WaveDataset(
            open_audio_cache(self.utterances, model, cache), [u.speaker for u in self.utterances], model,
            batch_seconds=config.batch_seconds, crop_seconds=config.crop_seconds or 1.0, unconditioned=config.unconditioned,
            seed=config.seed,
        )  # fmt: skip
        self.validation = (
            data.load_datasets(config.validation, speakers=config.validation_speakers) if config.validation else None
        )

    def items(self, batch: int) -> int:
        return self.dataset.rows

    def widths(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, int]:
        return {}

    def seen(self, inputs: dict[str, np.ndarray], labels: np.ndarray) -> float:
        """Hours of scored audio in a batch."""
        return float(np.sum(labels >= 0)) / self.model.sample_rate / 3600

    def speed(self, amount: float, seconds: float) -> tuple[float, str]:
        samples = 3600 * self.model.sample_rate * amount / seconds
        return samples, f"{samples:.0f} samples a second"

    def names(self, batch: int) -> str:
        return ", ".join(self.utterances[i].id for i in self.dataset.clips(batch))

    def sources(self) -> list[dict[str, Any]]:
        hours: dict[str, float] = {}
        for u, samples in zip(self.utterances, self.dataset.lengths, strict=True):
            hours[u.source] = hours.get(u.source, 0.0) + float(samples) / self.model.sample_rate / 3600
        return [{"name": n, "hours": round(h, 2)} for n, h in hours.items()]

    def score(self) -> dict[str, float]:
        return {name: value.rate for name, value in evaluate_bits_per_sample(self.model, self.validation).items()}

    def outcome(self) -> dict[str, dict[str, Any]]:
        return {"held out": evaluate_bits_per_sample(self.model, self.validation)}


def _count(specs: list[str]) -> int:
    return sum(len(text) + 1 for text in data.load_text_datasets(specs))


TRAINING_TASKS = {
    "speech-recognition": SpeechTraining, "phoneme-recognition": PhonemeTraining, "language-model": TextTraining, "waveform-generation": WaveTraining,
    "image-classification": ImageTraining, "segmentation": SegmentationTraining,
}  # fmt: skip


def training_task_for(recipe: str) -> Any:
    """The kind of a recipe's task.

    Raises:
        KerasRecipesError: the task has none.
    """
    task = get_recipe(recipe).task
    if task not in TRAINING_TASKS:
        raise KerasRecipesError(
            f"{recipe} cannot be trained by `kerasrecipes train`: its task is {task}; use model.fit"
        )
    return TRAINING_TASKS[task]


def build_for_training(config: TrainConfig) -> Any:
    """The model that a configuration trains, with random weights; its frozen layers are not trainable.

    Raises:
        DataError: no layer is called like one of `config.frozen`, or none is left to train.
    """
    model = build_model(get_recipe(config.recipe), config.alphabet, config.config)
    if config.frozen:
        freeze_layers(model, config.frozen)
    return model


def freeze_layers(model: Any, names: Sequence[str]) -> None:
    """Make the layers not trainable whose names begin so; "front end": a segmenter's, up to its scores.

    Raises:
        DataError: no layer is called so, or none is left to train.
    """
    for name in names:
        if name == FRONT_END and hasattr(model, "front_end_head"):
            chosen = model.layers[: model.layers.index(model.front_end_head) + 1]
        else:
            chosen = [layer for layer in model.layers if layer.name.startswith(name)]
        if not any(layer.weights for layer in chosen):
            there = ", ".join(layer.name for layer in model.layers if layer.weights)
            raise DataError(f"frozen: no layer of {model.name} with weights is called {name!r}; there are {there}")
        for layer in chosen:
            layer.trainable = False
    if not model.trainable_variables:
        raise DataError(
            f"frozen: nothing of {model.name} is left to train with {', '.join(names)}: leave some layers out"
        )
