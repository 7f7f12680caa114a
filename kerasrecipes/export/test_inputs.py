"""Inputs of two sizes and two batch sizes on which a written file must give Keras's scores."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TestInputs:
    """Inputs by name.

    Args:
        inputs: arrays.
    """

    inputs: dict[str, np.ndarray]

    def run(self, function: Callable[[dict[str, np.ndarray]], Any]) -> Any:
        """What a function makes of the inputs."""
        return function(self.inputs)

    def __str__(self) -> str:
        return ", ".join(f"{name} {value.shape}" for name, value in self.inputs.items())


def make_test_inputs(model: Any, seed: int = 0) -> list[TestInputs]:
    """Of the task's inputs: noise, with unequal lengths in a batch, in sizes that are no round numbers."""
    rng = np.random.default_rng(seed)
    task, found = model.recipe.task, []
    if task in ("speech-recognition", "phoneme-recognition"):
        rate = model.sample_rate
        for batch, samples in (
            (1, int(0.81 * rate)),
            (3, int(1.33 * rate) + 1),
            (2, int(0.81 * rate)),
            (1, 2 * rate + 7),
        ):
            length = np.linspace(samples, 0.55 * samples, batch).astype("int32")
            audio = 0.1 * rng.normal(size=(batch, samples))
            found.append(TestInputs({"audio": audio.astype("float32"), "length": length}))
    elif task == "language-model":
        for batch, steps in ((1, 9), (3, 17), (3, 9), (1, 33)):
            symbols = rng.integers(0, model.alphabet.size, (batch, steps)).astype("int32")
            found.append(TestInputs({"symbols": symbols, "length": np.linspace(steps, 5, batch).astype("int32")}))
    elif task == "waveform-generation":
        for batch, samples in ((1, 400), (3, 701), (3, 400), (1, 1203)):
            given = {
                "audio": np.clip(0.3 * rng.normal(size=(batch, samples)), -1, 1).astype("float32"),
                "length": np.linspace(samples, 0.55 * samples, batch).astype("int32"),
                "speaker": rng.integers(0, len(model.speakers) + 1, batch).astype("int32"),
                "spectrogram": rng.normal(-4, 4, (batch, model.frames(samples), model.mels)).astype("float32"),
                "conditioned": np.arange(batch, dtype="int32") % 2,
            }
            found.append(TestInputs({t.name: given[t.name] for t in model.inputs}))
    else:
        sizes = [model.input_shape[1:3]] * 2
        if task == "segmentation":
            sizes = [tuple(2 * model.margin + n * model.stride for n in cells) for cells in ((2, 3), (4, 1))]
        for batch, size in ((1, sizes[0]), (3, sizes[1]), (2, sizes[0]), (1, sizes[1])):
            shape = (batch, *size, model.input_shape[-1])
            found.append(TestInputs({"picture": rng.uniform(0, 255, shape).astype("float32")}))
    return found
