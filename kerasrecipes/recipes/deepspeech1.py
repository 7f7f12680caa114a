"""Deep Speech: Scaling up end-to-end speech recognition (Hannun et al., arXiv 1412.5567).

    audio -> log energies in 160 linear bands (20 ms every 10 ms), with 9 frames on both sides
          -> 3 fully connected layers -> bidirectional simple recurrence -> fully connected -> logits -> CTC

Every activation, the recurrent one too, is min(max(x, 0), 20). There are no gates, on purpose (section 2).
"""

import math
from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.hub.speech_layouts import DEEPSPEECH1_LAYOUTS
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"


def deepspeech1(
    *,
    vocab_size: int = 29,
    sample_rate: int = 16000,
    win_length: int = 320,
    hop_length: int = 160,
    front_end: str = "linear_bands",
    n_filter: int = 160,
    n_mfcc: int = 26,
    energy: bool = False,
    normalization: str = "training_set",
    context: int = 9,
    stride: int = 2,
    units: int = 2048,
    cell: str = "rnn",
    bidirectional: bool = True,
    shared_input: bool = True,
    relu_clip: float = 20.0,
    recurrent_clip: float | None = 20.0,
    batch_norm: bool = False,
    dropout: float = 0.05,
    spec_augment: dict | None = None,
    low_pass: dict | None = None,
):
    """Build Deep Speech. The defaults are the model of 5 x 2048 with the features of section 5.2.

    Args:
        vocab_size: Number of output symbols with the blank (a-z, space, apostrophe: 29).
        sample_rate: Sample rate of the audio in Hz.
        win_length: Samples of a frame.
        hop_length: Samples between frames.
        front_end: "linear_bands", or "tensorflow_mfcc" as in Mozilla DeepSpeech, which does not use `energy`, `normalization` and
            `low_pass`.
        n_filter: Number of linearly spaced bands (160; 80 with `energy` in section 5.1), or of mel bands.
        n_mfcc: Number of coefficients of "tensorflow_mfcc".
        energy: Add the energy of the whole frame as one more feature.
        normalization: "training_set" (section 5.2), or "utterance": unit power and each band's mean over the utterance.
        context: Frames on each side that the first layer sees (5, 7 or 9 in the paper).
        stride: Frames between two steps (section 3.3: 2, for a recurrence of half the steps).
        units: Units of every hidden layer (2048, 2304 or 2560 in the paper).
        cell: "rnn" (the paper's simple recurrence) or "lstm", which Mozilla DeepSpeech uses.
        bidirectional: False for the forward recurrence only.
        shared_input: Both directions read one W4 h3 + b4 (section 2, equations 2 and 3).
        relu_clip: Maximum of the ReLUs.
        recurrent_clip: Maximum of the recurrence's ReLU, None for tanh. torchaudio's model has none there
            (`recurrent_clip=math.inf, shared_input=False`; its weights then give its logits).
        batch_norm: Normalize the input of each layer after the first (the paper, of 2014, does not).
        dropout: Fraction of features dropped after each layer that is not recurrent (section 2.1: 5-10 %).
        spec_augment: Arguments of `layers.SpecAugment`, None for none (paper).
        low_pass: Arguments of `layers.RandomLowPass`, None for none (paper).

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32} -> logits
        (batch, frames, vocab_size) float32, zero after each utterance.
    """
    audio = keras.Input((None,), dtype="float32", name="audio")
    n = length = keras.Input((), dtype="int32", name="length")

    def relu(x, n, drop=True):
        if batch_norm:
            x, n = layers.MaskedBatchNormalization()(x, n)
        x, n = layers.SequenceMask()(layers.ReLU(relu_clip)(x), n)
        return (layers.Dropout(dropout)(x) if dropout and drop else x), n

    cepstra, by_utterance = front_end == "tensorflow_mfcc", normalization == "utterance" and front_end == "linear_bands"
    x, n = (layers.UtterancePowerNormalization if by_utterance else layers.SequenceMask)(dtype=FLOAT32)(audio, n)
    epsilon = 1e-2 if by_utterance else 2e-5  # for speech with unit power, or with a power of about 2e-3
    if cepstra:
        features = layers.TensorFlowMFCC(n_mfcc, n_filter, win_length, hop_length, sample_rate, dtype=FLOAT32)
    else:
        features = layers.LinearFilterBank(n_filter, win_length, hop_length, epsilon, energy, dtype=FLOAT32)
    x, n = features(x, n)  # (batch, frames, 160)
    if low_pass and not cepstra:
        x, n = layers.RandomLowPass(fill_value=math.log(epsilon), **low_pass, dtype=FLOAT32)(x, n)
    if not cepstra:
        x, n = (layers.UtteranceNormalization if by_utterance else layers.FeatureNormalization)(dtype=FLOAT32)(x, n)
    if spec_augment:
        x, n = layers.SpecAugment(**spec_augment, dtype=FLOAT32)(x, n)

    # layer 1: dense on the 2 C + 1 frames around every second frame, which is a convolution
    x, n = layers.SequenceConv1D(units, 2 * context + 1, stride, use_bias=not batch_norm)(
        x, n
    )  # (batch, frames/2, units)
    x, n = relu(x, n)
    for _ in range(2):  # layers 2 and 3
        x, n = layers.SequenceMask()(keras.layers.Dense(units, use_bias=not batch_norm)(x), n)
        x, n = relu(x, n)
    # layer 4: h_f = g(W4 h3 + W_f h_f[t-1] + b4), h_b from the end; the output is their sum
    recurrence = layers.SequenceRNN(
        units, cell, recurrent_clip, bidirectional, merge_mode="sum", shared_input=shared_input, batch_norm=batch_norm
    )
    x, n = recurrence(x, n)  # (batch, frames/2, units)
    x, n = layers.SequenceMask()(keras.layers.Dense(units, use_bias=not batch_norm)(x), n)  # layer 5
    x, n = relu(x, n)
    logits = keras.layers.Dense(vocab_size, dtype=FLOAT32, name="logits")(x)
    logits, _ = layers.SequenceMask(dtype=FLOAT32, name="scores")(logits, n)  # (batch, frames/2, vocab_size)
    return keras.Model({"audio": audio, "length": length}, logits, name="deepspeech1")


