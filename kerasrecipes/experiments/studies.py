"""A paper's question, answered again: small trainings that differ in one choice, with equal parameters, passes and data.

`kerasrecipes study NAME` trains every arm with every seed, goes on where it was interrupted, and measures on dev-mini-tune word
and character errors, clean and with noise, or a language model's bits per character. Its YAML names the question, the common
settings and the arms' changes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import yaml

from kerasrecipes import data
from kerasrecipes.errors import DataError
from kerasrecipes.registry import get_recipe
from kerasrecipes.release.model_card import METRIC_FORMATS, build_shape_only
from kerasrecipes.training.config import TrainConfig, config_from_dict
from kerasrecipes.training.initialization import TRAINING_ONLY_KEYS
from kerasrecipes.training.learning_curve import smoothed_losses
from kerasrecipes.training.task_adapters import build_for_training, training_task_for
from kerasrecipes.training.trainer import Trainer, ema_weights
from kerasrecipes.utils.environment import git_commit, hardware_summary
from kerasrecipes.utils.files import write_json

EXPERIMENTS_FOLDER = Path(__file__).parent / "study_configs"
# metric -> head of its column
METRIC_TITLES = {
    "wer": "words",
    "cer": "characters",
    "bpc": "bits per character",
    "error": "wrong classes",
    "per": "phones",
    "boundaries_found": "boundaries found within 20 ms",
    "boundaries_right": "boundaries that are right",
    "miou": "mean IoU",
    "pixels": "wrong pixels",
}


@dataclass(frozen=True)
class Experiment:
    """A question and the trainings that answer it.

    Args:
        name, title, question, source: what is asked, and where the paper asks it.
        base: settings that all arms share. arms: name -> what differs; its `config` is merged into that of `base`, and `after`
            names an arm before it, with whose weights of the same seed it begins.
        seeds: of each arm. parameters: how far the arms' numbers of parameters may be apart, as a share.
    """

    name: str
    title: str
    question: str
    source: str
    base: dict[str, Any]
    arms: dict[str, dict[str, Any]]
    seeds: tuple[int, ...] = (1,)
    parameters: float = 0.05
    notes: str = ""

    def config(self, arm: str, seed: int, folder: Path = Path()) -> TrainConfig:
        """The training of one arm; `folder` is where the study's trainings lie."""
        changes = dict(self.arms[arm])
        common = self.base.get("config", {})
        first, merged = changes.pop("after", None), {**common, **changes.pop("config", {})}
        if first:
            changes["start"] = str(folder / run_folder(first, seed))
            recipe = get_recipe({**self.base, **changes}["recipe"]).config
            before, now = {**recipe, **common, **self.arms[first].get("config", {})}, {**recipe, **merged}
            changes["start_config"] = {
                k: v
                for k, v in before.items()
                if k not in TRAINING_ONLY_KEYS and json.dumps(v) != json.dumps(now.get(k))
            }
        return config_from_dict({**self.base, **changes, "config": merged, "seed": seed}, f"study {self.name}, {arm}")


@dataclass
class RunResult:
    """What one training of a study gave."""

    arm: str
    seed: int
    parameters: int
    seen: float  # hours of audio or millions of characters
    wall_hours: float
    rates: dict[str, dict[str, Any]] = field(default_factory=dict)  # "clean", "20 dB" -> {"wer": {...}, "cer": {...}}


def experiment_names() -> list[str]:
    """Of all studies."""
    return sorted(p.stem for p in EXPERIMENTS_FOLDER.glob("*.yaml"))


def read(name: str) -> Experiment:
    """The study of that name, or in a YAML file of that path.

    Raises:
        DataError: there is none.
    """
    path = Path(name) if name.endswith(".yaml") else EXPERIMENTS_FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise DataError(f"There is no study {name}; there are {', '.join(experiment_names())}")
    values = yaml.safe_load(path.read_text("utf-8"))
    study = Experiment(path.stem, **{**values, "seeds": tuple(values.get("seeds", (1,)))})
    arms = list(study.arms)
    for place, arm in enumerate(arms):
        first = study.arms[arm].get("after")
        if first and first not in arms[:place]:
            raise DataError(f"study {study.name}, {arm}: after is {first!r}, no arm before it")
        study.config(arm, 1)
    return study


def run(
    study: Experiment, folder: Path, *, arms: tuple[str, ...] = (), minutes: float | None = None,
    progress: Callable[[RunResult], Any] | None = None,
) -> list[RunResult]:  # fmt: skip
    """Train and measure what is not there yet.

    Args:
        study: what to do. folder: of the trainings, `ARM-SEED` each; one that has `outcome.json` is done.
        arms: only these. minutes: of each training, at most; the rest waits for the next call.
        progress: called with every outcome.

    Returns:
        Outcomes of the trainings that are done.

    Raises:
        DataError: an unknown arm, or one that begins with another which is not done.
    """
    if unknown := set(arms) - set(study.arms):
        raise DataError(
            f"The study {study.name} has no arm {', '.join(sorted(unknown))}; it has {', '.join(study.arms)}"
        )
    done = []
    for seed in study.seeds:
        for arm in arms or study.arms:
            place = folder / run_folder(arm, seed)
            first = study.arms[arm].get("after")
            if first and arm not in arms and not read_result(folder / run_folder(first, seed)):
                continue  # its time ran out
            found = read_result(place) or train(study, arm, seed, place, minutes)
            if found:
                done.append(found)
                if progress:
                    progress(found)
    return done


