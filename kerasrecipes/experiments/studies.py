"""Ablation studies: small training runs that differ in one setting, with equal numbers of parameters, epochs and data.

`kerasrecipes study NAME` trains every variant with every seed, resumes an interrupted run, and measures on held-out data: word and
character errors, clean and with noise, or a language model's bits per character. A study's YAML file has the question, the
common settings and the changes of each variant.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrecipes import data
from kerasrecipes.errors import DataError, convert_errors
from kerasrecipes.experiments.study_questions import find_experiment_file
from kerasrecipes.registry import get_recipe
from kerasrecipes.release.model_card import build_shape_only
from kerasrecipes.training.config import TrainConfig, config_from_dict
from kerasrecipes.training.learning_curve import smoothed_losses
from kerasrecipes.training.model_building import TRAINING_ONLY_KEYS, build_for_training
from kerasrecipes.training.optimizer import ema_weights
from kerasrecipes.training.task_adapters import training_task_for
from kerasrecipes.training.trainer import Trainer
from kerasrecipes.utils.environment import git_commit, hardware_summary
from kerasrecipes.utils.files import write_json
from kerasrecipes.utils.yaml_files import read_yaml

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Experiment:
    """A study: a question and the training runs that answer it.

    Args:
        source: Paper and section that ask it.
        common: Settings of all variants.
        variants: Changes of each variant. `config` is merged into that of `common`. `init_from_variant` names an earlier variant
            whose weights of the same seed are the initial weights.
        seeds: Random seeds of each variant.
        max_parameter_difference: Largest difference of the variants' numbers of parameters, as a fraction.
        notes: Remarks for the documentation.
    """

    name: str
    title: str
    question: str
    source: str
    common: dict[str, Any]
    variants: dict[str, dict[str, Any]]
    seeds: tuple[int, ...] = (1,)
    max_parameter_difference: float = 0.05
    notes: str = ""

    def initial_variant(self, variant: str) -> str | None:
        """Return the variant whose weights are the initial weights of this one, or None."""
        return self.variants[variant].get("init_from_variant")

    def config(self, variant: str, seed: int, folder: Path = Path()) -> TrainConfig:
        """Return the training configuration of a variant. `folder` holds the study's runs."""
        changes = dict(self.variants[variant])
        common = self.common.get("config", {})
        initial, merged = changes.pop("init_from_variant", None), {**common, **changes.pop("config", {})}
        if initial:
            changes["init_from"] = str(folder / run_folder(initial, seed))
            recipe = get_recipe({**self.common, **changes}["recipe"]).config
            before, after = {**recipe, **common, **self.variants[initial].get("config", {})}, {**recipe, **merged}
            changes["init_config"] = {
                k: v
                for k, v in before.items()
                if k not in TRAINING_ONLY_KEYS and json.dumps(v) != json.dumps(after.get(k))
            }
        values = {**self.common, **changes, "config": merged, "seed": seed}
        return config_from_dict(values, f"study {self.name}, {variant}")


@dataclass
class RunResult:
    """Result of one training run."""

    variant: str
    seed: int
    parameters: int
    data_amount: float  # hours of audio, or millions of characters or images
    wall_hours: float
    rates: dict[str, dict[str, Any]] = field(default_factory=dict)  # "clean", "20 dB" -> {"wer": {...}, "cer": {...}}


def load_experiment(name: str) -> Experiment:
    """Load the study of that name, or from a YAML file.

    Raises:
        DataError: There is no such study, or a setting is invalid.
    """
    path = find_experiment_file(name)
    with convert_errors(DataError, path):
        values = read_yaml(path)
        study = Experiment(path.stem, **{**values, "seeds": tuple(values.get("seeds", (1,)))})
        variants = list(study.variants)
        for position, variant in enumerate(variants):
            initial = study.initial_variant(variant)
            if initial and initial not in variants[:position]:
                raise DataError(f"study {study.name}, {variant}: init_from_variant is {initial!r}, not an earlier variant")
            study.config(variant, 1)
    return study


