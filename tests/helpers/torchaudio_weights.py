"""Weights and inputs for models of torchaudio, from a numpy generator whose output is the same in all numpy versions."""

import numpy as np
from paths import TESTS

GOLDEN = TESTS / "goldens"
LABELS = 40

# torchaudio's name of the input -> its channels and steps; 9600 samples and 60 frames give 31 steps of output
INPUTS = {"mfcc": (13, 60), "power_spectrum": (257, 60), "waveform": (1, 9600)}


def wav2letter_shapes(kind: str) -> list[tuple[int, ...]]:
    """Return (outputs, inputs, kernel) of the convolutions of `torchaudio.models.Wav2Letter`, from the input to the output."""
    channels = INPUTS[kind][0]
    first = [(250, 1, 250)] if kind == "waveform" else []
    channels = 250 if first else channels
    return [
        *first, (250, channels, 48), *7 * [(250, 250, 7)], (2000, 250, 32), (2000, 2000, 1), (LABELS, 2000, 1),
    ]  # fmt: skip


def sample_weights(kind: str) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Return (kernel, bias) of each convolution in torch's layout, and one input (channels, steps); float32."""
    normal = np.random.RandomState(sorted(INPUTS).index(kind)).standard_normal
    weights = []
    for shape in wav2letter_shapes(kind):
        scale = np.sqrt(2 / (shape[1] * shape[2]))  # keeps the signal's scale through ReLUs
        weights.append(((normal(shape) * scale).astype("float32"), (normal(shape[0]) * 0.1).astype("float32")))
    return weights, normal(INPUTS[kind]).astype("float32")


# torchaudio's user stacks the frames: here 19 of 3 bands
DEEPSPEECH = {"n_feature": 57, "n_hidden": 48, "n_class": LABELS}


def sample_deepspeech_weights() -> tuple[list[np.ndarray], np.ndarray]:
    """Return the parameters of `torchaudio.models.DeepSpeech` in torch's order and layout, and one input (steps, features); float32."""
    features, hidden, labels = DEEPSPEECH.values()
    dense = [(hidden, features), (hidden,), (hidden, hidden), (hidden,), (hidden, hidden), (hidden,)]
    direction = [(hidden, hidden), (hidden, hidden), (hidden,), (hidden,)]  # inputs, states, two biases
    normal = np.random.RandomState(7).standard_normal
    weights = []
    for shape in [*dense, *direction, *direction, (hidden, hidden), (hidden,), (labels, hidden), (labels,)]:
        weights.append((normal(shape) * (np.sqrt(1.5 / shape[-1]) if len(shape) == 2 else 0.1)).astype("float32"))
    return weights, (8 * normal((40, features))).astype("float32")