def run_folder(arm: str, seed: int) -> str:
    """The folder of one training."""
    return f"{arm.replace(' ', '_')}-{seed}"


def train(study: Experiment, arm: str, seed: int, place: Path, minutes: float | None) -> RunResult | None:
    """One training, from where it stands; None when its time ran out."""
    keras.utils.clear_session()
    first = study.arms[arm].get("after")
    if first and not read_result(place.parent / run_folder(first, seed)):
        raise DataError(f"The arm {arm!r} begins with {first!r} of seed {seed}, which is not done: train that first")
    training = Trainer(study.config(arm, seed, place.parent), place, resume=True)
    state = training.train(minutes)
    if state["step"] < training.config.steps:
        return None
    with ema_weights(training.model):
        rates = training.kind.outcome()
    found = RunResult(
        arm, seed, training.model.count_params(), state[training.kind.amount], state["wall_hours"],
        {noise: {n: metric_to_json(r) for n, r in both.items()} for noise, both in rates.items()},
    )  # fmt: skip
    write_json(place / "outcome.json", vars(found))
    return found


def metric_to_json(rate: Any) -> dict[str, float | None]:
    """A rate and its interval, as JSON has it."""
    return {
        k: None if getattr(rate, k) != getattr(rate, k) else round(getattr(rate, k), 4) for k in ("rate", "low", "high")
    }


def read_result(place: Path) -> RunResult | None:
    """What a training that is done gave."""
    path = place / "outcome.json"
    return RunResult(**json.loads(path.read_text())) if path.is_file() else None


def count_parameters(study: Experiment) -> dict[str, int]:
    """Of each arm's network."""
    return {
        arm: build_shape_only(partial(build_for_training, study.config(arm, 1))).count_params() for arm in study.arms
    }


def results_record(study: Experiment, outcomes: list[RunResult], folder: Path) -> dict[str, Any]:
    """What a study gave, the curves of its trainings in `folder` among it, as plain values."""
    return {
        "name": study.name, "title": study.title, "question": study.question, "source": study.source,
        "notes": study.notes, "setting": f"{budget_summary(study)}; {hardware_summary()}", "commit": git_commit(),
        "outcomes": [vars(o) for o in outcomes],
        "curves": {o.arm: smoothed_losses(folder / run_folder(o.arm, o.seed)) for o in reversed(outcomes)},  # of the first seed
    }  # fmt: skip


def write_results(found: dict[str, Any], path: Path) -> Path:
    """Write what `recorded` found, for the documentation."""
    return write_json(path, found)


def budget_summary(study: Experiment) -> str:
    """What every arm gets, in words."""
    base = config_from_dict({**study.base, "config": {}})
    if training_task_for(base.recipe).amount == "audio_hours":
        return (
            f"{data.load_datasets(base.data).hours:.1f} h of speech, {base.steps} steps of {base.batch_seconds:.0f} s"
        )
    if training_task_for(base.recipe).amount == "million_pictures":
        return f"{', '.join(spec.partition(':')[0] for spec in base.data)}, {base.steps} steps of {base.batch_pictures} pictures"
    size = sum(len(text) + 1 for text in data.load_text_datasets(base.data))
    return f"{size / 1e6:.1f} million characters, {base.steps} steps of {base.batch_symbols:,}"


def results_table(outcomes: list[dict[str, Any]]) -> list[str]:
    """Rows of Markdown: each arm's mean over its seeds, and from the lowest to the highest where there are several.

    One condition has a column for each metric. Of several, each has a column, and an arm a row for each metric.
    """
    rates = outcomes[0]["rates"]
    conditions, metrics = list(rates), list(next(iter(rates.values())))
    several = len(conditions) > 1
    head = ["arm", "parameters", "hours of training"]
    head += ["measured", *conditions] if several else [f"{METRIC_TITLES[m]}, {conditions[0]}" for m in metrics]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for arm in dict.fromkeys(o["arm"] for o in outcomes):
        same = [o for o in outcomes if o["arm"] == arm]
        cells = [arm, f"{same[0]['parameters'] / 1e6:.2f} M", f"{np.mean([o['wall_hours'] for o in same]):.2f}"]
        found = {m: [format_over_seeds([o["rates"][c][m] for o in same], m) for c in conditions] for m in metrics}
        alone = [rate for rates_of in found.values() for rate in rates_of]  # each of one condition
        rows = [[*cells, METRIC_TITLES[m], *found[m]] for m in metrics] if several else [[*cells, *alone]]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    return lines


def format_over_seeds(rates: list[dict[str, float]], metric: str) -> str:
    """One seed: the rate and its interval over speakers; several: their mean and range."""
    scale, unit, digits = METRIC_FORMATS.get(metric, (100, " %", 1))
    values = [scale * r["rate"] for r in rates]
    if len(values) > 1:
        span = f"{min(values):.{digits}f} to {max(values):.{digits}f}"
        return f"{np.mean(values):.{digits}f}{unit} ({span}, {len(values)} seeds)"
    low, high = rates[0]["low"], rates[0]["high"]
    span = f" ({scale * low:.{digits}f} to {scale * high:.{digits}f})" if low is not None else ""
    return f"{values[0]:.{digits}f}{unit}{span}"
