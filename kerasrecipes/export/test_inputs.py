"""Random inputs on which a written file must give Keras's logits: several sizes and batch sizes for each task."""

from typing import Any

import numpy as np


def describe_shapes(inputs: dict[str, np.ndarray]) -> str:
    return ", ".join(f"{name} {value.shape}" for name, value in inputs.items())


def make_test_inputs(model: Any, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Return noise for the inputs of a model, by name, with unequal lengths in a batch and odd sizes."""
    rng = np.random.default_rng(seed)
    task, examples = model.recipe.task, []
    if task in ("speech-recognition", "phoneme-recognition"):
        rate = model.sample_rate
        short, middle, long = int(0.81 * rate), int(1.33 * rate) + 1, 2 * rate + 7
        for batch, samples in ((1, short), (3, middle), (2, short), (1, long)):
            length = np.linspace(samples, 0.55 * samples, batch).astype("int32")
            audio = 0.1 * rng.normal(size=(batch, samples))
            examples.append({"audio": audio.astype("float32"), "length": length})
    elif task == "language-model":
        for batch, steps in ((1, 9), (3, 17), (3, 9), (1, 33)):
            symbols = rng.integers(0, model.alphabet.vocab_size, (batch, steps)).astype("int32")
            examples.append({"symbols": symbols, "length": np.linspace(steps, 5, batch).astype("int32")})
    elif task == "waveform-generation":
        for batch, samples in ((1, 400), (3, 701), (3, 400), (1, 1203)):
            values = {
                "audio": np.clip(0.3 * rng.normal(size=(batch, samples)), -1, 1).astype("float32"),
                "length": np.linspace(samples, 0.55 * samples, batch).astype("int32"),
                "speaker": rng.integers(0, len(model.speakers) + 1, batch).astype("int32"),
                "spectrogram": rng.normal(-4, 4, (batch, model.num_frames(samples), model.n_mels)).astype("float32"),
                "conditioned": np.arange(batch, dtype="int32") % 2,
            }
            examples.append({t.name: values[t.name] for t in model.inputs})
    else:
        sizes = [model.input_shape[1:3]] * 2
        if task == "segmentation":
            sizes = [tuple(2 * model.margin + n * model.stride for n in cells) for cells in ((2, 3), (4, 1))]
        for batch, size in ((1, sizes[0]), (3, sizes[1]), (2, sizes[0]), (1, sizes[1])):
            shape = (batch, *size, model.input_shape[-1])
            examples.append({model.input.name: rng.uniform(0, 255, shape).astype("float32")})
    return examples