TINY = {"units": 8, "n_filter": 20, "context": 2}
COMMON: dict[str, Any] = {
    "paper": "arXiv:1412.5567", "title": "Deep Speech: Scaling up end-to-end speech recognition",
    "task": "speech-recognition", "builder": "kerasrecipes.recipes.deepspeech1:deepspeech1",
    "tiny_config": TINY,
}  # fmt: skip
# Mozilla DeepSpeech 0.9.3, whose forward LSTM is TensorFlow's, with tanh
MOZILLA: dict[str, Any] = {
    "front_end": "tensorflow_mfcc", "win_length": 512, "hop_length": 320, "n_filter": 40, "stride": 1, "cell": "lstm",
    "bidirectional": False, "recurrent_clip": None,
}  # fmt: skip
PAPER_TAGS = ("ctc", "rnn", "paper")

RECIPES = (
    Recipe(
        name="deepspeech1", tags=PAPER_TAGS, **COMMON,
        summary="Five layers of 2048, the fourth a bidirectional simple recurrence; 160 bands.",
    ),
    Recipe(
        name="deepspeech1_switchboard", tags=PAPER_TAGS, **COMMON,
        summary="The model for conversations: five layers of 2304, 80 bands and the energy.",
        changes={"n_filter": 80, "energy": True, "units": 2304, "normalization": "utterance"},
    ),
    Recipe(
        name="deepspeech1_noisy", changes={"units": 2560}, tags=PAPER_TAGS, **COMMON,
        summary="The model for noisy speech: five layers of 2560, 160 bands.",
    ),
    Recipe(
        name="deepspeech1_mozilla", changes=MOZILLA, tags=("ctc", "lstm", "streaming"), **COMMON | {"tiny_config": TINY | {"n_mfcc": 8}},
        summary="The network of Mozilla DeepSpeech: 26 MFCC, five layers of 2048, the fourth a forward LSTM; 47 M parameters.",
    ),
    Recipe(
        name="deepspeech1_small", tags=("ctc", "rnn", "pretrained"), **COMMON,
        summary="Five layers of 832 with batch normalization for tens of hours of speech; one output every 40 ms.",
        changes={"n_filter": 80, "units": 832, "stride": 4, "normalization": "utterance", "batch_norm": True},
    ),
)  # fmt: skip

PUBLIC_LAYOUTS = DEEPSPEECH1_LAYOUTS
