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
from kerasrecipes.card import FORMS, hollow
from kerasrecipes.errors import DataError
from kerasrecipes.registry import get_recipe
from kerasrecipes.training.beginning import TRAINING_ONLY
from kerasrecipes.training.config import TrainConfig, from_dict
from kerasrecipes.training.curve import losses
from kerasrecipes.training.kinds import kind_of, model_of
from kerasrecipes.training.trainer import Run, averaged, commit, hardware
from kerasrecipes.visualize.drawing import write_json

STUDIES = Path(__file__).parent / "study_configs"
# metric -> head of its column
WORDS = {
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
class Study:
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
            changes["start"] = str(folder / place_of(first, seed))
            recipe = get_recipe({**self.base, **changes}["recipe"]).config
            before, now = {**recipe, **common, **self.arms[first].get("config", {})}, {**recipe, **merged}
            changes["start_config"] = {
                k: v for k, v in before.items() if k not in TRAINING_ONLY and json.dumps(v) != json.dumps(now.get(k))
            }
        return from_dict({**self.base, **changes, "config": merged, "seed": seed}, f"study {self.name}, {arm}")


@dataclass
class Outcome:
    """What one training of a study gave."""

    arm: str
    seed: int
    parameters: int
    seen: float  # hours of audio or millions of characters
    wall_hours: float
    rates: dict[str, dict[str, Any]] = field(default_factory=dict)  # "clean", "20 dB" -> {"wer": {...}, "cer": {...}}


def names() -> list[str]:
    """Of all studies."""
    return sorted(p.stem for p in STUDIES.glob("*.yaml"))


def read(name: str) -> Study:
    """The study of that name, or in a YAML file of that path.

    Raises:
        DataError: there is none.
    """
    path = Path(name) if name.endswith(".yaml") else STUDIES / f"{name}.yaml"
    if not path.is_file():
        raise DataError(f"There is no study {name}; there are {', '.join(names())}")
    values = yaml.safe_load(path.read_text("utf-8"))
    study = Study(path.stem, **{**values, "seeds": tuple(values.get("seeds", (1,)))})
    arms = list(study.arms)
    for place, arm in enumerate(arms):
        first = study.arms[arm].get("after")
        if first and first not in arms[:place]:
            raise DataError(f"study {study.name}, {arm}: after is {first!r}, no arm before it")
        study.config(arm, 1)
    return study


def run(
    study: Study, folder: Path, *, arms: tuple[str, ...] = (), minutes: float | None = None,
    progress: Callable[[Outcome], Any] | None = None,
) -> list[Outcome]:  # fmt: skip
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
            place = folder / place_of(arm, seed)
            first = study.arms[arm].get("after")
            if first and arm not in arms and not outcome_in(folder / place_of(first, seed)):
                continue  # its time ran out
            found = outcome_in(place) or train(study, arm, seed, place, minutes)
            if found:
                done.append(found)
                if progress:
                    progress(found)
    return done


def place_of(arm: str, seed: int) -> str:
    """The folder of one training."""
    return f"{arm.replace(' ', '_')}-{seed}"


def train(study: Study, arm: str, seed: int, place: Path, minutes: float | None) -> Outcome | None:
    """One training, from where it stands; None when its time ran out."""
    keras.utils.clear_session()
    first = study.arms[arm].get("after")
    if first and not outcome_in(place.parent / place_of(first, seed)):
        raise DataError(f"The arm {arm!r} begins with {first!r} of seed {seed}, which is not done: train that first")
    training = Run(study.config(arm, seed, place.parent), place, resume=True)
    state = training.train(minutes)
    if state["step"] < training.config.steps:
        return None
    with averaged(training.model):
        rates = training.kind.outcome()
    found = Outcome(
        arm, seed, training.model.count_params(), state[training.kind.amount], state["wall_hours"],
        {noise: {n: number(r) for n, r in both.items()} for noise, both in rates.items()},
    )  # fmt: skip
    write_json(place / "outcome.json", vars(found))
    return found


def number(rate: Any) -> dict[str, float | None]:
    """A rate and its interval, as JSON has it."""
    return {
        k: None if getattr(rate, k) != getattr(rate, k) else round(getattr(rate, k), 4) for k in ("rate", "low", "high")
    }


def outcome_in(place: Path) -> Outcome | None:
    """What a training that is done gave."""
    path = place / "outcome.json"
    return Outcome(**json.loads(path.read_text())) if path.is_file() else None


def parameters(study: Study) -> dict[str, int]:
    """Of each arm's network."""
    return {arm: hollow(partial(model_of, study.config(arm, 1))).count_params() for arm in study.arms}


def recorded(study: Study, outcomes: list[Outcome], folder: Path) -> dict[str, Any]:
    """What a study gave, the curves of its trainings in `folder` among it, as plain values."""
    return {
        "name": study.name, "title": study.title, "question": study.question, "source": study.source,
        "notes": study.notes, "setting": f"{budget(study)}; {hardware()}", "commit": commit(),
        "outcomes": [vars(o) for o in outcomes],
        "curves": {o.arm: losses(folder / place_of(o.arm, o.seed)) for o in reversed(outcomes)},  # of the first seed
    }  # fmt: skip


def record(found: dict[str, Any], path: Path) -> Path:
    """Write what `recorded` found, for the documentation."""
    return write_json(path, found)


def budget(study: Study) -> str:
    """What every arm gets, in words."""
    base = from_dict({**study.base, "config": {}})
    if kind_of(base.recipe).amount == "audio_hours":
        return f"{data.load_specs(base.data).hours:.1f} h of speech, {base.steps} steps of {base.batch_seconds:.0f} s"
    if kind_of(base.recipe).amount == "million_pictures":
        return f"{', '.join(spec.partition(':')[0] for spec in base.data)}, {base.steps} steps of {base.batch_pictures} pictures"
    size = sum(len(text) + 1 for text in data.load_texts(base.data))
    return f"{size / 1e6:.1f} million characters, {base.steps} steps of {base.batch_symbols:,}"


def table(outcomes: list[dict[str, Any]]) -> list[str]:
    """Rows of Markdown: each arm's mean over its seeds, and from the lowest to the highest where there are several.

    One condition has a column for each metric. Of several, each has a column, and an arm a row for each metric.
    """
    rates = outcomes[0]["rates"]
    conditions, metrics = list(rates), list(next(iter(rates.values())))
    several = len(conditions) > 1
    head = ["arm", "parameters", "hours of training"]
    head += ["measured", *conditions] if several else [f"{WORDS[m]}, {conditions[0]}" for m in metrics]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for arm in dict.fromkeys(o["arm"] for o in outcomes):
        same = [o for o in outcomes if o["arm"] == arm]
        cells = [arm, f"{same[0]['parameters'] / 1e6:.2f} M", f"{np.mean([o['wall_hours'] for o in same]):.2f}"]
        found = {m: [spread([o["rates"][c][m] for o in same], m) for c in conditions] for m in metrics}
        alone = [rate for rates_of in found.values() for rate in rates_of]  # each of one condition
        rows = [[*cells, WORDS[m], *found[m]] for m in metrics] if several else [[*cells, *alone]]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    return lines


def spread(rates: list[dict[str, float]], metric: str) -> str:
    """One seed: the rate and its interval over speakers; several: their mean and range."""
    scale, unit, digits = FORMS.get(metric, (100, " %", 1))
    values = [scale * r["rate"] for r in rates]
    if len(values) > 1:
        span = f"{min(values):.{digits}f} to {max(values):.{digits}f}"
        return f"{np.mean(values):.{digits}f}{unit} ({span}, {len(values)} seeds)"
    low, high = rates[0]["low"], rates[0]["high"]
    span = f" ({scale * low:.{digits}f} to {scale * high:.{digits}f})" if low is not None else ""
    return f"{values[0]:.{digits}f}{unit}{span}"
