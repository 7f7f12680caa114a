"""Seeded inputs of the goldens, from numpy's legacy generator, whose numbers are the same in every version."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

GOLDENS = Path(__file__).parent
RATE = 16000


def make_ctc_batch() -> dict[str, np.ndarray]:
    """Return logits of six utterances: common, without labels, with repeats, of one frame, full, and tight with a repeat."""
    rng = np.random.RandomState(1)
    rows = [[1, 2, 3], [], [2, 2, 2, 5], [6], list(rng.randint(1, 7, 12)), [4, 4]]
    labels = np.array([row + [0] * (12 - len(row)) for row in rows], "int32")
    lengths = np.array([25, 9, 12, 1, 25, 3], "int32")
    return {"labels": labels, "logits": sample(rng, 6, 25, 7, scale=2), "lengths": lengths}


def make_ctc_transcripts() -> dict[str, np.ndarray]:
    """Return 300 short transcripts with many repeats and their numbers of frames. Half do not fit."""
    rng = np.random.RandomState(2)
    labels = rng.randint(1, 4, (300, 6)) * (np.arange(6) < rng.randint(0, 7, 300)[:, None])
    return {"labels": labels.astype("int32"), "lengths": rng.randint(1, 9, 300).astype("int32")}


def make_path_batch(seed: int, frames: int = 14, symbols: int = 6) -> dict[str, np.ndarray]:
    """Return three items for criteria with transitions: a label for every frame, 1 ... symbols, and 0 after the end."""
    rng = np.random.RandomState(seed)
    lengths = np.array([frames, frames - 5, 1], "int32")
    labels = rng.randint(1, symbols + 1, (3, frames)) * (np.arange(frames) < lengths[:, None])
    logits, transitions = sample(rng, 3, frames, symbols, scale=2), sample(rng, symbols, symbols)
    return {"labels": labels.astype("int32"), "logits": logits, "lengths": lengths, "transitions": transitions}


def make_asg_batch() -> dict[str, np.ndarray]:
    """Return four items of 20 frames and 6 letters: common, one letter, as many letters as frames, and three letters."""
    rng = np.random.RandomState(4)
    rows = [[1, 3, 2, 5, 4, 6, 1], [2], [1 + i * 5 % 6 for i in range(20)], [6, 1, 6]]
    labels = np.array([row + [0] * (20 - len(row)) for row in rows], "int32")
    return {"labels": labels, "logits": sample(rng, 4, 20, 6, scale=3), "transitions": sample(rng, 6, 6)}


def make_alignment_case() -> dict[str, np.ndarray]:
    """Return log probabilities (60, 8) and 17 labels with repeats for a forced alignment."""
    rng = np.random.RandomState(5)
    logits = sample(rng, 60, 8, scale=1.5)
    labels = np.concatenate([rng.randint(1, 8, 13), [3, 3, 3, 7]]).astype("int32")
    return {"log_probs": log_softmax(logits), "labels": labels}


def make_beam_case() -> dict[str, np.ndarray]:
    """Return log probabilities (7, 4), so few that a beam follows every text."""
    return {"log_probs": log_softmax(sample(np.random.RandomState(6), 7, 4, scale=1.5))}


def make_recurrent_case(cell: str) -> dict[str, np.ndarray]:
    """Return a batch and the weights of a bidirectional layer in torch's order and layout."""
    rng = np.random.RandomState({"rnn": 7, "gru": 8, "lstm": 9}[cell])
    gates, units, features = {"rnn": 1, "gru": 3, "lstm": 4}[cell], 4, 5
    inputs = {"x": sample(rng, 3, 15, features), "lengths": np.array([15, 9, 4], "int32")}
    shapes = {"w": (gates * units, features), "u": (gates * units, units), "b": (gates * units,), "c": (gates * units,)}
    for direction in ("forward", "backward"):
        inputs |= {f"{direction}_{name}": sample(rng, *shape, scale=0.6) for name, shape in shapes.items()}
    return inputs


def make_frames(seed: int = 10) -> dict[str, np.ndarray]:
    """Return (3, 15, 4) values and lengths."""
    rng = np.random.RandomState(seed)
    return {"x": sample(rng, 3, 15, 4, scale=3) + np.float32(2), "lengths": np.array([15, 9, 4], "int32")}


def make_convolution_case() -> dict[str, np.ndarray]:
    """Return a sequence and an image with kernels in torch's layout."""
    rng = np.random.RandomState(11)
    kernels = {"kernel": sample(rng, 6, 5, 7, scale=0.3), "bias": sample(rng, 6), "kernel2d": sample(rng, 4, 2, 21, 11, scale=0.1)}
    return {"x": sample(rng, 2, 40, 5), "image": sample(rng, 2, 30, 33, 2)} | kernels