def run_experiment(
    study: Experiment, folder: Path, *, variants: tuple[str, ...] = (), max_minutes: float | None = None,
    on_result: Callable[[RunResult], Any] | None = None,
) -> list[RunResult]:  # fmt: skip
    """Train and measure every run that has no result yet.

    Args:
        study: The study.
        folder: Folder of the runs VARIANT-SEED.
        variants: Run only these variants.
        max_minutes: Time limit of each run; the next call continues it.
        on_result: Called with every result.

    Returns:
        Results of the completed runs.

    Raises:
        DataError: There is no such variant, or its initial variant is not complete.
    """
    if unknown := set(variants) - set(study.variants):
        names = ", ".join(sorted(unknown))
        raise DataError(f"The study {study.name} has no variant {names}; it has {', '.join(study.variants)}")
    results = []
    for seed in study.seeds:
        for variant in variants or study.variants:
            run = folder / run_folder(variant, seed)
            initial = study.initial_variant(variant)
            if initial and variant not in variants and not read_result(folder / run_folder(initial, seed)):
                continue  # the time limit stopped the initial variant
            result = read_result(run) or train_variant(study, variant, seed, run, max_minutes)
            if result:
                results.append(result)
                if on_result:
                    on_result(result)
    return results


def run_folder(variant: str, seed: int) -> str:
    """Return the folder name of a run."""
    return f"{variant.replace(' ', '_')}-{seed}"


def train_variant(
    study: Experiment, variant: str, seed: int, folder: Path, max_minutes: float | None
) -> RunResult | None:
    """Start or continue a run. Returns None if its time limit stopped it."""
    keras.utils.clear_session()
    initial = study.initial_variant(variant)
    if initial and not read_result(folder.parent / run_folder(initial, seed)):
        raise DataError(
            f"The variant {variant!r} starts from {initial!r} with seed {seed}, which is not complete: train that first"
        )
    trainer = Trainer(study.config(variant, seed, folder.parent), folder, resume=True)
    state = trainer.train(max_minutes)
    if state["step"] < trainer.config.max_steps:
        return None
    with ema_weights(trainer.model):
        conditions = trainer.task.final_metrics()
    result = RunResult(
        variant, seed, trainer.model.count_params(), state[trainer.task.amount_key], state["wall_hours"],
        {name: {k: metric_to_json(m) for k, m in metrics.items()} for name, metrics in conditions.items()},
    )  # fmt: skip
    write_json(folder / RESULT_FILE, vars(result))
    return result


def metric_to_json(metric: Any) -> dict[str, float | None]:
    """Return a metric's rate and interval, with None for NaN."""
    values = {k: getattr(metric, k) for k in ("rate", "ci_low", "ci_high")}
    return {k: None if np.isnan(v) else round(v, 4) for k, v in values.items()}


def read_result(folder: Path) -> RunResult | None:
    """Return the result of a complete run, or None."""
    path = folder / RESULT_FILE
    with convert_errors(DataError, path):
        return RunResult(**json.loads(path.read_text())) if path.is_file() else None


def count_parameters(study: Experiment) -> dict[str, int]:
    """Return the number of parameters of each variant."""
    return {
        variant: build_shape_only(partial(build_for_training, study.config(variant, 1))).count_params()
        for variant in study.variants
    }


def results_record(study: Experiment, results: list[RunResult], folder: Path) -> dict[str, Any]:
    """Return a study's results and the learning curves of its runs in `folder` as plain values."""
    first_runs = {r.variant: folder / run_folder(r.variant, r.seed) for r in reversed(results)}  # of the first seed
    return {
        "name": study.name, "title": study.title, "question": study.question, "source": study.source,
        "notes": study.notes, "setting": f"{budget_summary(study)}; {hardware_summary()}", "commit": git_commit(),
        "results": [vars(r) for r in results],
        "curves": {variant: smoothed_losses(run) for variant, run in first_runs.items()},
    }  # fmt: skip


def budget_summary(study: Experiment) -> str:
    """Describe the training data and steps of every variant."""
    common = config_from_dict({**study.common, "config": {}})
    amount = training_task_for(common.recipe).amount_key
    if amount == "audio_hours":
        hours = data.load_datasets(common.data).hours
        return f"{hours:.1f} h of speech, {common.max_steps} steps of {common.batch_seconds:.0f} s"
    if amount == "million_images":
        names = ", ".join(spec.partition(":")[0] for spec in common.data)
        return f"{names}, {common.max_steps} steps of {common.batch_images} images"
    size = sum(len(text) + 1 for text in data.load_text_datasets(common.data))
    return f"{size / 1e6:.1f} million characters, {common.max_steps} steps of {common.batch_tokens:,}"
