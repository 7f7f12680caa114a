"""Models for training: a configuration's model with random weights and frozen layers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kerasrecipes.errors import DataError
from kerasrecipes.loading import build_model
from kerasrecipes.registry import get_recipe
from kerasrecipes.training.config import TrainConfig

FRONT_END = "front end"  # in `frozen_layers`: a segmenter's layers up to its front end's logits

TRAINING_ONLY_KEYS = ("dropout", "input_dropout", "spec_augment", "low_pass")  # of a recipe's configuration; they add no weights


def without_training_only(config: TrainConfig) -> TrainConfig:
    """Return the configuration of the same network as it is used after training, without dropout and frozen layers."""
    plain_config = {k: v for k, v in config.config.items() if k not in TRAINING_ONLY_KEYS}
    return replace(config, frozen_layers=(), config=plain_config)


def build_for_training(config: TrainConfig) -> Any:
    """Build the model that a configuration trains, with random weights and frozen layers."""
    model = build_model(get_recipe(config.recipe), config.alphabet, config.config)
    if config.frozen_layers:
        freeze_layers(model, config.frozen_layers)
    return model


def freeze_layers(model: Any, names: Sequence[str]) -> None:
    """Freeze the layers whose names begin with one of `names`. "front end" is a segmenter's, up to its logits."""
    for name in names:
        if name == FRONT_END and hasattr(model, "front_end_head"):
            layers = model.layers[: model.layers.index(model.front_end_head) + 1]
        else:
            layers = [layer for layer in model.layers if layer.name.startswith(name)]
        if not any(layer.weights for layer in layers):
            existing = ", ".join(layer.name for layer in model.layers if layer.weights)
            raise DataError(
                f"frozen_layers: no layer of {model.name} with weights has the name {name!r}; its layers are {existing}"
            )
        for layer in layers:
            layer.trainable = False
    if not model.trainable_variables:
        raise DataError(f"frozen_layers: {', '.join(names)} freeze all layers of {model.name}: remove some of them")