def make_audio(seed: int = 12, samples: int = 4000) -> dict[str, np.ndarray]:
    """Return red noise, whose spectrum falls as that of speech does."""
    noise = np.random.RandomState(seed).standard_normal(samples).cumsum()
    return {"audio": (0.1 * (noise - noise.mean()) / noise.std()).astype("float32")}


def make_amplitudes() -> dict[str, np.ndarray]:
    """Return 2,000 amplitudes, some of them outside -1 ... 1 or tiny, and all codes."""
    rng = np.random.RandomState(13)
    audio = np.concatenate([rng.uniform(-1, 1, 1200), rng.normal(0, 0.01, 780), [0, -1, 1, 1e-6, -1e-6] * 4])
    return {"audio": audio.astype("float32"), "codes": np.arange(256, dtype="int32")}


def make_tokens() -> dict[str, np.ndarray]:
    """Return 60 pairs of token sequences, padded with 0."""
    rng = np.random.RandomState(14)
    pairs = rng.randint(1, 5, (60, 2, 12)) * (np.arange(12) < rng.randint(0, 13, (60, 2))[..., None])
    return {"pairs": pairs.astype("int32")}


def make_masks() -> dict[str, np.ndarray]:
    """Return labels and predictions of four images of five classes, one of them absent; 255 is not labeled."""
    rng = np.random.RandomState(15)
    labels, predictions = (rng.choice([0, 1, 2, 4], (4, 12, 12)) for _ in range(2))
    predictions = np.where(rng.uniform(size=labels.shape) < 0.6, labels, predictions)
    labels[rng.uniform(size=labels.shape) < 0.1] = 255
    return {"labels": labels.astype("int32"), "predictions": predictions.astype("int32")}


def make_image() -> dict[str, np.ndarray]:
    """Return an image of 9 x 14 pixels."""
    return {"image": sample(np.random.RandomState(16), 9, 14, scale=50)}


SQUEEZENET = {"size": 67, "num_classes": 7, "filters": 6, "fire": ((2, 4), (2, 4)), "pool_after": (1, 2)}


def make_squeezenet_case() -> dict[str, np.ndarray]:
    """Return an image (67, 67, 3), and a kernel in torch's layout and a bias for each convolution of a small SqueezeNet."""
    rng = np.random.RandomState(62)
    shapes = {"conv1": (6, 3, 7), "logits": (7, 8, 1)}
    for number, inputs in ((2, 6), (3, 8)):
        shapes |= {f"fire{number}_squeeze": (2, inputs, 1), f"fire{number}_expand1": (4, 2, 1), f"fire{number}_expand3": (4, 2, 3)}
    inputs = {"image": rng.uniform(0, 255, (67, 67, 3)).astype("float32")}
    for name, (outputs, channels, size) in shapes.items():
        scale = (2 / (channels * size * size)) ** 0.5 * (0.02 if name == "conv1" else 1)
        inputs |= {name: sample(rng, outputs, channels, size, size, scale=scale), f"{name}_bias": sample(rng, outputs, scale=0.2)}
    return inputs


def make_attribution_case() -> dict[str, np.ndarray]:
    """Return the case of the small SqueezeNet with noise (8, 67, 67, 3) for SmoothGrad."""
    return make_squeezenet_case() | {"noise": sample(np.random.RandomState(63), 8, 67, 67, 3)}


def sample(rng: np.random.RandomState, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Return normally distributed float32."""
    return (scale * rng.standard_normal(shape)).astype("float32")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log probabilities, computed in float64, as float32."""
    logits = logits.astype("float64")
    return (logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)).astype("float32")


# goldens of pip packages, which tests/oracles computes again
INPUTS: dict[str, Callable[[], dict[str, np.ndarray]]] = {
    "torch_ctc": make_ctc_batch, "torch_ctc_feasible": make_ctc_transcripts,
    "torch_rnn": lambda: make_recurrent_case("rnn"), "torch_gru": lambda: make_recurrent_case("gru"),
    "torch_lstm": lambda: make_recurrent_case("lstm"), "torch_batch_norm": make_frames, "torch_convolutions": make_convolution_case,
    "torchaudio_mu_law": make_amplitudes, "torchaudio_forced_align": make_alignment_case, "torchaudio_ctc_decoder": make_beam_case,
    "torchaudio_deltas": lambda: make_frames(17), "torchaudio_linear_filterbank": dict, "torchaudio_edit_distance": make_tokens,
    "torchcrf": lambda: make_path_batch(3), "sklearn_mean_iou": make_masks, "librosa_mel_filterbank": dict,
    "librosa_log_spectrogram": make_audio, "librosa_log_mel": make_audio, "scipy_gaussian_blur": make_image,
    "captum_gradient": make_squeezenet_case, "captum_guided": make_squeezenet_case, "captum_deconv": make_squeezenet_case,
    "captum_integrated_gradients": make_squeezenet_case, "captum_grad_cam": make_squeezenet_case,
    "captum_smoothgrad": make_attribution_case,
}  # fmt: skip
