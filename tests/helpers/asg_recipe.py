"""A tiny convolutional recognizer with the AutoSegCriterion: an ASG recipe for tests."""

import keras

from kerasrecipes import layers
from kerasrecipes.registry import Recipe, all_recipes


def tiny(*, vocab_size: int = 30, sample_rate: int = 16000, units: int = 24, criterion: str = "asg"):
    audio = keras.Input((None,), dtype="float32", name="audio")
    length = keras.Input((), dtype="int32", name="length")
    x, n = layers.UtterancePowerNormalization()(audio, length)
    x, n = layers.LogSpectrogram(320, 160)(x, n)
    x, n = layers.UtteranceNormalization()(x, n)
    x, n = layers.SequenceConv1D(units, 5, 2)(x, n)
    x, n = layers.SequenceMask()(keras.layers.ReLU()(x), n)
    logits = keras.layers.Dense(vocab_size, name="logits")(x)
    head = layers.Transitions() if criterion == "asg" else layers.SequenceMask(dtype="float32", name="scores")
    scores, _ = head(logits, n)
    return keras.Model({"audio": audio, "length": length}, scores, name="tiny")


RECIPE = Recipe(
    name="tiny_asg", paper="arXiv:1609.03193", task="speech-recognition", builder="asg_recipe:tiny",
    summary="For tests.",
)  # fmt: skip


def register() -> None:
    all_recipes()[RECIPE.name] = RECIPE
