"""Deep Speech: Scaling up end-to-end speech recognition (Hannun et al., arXiv 1412.5567).

    waveform -> log energies in 160 linear bands (20 ms every 10 ms), with 9 frames on both sides
             -> 3 fully connected layers -> bidirectional simple recurrence -> fully connected -> scores -> CTC

Every non-linearity, the recurrent one too, is min(max(x, 0), 20). There are no gates, on purpose (section 2).
"""

import math

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"


def deepspeech1(
    *,
    vocabulary: int = 29,
    sample_rate: int = 16000,
    window: int = 320,
    hop: int = 160,
    filters: int = 160,
    energy: bool = False,
    normalization: str = "training_set",
    context: int = 9,
    stride: int = 2,
    units: int = 2048,
    shared_input: bool = True,
    clip: float = 20.0,
    recurrent_clip: float = 20.0,
    batch_norm: bool = False,
    dropout: float = 0.05,
    spec_augment: dict | None = None,
    band_limit: dict | None = None,
):
    """Build Deep Speech; the defaults are the net of 5 x 2048 with the features of section 5.2.

    Args:
        vocabulary: output symbols with the blank (a-z, space, apostrophe: 29).
        sample_rate: of the audio, in Hz. window, hop: of the features, in samples.
        filters: linearly spaced bands (160; 80 with `energy` in section 5.1). energy: the whole energy as one more.
        normalization: "training_set" (section 5.2), or "utterance": unit power and each band's mean over the utterance.
        context: frames on each side that the first layer sees (5, 7 or 9 in the paper).
        stride: frames between two steps (section 3.3: 2, for a recurrence of half the steps).
        units: of every hidden layer (2048, 2304 or 2560 in the paper).
        shared_input: both directions read one W4 h3 + b4 (section 2, equations 2 and 3).
        clip: limit of the rectifiers; recurrent_clip: of the recurrence. torchaudio's net has none there
            (`recurrent_clip=math.inf, shared_input=False`; its weights then give its scores).
        batch_norm: normalise what enters each layer behind the first (the paper, of 2014, does not).
        dropout: share of features dropped after each layer that is not recurrent (section 2.1: 5-10 %).
        spec_augment: arguments of `layers.SpecAugment`, band_limit: of `layers.BandLimit`, None for none (the paper has
            none).

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32} -> scores
        (batch, frames, vocabulary) float32, zero behind each utterance; no softmax.
    """
    audio = keras.Input((None,), dtype="float32", name="audio")
    n = length = keras.Input((), dtype="int32", name="length")

    def rectified(x, n, drop=True):
        if batch_norm:
            x, n = layers.MaskedBatchNormalization()(x, n)
        x, n = layers.SequenceMask()(layers.ReLU(clip)(x), n)
        return (layers.Dropout(dropout)(x) if dropout and drop else x), n

    whole = normalization == "utterance"
    x, n = (layers.UtterancePowerNormalization if whole else layers.SequenceMask)(dtype=FLOAT32)(audio, n)
    floor = 1e-2 if whole else 2e-5  # of speech with unit power, or with a power of about 2e-3
    x, n = layers.LinearFilterBank(filters, window, hop, floor, energy, dtype=FLOAT32)(x, n)  # (batch, frames, 160)
    if band_limit:
        x, n = layers.RandomLowPass(value=math.log(floor), **band_limit, dtype=FLOAT32)(x, n)
    x, n = (layers.UtteranceNormalization if whole else layers.FeatureNormalization)(dtype=FLOAT32)(x, n)
    if spec_augment:
        x, n = layers.SpecAugment(**spec_augment, dtype=FLOAT32)(x, n)

    # layer 1: dense on the 2 C + 1 frames around each second one, which is a convolution
    x, n = layers.SequenceConv1D(units, 2 * context + 1, stride, bias=not batch_norm)(x, n)  # (batch, frames/2, units)
    x, n = rectified(x, n)
    for _ in range(2):  # layers 2 and 3
        x, n = layers.SequenceMask()(keras.layers.Dense(units, use_bias=not batch_norm)(x), n)
        x, n = rectified(x, n)
    # layer 4: h_f = g(W4 h3 + W_f h_f[t-1] + b4), h_b from the end; their sum goes on
    x, n = layers.SequenceRNN(
        units, "rnn", recurrent_clip, "bidirectional", "sum", shared_input, batch_norm=batch_norm
    )(x, n)  # (batch, frames/2, units)  # fmt: skip
    x, n = layers.SequenceMask()(keras.layers.Dense(units, use_bias=not batch_norm)(x), n)  # layer 5
    x, n = rectified(x, n)
    logits = keras.layers.Dense(vocabulary, dtype=FLOAT32, name="logits")(x)
    logits, _ = layers.SequenceMask(dtype=FLOAT32, name="scores")(logits, n)  # (batch, frames/2, vocabulary)
    return keras.Model({"audio": audio, "length": length}, logits, name="deepspeech1")


PAPER = {
    "vocabulary": 29, "sample_rate": 16000, "window": 320, "hop": 160, "filters": 160, "energy": False,
    "normalization": "training_set", "context": 9, "stride": 2, "units": 2048, "shared_input": True, "clip": 20.0,
    "recurrent_clip": 20.0, "batch_norm": False, "dropout": 0.05, "spec_augment": None, "band_limit": None,
}  # fmt: skip

TINY = {"units": 8, "filters": 20, "context": 2}


def _recipe(name, config, summary, tags):
    return Recipe(
        name=name, paper="arXiv:1412.5567", title="Deep Speech: Scaling up end-to-end speech recognition",
        task="speech-recognition", builder="kerasrecipes.recipes.deepspeech1:deepspeech1", config=config,
        summary=summary, tags=("ctc", "rnn", *tags), tiny_config=TINY,
    )  # fmt: skip


RECIPES = (
    _recipe("deepspeech1", PAPER, "Five layers of 2048, the fourth a bidirectional simple recurrence; 160 bands.", ("paper",)),
    _recipe(
        "deepspeech1_switchboard", PAPER | {"filters": 80, "energy": True, "units": 2304, "normalization": "utterance"},
        "The net for conversations: five layers of 2304, 80 bands and the energy.", ("paper",),
    ),
    _recipe(
        "deepspeech1_noisy", PAPER | {"units": 2560}, "The net for noisy speech: five layers of 2560, 160 bands.", ("paper",),
    ),
    _recipe(
        "deepspeech1_small",
        PAPER | {"filters": 80, "units": 832, "stride": 4, "normalization": "utterance", "batch_norm": True},
        "Five layers of 832 with batch normalisation for 17 hours of speech; 40 ms between scores.", ("pretrained",),
    ),
)  # fmt: skip
