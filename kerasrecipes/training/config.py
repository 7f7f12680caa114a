"""Training configurations: one YAML file per recipe, whose values every run records."""

import types
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin

from kerasrecipes.errors import DataError, convert_errors
from kerasrecipes.utils.yaml_files import read_yaml

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a training run.

    Args:
        recipe: Name of the recipe.
        data: Training sets as on the command line, for instance "manifest:TABLE?split=train". `{data}` stands for the folder
            in `KERASRECIPES_DATA`.
        validation: Validation sets, evaluated every `validate_every_minutes`.
        validation_speakers: Keep only these speakers of the validation sets. Default: all.
        config: Changes of the recipe's configuration, for instance `dropout`.
        alphabet: Output symbols. Default: the recipe's.
        seed: Seed of weights, batch order and augmentation.
        max_steps: Number of optimizer steps.
        warmup_steps: Number of first steps in which the learning rate rises linearly to `learning_rate`.
        decay_steps: Number of last steps in which it falls linearly to zero.
        learning_rate: Highest learning rate.
        batch_seconds: Audio in a batch. Seconds.
        batch_tokens: Characters in a batch of a language model.
        batch_images: Images in a batch.
        crop_seconds: Length of crops. Default: 1 s for WaveNet, whole clips for phoneme recognizers.
        conditioning_dropout: Probability that a crop for WaveNet loses its spectrogram.
        batch_order: "sortagrad", "random" or "sorted".
        speed_perturbation: Playing speeds, one of which is sampled per utterance and epoch.
        augment: Arguments of `data.AudioAugmentation`. For images, any value that is not empty turns random crops on.
        mask_values: {pixel value of the masks: class number, or 255 for no class} for the training and validation sets of a
            segmenter, for instance {255: 1}. Default: none.
        optimizer: "adamw", "muon" for orthogonal updates of kernels (`kerasrecipes.training.muon.Muon`), or "sgd" for stochastic
            gradient descent as in Caffe (`kerasrecipes.tasks.caffe_sgd.CaffeSGD`).
        momentum: Momentum of "sgd".
        weight_decay: Weight decay. With "sgd" it is an L2 penalty, which goes through the momentum.
        bias_weight_decay: The same for biases, with "sgd". AdamW does not decay them.
        bias_rate: Learning rate of biases as a multiple of `learning_rate`, with "sgd". 2 in most of Caffe's definitions.
        clipnorm: Largest global norm of the gradients.
        ema_momentum: Momentum of the averaged weights, which are validated and released. 0 turns averaging off.
        dtype_policy: Keras dtype policy, or "auto": mixed_bfloat16 where the processor or graphics card computes it fast, else
            float32. Default float32.
        init_from: Initial weights: a `.weights.h5` file, "released", a run's folder (its averaged weights), another program's
            checkpoint, or the name of a public one ("vgg16"). Default: random.
        init_config: Changes of `config` for the network of `init_from`. If its symbols are others ({criterion: ctc} before
            ASG), all layers but the head are copied. If only the transitions are new ({criterion: frames} before a CRF), all but
            these. A segmenter's layers ({context: []} before its context module) are paired by name where shapes agree. A recognizer
            with fewer units ({hidden: 512}) is widened: the new units change nothing at first.
        init_from_recipe: Name of a released recipe to initialize from. Layers are paired by type and position, counted from the
            input or from the output, whichever matches more. Weights are copied where shapes agree.
        hint_steps: Number of steps that first train the layers before the copied ones to reproduce the source model's
            activations (FitNets).
        frozen_layers: Layers that are not trained, by the beginnings of their names. "front end" is a segmenter's.
        teacher: Recognizer whose frame posteriors the network learns beside CTC: anything that `load` takes, trained with CTC on
            the same symbols. Default: none.
        average_teacher_with: More recognizers like it. The posteriors are the mean of those of all.
        ctc_weight: Weight of CTC (nats per label) in the loss with a teacher.
        teacher_weight: Weight of the cross entropy to the teacher's posteriors (nats per frame).
        temperature: Temperature of both softmaxes in this cross entropy.
        ctc_only_steps: Number of last steps without the teacher, with CTC alone.
        checkpoint_every_minutes: Minutes between two checkpoints.
        validate_every_minutes: Minutes between two validations.
    """

    recipe: str
    data: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    validation_speakers: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    alphabet: str | None = None
    seed: int = 1
    max_steps: int = 20000
    warmup_steps: int = 300
    decay_steps: int = 4000
    learning_rate: float = 1.5e-3
    batch_seconds: float = 160.0
    batch_tokens: int = 8192
    batch_images: int = 128
    crop_seconds: float | None = None
    conditioning_dropout: float = 0.15
    batch_order: str = "sortagrad"
    speed_perturbation: tuple[float, ...] = (1.0,)
    augment: dict[str, Any] | None = None
    mask_values: dict[int, int] = field(default_factory=dict)
    optimizer: str = "adamw"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    bias_weight_decay: float = 0.0
    bias_rate: float = 1.0
    clipnorm: float = 5.0
    ema_momentum: float = 0.999
    dtype_policy: str = "float32"
    init_from: str | None = None
    init_config: dict[str, Any] | None = None
    init_from_recipe: str | None = None
    hint_steps: int = 0
    frozen_layers: tuple[str, ...] = ()
    teacher: str | None = None
    average_teacher_with: tuple[str, ...] = ()
    ctc_weight: float = 0.3
    teacher_weight: float = 1.0
    temperature: float = 1.0
    ctc_only_steps: int = 0
    checkpoint_every_minutes: float = 5.0
    validate_every_minutes: float = 20.0

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        fall = min(1.0, (self.max_steps - step) / max(self.decay_steps, 1))
        return self.learning_rate * rise * max(fall, 0.0)

    def uses_teacher_at(self, step: int) -> bool:
        """Return whether a step, counted from 0, has a teacher."""
        return self.teacher is not None and step < self.max_steps - self.ctc_only_steps

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return asdict(self)


def config_from_dict(values: dict[str, Any], source: str = "training configuration") -> TrainConfig:
    """Make a configuration from plain values. Error messages begin with `source`, for instance a file."""
    if not isinstance(values, dict):
        raise DataError(f"{source} holds no settings: write KEY: VALUE lines, recipe: NAME among them")
    kinds = {f.name: f.type for f in fields(TrainConfig)}
    if unknown := sorted(set(values) - set(kinds)):
        raise DataError(f"{source}: unknown keys {', '.join(unknown)}; the keys are {', '.join(sorted(kinds))}")
    if "recipe" not in values:
        raise DataError(f"{source}: the key 'recipe' is missing")
    settings: dict[str, Any] = {}
    for name, value in values.items():
        try:
            settings[name] = coerce(kinds[name], value)
        except (TypeError, ValueError) as error:
            raise DataError(f"{source}: {name} is {value!r}, {error}") from None
    return TrainConfig(**settings)


def coerce(kind: Any, value: Any) -> Any:
    """Convert a value to the type of a field: YAML reads 1e-3 as text and [84] as numbers."""
    if isinstance(kind, types.UnionType):  # with None
        return None if value is None else coerce(kind.__args__[0], value)
    origin = get_origin(kind) or kind
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"not a list, for instance [{value}]")
        return tuple(coerce(get_args(kind)[0], item) for item in value)
    if origin is dict and not isinstance(value, dict):
        raise ValueError("not a table of keys and values")
    if kind == dict[int, int]:  # JSON reads keys as text
        return {coerce(int, key): coerce(int, item) for key, item in value.items()}
    if origin in (int, float):
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError("not a number") from None
        if origin is int and not number.is_integer():
            raise ValueError("not a whole number")
        return origin(number)
    if origin is str and value is None:
        raise ValueError("but the value is missing")
    return str(value) if origin is str else value


def read_config(path: str | Path) -> TrainConfig:
    """Read a configuration from a YAML file."""
    with convert_errors(DataError, path):
        return config_from_dict(read_yaml(path), str(path))


def config_for(name: str, file: str | Path | None = None, **changes: Any) -> TrainConfig:
    """Return the configuration in `file`, by default the recipe's own, or the defaults if it has none.

    `changes` replace its settings, except those that are None. An `init_from` among them also replaces `init_from_recipe`,
    and "released" `init_config`.
    """
    path = Path(file) if file else CONFIGS / f"{name}.yaml"
    if file and not path.is_file():
        raise DataError(f"There is no training configuration {path}")
    config = read_config(path) if path.exists() else TrainConfig(recipe=name)
    if config.recipe != name:
        raise DataError(f"{path} trains {config.recipe}, not {name}")
    if changes.get("init_from") is not None:  # else the weights of the recipe's own start would be used
        config = replace(config, init_from_recipe=None, hint_steps=0)
    if changes.get("init_from") == "released":  # weights of the same network
        config = replace(config, init_config=None)
    return replace(config, **{k: v for k, v in changes.items() if v is not None})
