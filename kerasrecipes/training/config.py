"""A training configuration: one YAML file per pretrained recipe, every value of which a run records."""

import types
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

from kerasrecipes.errors import DataError

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class TrainConfig:
    """What a run needs to be repeated.

    Args:
        recipe: its name; `config` holds changes to its configuration while training (dropout, spec_augment).
        data: data sets as on the command line, "librispeech:PATH" or "manifest:PATH?split=train"; {data} stands for
            the folder in `KERASRECIPES_DATA`.
        validation: likewise, scored every `validate_minutes`; validation_speakers: only these.
        seed: of weights, order and augmentation.
        steps: optimiser steps in all; the learning rate rises to `peak` in `warmup` steps and falls linearly to zero
            in the last `decay` steps.
        batch_seconds: audio in a batch; batch_symbols: characters in a batch of a language model; batch_pictures: pictures.
            order: "sortagrad", "random" or "sorted".
        crop_seconds: of a generator's crops (default 1), or of pieces of a phone recogniser's clips (default: whole clips).
            unconditioned: share of a generator's crops that lack their spectrogram.
        speeds: playing speeds, one drawn per utterance and pass. augment: keyword arguments of `data.Augment`; for
            pictures anything that is not empty: random views.
        weight_decay, clipnorm, average: of AdamW; `average` is the momentum of the averaged weights that are released.
        precision: a Keras dtype policy.
        start: a weights file to begin from, "released", or a run's folder (its averaged weights), or None. start_config: changes to
            `config` for the network in there. Where its symbols are others ({criterion: ctc} before ASG), all but the layers of scores
            is taken over, where only the transitions are new ({criterion: frames} before a CRF) all but these; a segmenter's
            layers ({context: []} before its context module) by their names, where shapes agree.
        start_recipe: a released recipe to begin from in part: layers take over the weights of that recipe's layers of their
            kind where shapes are equal, counted from the input or, where more then agree, from the output. hint_steps: so many
            steps first teach the layers before those to give them what they were given there.
        frozen: layers that are not trained, by the beginnings of their names; "front end" means a segmenter's.
        checkpoint_minutes, validate_minutes: how often.
    """

    recipe: str
    data: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    validation_speakers: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    alphabet: str | None = None
    seed: int = 1
    steps: int = 20000
    warmup: int = 300
    decay: int = 4000
    peak: float = 1.5e-3
    batch_seconds: float = 160.0
    batch_symbols: int = 8192
    batch_pictures: int = 128
    crop_seconds: float | None = None
    unconditioned: float = 0.15
    order: str = "sortagrad"
    speeds: tuple[float, ...] = (1.0,)
    augment: dict[str, Any] | None = None
    weight_decay: float = 1e-4
    clipnorm: float = 5.0
    average: float = 0.999
    precision: str = "float32"
    start: str | None = None
    start_config: dict[str, Any] | None = None
    start_recipe: str | None = None
    hint_steps: int = 0
    frozen: tuple[str, ...] = ()
    checkpoint_minutes: float = 5.0
    validate_minutes: float = 20.0

    def learning_rate(self, step: int) -> float:
        """Rate of the optimiser's step `step`, counted from 0."""
        rise = min(1.0, (step + 1) / max(self.warmup, 1))
        fall = min(1.0, (self.steps - step) / max(self.decay, 1))
        return self.peak * rise * max(fall, 0.0)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def config_from_dict(values: dict[str, Any], where: str = "training configuration") -> TrainConfig:
    """Check the names and make lists tuples.

    Raises:
        DataError: not a table of keys, an unknown or missing key, or a value of another kind; says which.
    """
    if not isinstance(values, dict):
        raise DataError(f"{where} holds no settings: write KEY: VALUE lines, recipe: NAME among them")
    known = {f.name for f in fields(TrainConfig)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise DataError(f"{where}: unknown keys {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    if "recipe" not in values:
        raise DataError(f"{where}: the key 'recipe' is missing")
    kinds = {f.name: f.type for f in fields(TrainConfig)}
    fixed: dict[str, Any] = {}
    for name, value in values.items():
        try:
            fixed[name] = coerce(kinds[name], value)
        except (TypeError, ValueError) as error:
            raise DataError(f"{where}: {name} is {value!r}, {error}") from None
    return TrainConfig(**fixed)


def coerce(kind: Any, value: Any) -> Any:
    """`value` as a field of that type has it: YAML reads 1e-3 as text and [84] as numbers.

    Raises:
        ValueError: it is something else; says what it should be.
    """
    if isinstance(kind, types.UnionType):  # with None
        return None if value is None else coerce(kind.__args__[0], value)
    origin = get_origin(kind) or kind
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"not a list, for instance [{value}]")
        return tuple(coerce(get_args(kind)[0], item) for item in value)
    if origin is dict and not isinstance(value, dict):
        raise ValueError("not a table of keys and values")
    if origin in (int, float):
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError("not a number") from None
        if origin is int and not number.is_integer():
            raise ValueError("not a whole number")
        return origin(number)
    if origin is str and value is None:
        raise ValueError("but nothing stands there")
    return str(value) if origin is str else value


def read_config(path: str | Path) -> TrainConfig:
    """A configuration from a YAML file."""
    return config_from_dict(yaml.safe_load(Path(path).read_text()), str(path))


def config_for(name: str, file: str | Path | None = None, **changes: Any) -> TrainConfig:
    """The configuration in `file`, or the recipe's own, or the defaults, with `changes` on top (None = unchanged)."""
    path = Path(file) if file else CONFIGS / f"{name}.yaml"
    if file and not path.is_file():
        raise DataError(f"There is no training configuration {path}")
    config = read_config(path) if path.exists() else TrainConfig(recipe=name)
    if config.recipe != name:
        raise DataError(f"{path} trains {config.recipe}, not {name}")
    return replace(config, **{k: v for k, v in changes.items() if v is not None})
