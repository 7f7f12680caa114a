"""Deep Speech 2: End-to-End Speech Recognition in English and Mandarin (Amodei et al., arXiv 1512.02595, ICML 2016).

    waveform -> log-spectrogram (20 ms, 161 bins) -> 1-3 convolutions -> 1-7 recurrent layers
             -> [row convolution, if forward only] -> fully connected -> scores of a-z, space, apostrophe and blank -> CTC

Every non-linearity is min(max(x, 0), 20). Batch normalisation takes its statistics over all valid frames of a batch.
"""

import math

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"  # features, recurrences and scores stay in float32 under mixed precision


def deepspeech2(
    *,
    vocabulary: int = 29,
    sample_rate: int = 16000,
    window: int = 320,
    hop: int = 160,
    floor: float = 1e-2,
    normalization: str = "utterance",
    conv: tuple = ((32, (41, 11), (2, 2)), (32, (21, 11), (2, 1)), (96, (21, 11), (2, 1))),
    recurrent_layers: int = 7,
    recurrent_units: int = 1760,
    cell: str = "rnn",
    cell_activation: str = "clipped_relu",
    direction: str = "bidirectional",
    merge: str = "sum",
    shared_input: bool = True,
    batch_norm: str = "input_transform",
    lookahead: int = 0,
    fc_units: tuple = (1760,),
    clip: float = 20.0,
    dropout: float = 0.0,
    spec_augment: dict | None = None,
    band_limit: dict | None = None,
):
    """Build a Deep Speech 2 net; the defaults are the arXiv paper's best: 3 x 2-D convolution, 7 bidirectional RNN, 1 FC.

    Args:
        vocabulary: output symbols with the blank (paper, English: 29).
        sample_rate: of the audio, in Hz.
        window, hop: of the spectrogram, in samples (20 ms, 10 ms).
        floor: added to each bin's power before the logarithm.
        normalization: "utterance": unit power, each bin's mean over the utterance; "running": over the past only, with
            the training set's statistics before there is a past, for recognition while somebody speaks.
        conv: rows of the paper's table 4, (channels, filter, stride); 2-D sizes are (frequency, time), 1-D ones time.
        recurrent_layers, recurrent_units: how many, and the units of each direction.
        cell: "rnn" or "gru" (section 3.5). cell_activation: "clipped_relu" or "tanh".
        direction: "bidirectional", or "forward" with a row convolution of `lookahead` future steps (section 3.6).
        merge: directions' "sum" (paper) or "concat". shared_input: both directions share W (paper).
        batch_norm: "input_transform" normalises W x as the paper has it (section 3.2); "layer_input" normalises what
            enters each recurrent layer, so that fused recurrent kernels serve; "none".
        lookahead: tau of the row convolution, 0 for none.
        fc_units: hidden fully connected layers.
        clip: limit of the rectifiers.
        dropout: share of features dropped before each recurrent and fully connected layer (the paper has none).
        spec_augment: arguments of `layers.SpecAugment`, band_limit: of `layers.BandLimit`, None for none (the paper has
            none).

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32} -> scores
        (batch, frames, vocabulary) float32, zero behind each utterance; no softmax.
    """
    relu = {"dtype": None, "limit": clip}
    audio = keras.Input((None,), dtype="float32", name="audio")
    length = keras.Input((), dtype="int32", name="length")

    whole = normalization == "utterance"
    x, n = (layers.UtterancePowerNormalization if whole else layers.SequenceMask)(dtype=FLOAT32)(audio, length)
    x, n = layers.LogSpectrogram(window, hop, floor, dtype=FLOAT32)(x, n)  # (batch, frames, 161)
    if band_limit:
        x, n = layers.RandomLowPass(value=math.log(floor), **band_limit, dtype=FLOAT32)(x, n)
    x, n = (layers.UtteranceNormalization if whole else layers.CausalNormalization)(dtype=FLOAT32)(x, n)
    if spec_augment:
        x, n = layers.SpecAugment(**spec_augment, dtype=FLOAT32)(x, n)

    for channels, size, stride in conv:
        if isinstance(size, int):
            x, n = layers.SequenceConv1D(channels, size, stride, bias=batch_norm == "none")(
                x, n
            )  # (batch, frames/s, c)
        else:
            if len(x.shape) == 3:
                x = keras.ops.expand_dims(x, -1)
            size, stride = size[::-1], stride[::-1]  # the paper writes frequency first, the tensor has time first
            x, n = layers.SequenceConv2D(channels, size, stride, bias=batch_norm == "none")(x, n)  # (b, t/s, f/s, c)
        if batch_norm != "none":
            x, n = layers.MaskedBatchNormalization()(x, n)
        x, n = layers.SequenceMask()(layers.ReLU(**relu)(x), n)
    if len(x.shape) == 4:
        x = keras.layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)  # 161 bins -> 81 -> 41 -> 21, times channels

    for _ in range(recurrent_layers):
        if batch_norm == "layer_input":
            x, n = layers.MaskedBatchNormalization(dtype=FLOAT32)(x, n)
        if dropout:
            x = layers.Dropout(dropout, dtype=FLOAT32)(x)
        x, n = layers.SequenceRNN(
            recurrent_units, cell, clip if cell_activation == "clipped_relu" else None, direction, merge,
            shared_input, batch_norm == "input_transform",
        )(x, n)  # (batch, frames, units)  # fmt: skip
    if lookahead:
        x, n = layers.RowConvolution(lookahead, dtype=FLOAT32)(x, n)
        x, n = layers.SequenceMask()(layers.ReLU(**relu)(x), n)

    for units in fc_units:
        if batch_norm == "layer_input":
            x, n = layers.MaskedBatchNormalization(dtype=FLOAT32)(x, n)
        x = keras.layers.Dense(units, use_bias=batch_norm != "input_transform")(x)
        if batch_norm == "input_transform":
            x, n = layers.SequenceMask()(x, n)
            x, n = layers.MaskedBatchNormalization()(x, n)
        x, n = layers.SequenceMask()(layers.ReLU(**relu)(x), n)
    if batch_norm == "layer_input":
        x, n = layers.MaskedBatchNormalization(dtype=FLOAT32)(x, n)
    if dropout:
        x = layers.Dropout(dropout, dtype=FLOAT32)(x)
    logits = keras.layers.Dense(vocabulary, dtype=FLOAT32, name="logits")(x)
    logits, _ = layers.SequenceMask(dtype=FLOAT32, name="scores")(logits, n)  # (batch, frames, vocabulary)
    return keras.Model({"audio": audio, "length": length}, logits, name="deepspeech2")


PAPER = {
    "vocabulary": 29, "sample_rate": 16000, "window": 320, "hop": 160, "floor": 1e-2,
    "normalization": "utterance",
    "conv": ((32, (41, 11), (2, 2)), (32, (21, 11), (2, 1)), (96, (21, 11), (2, 1))),
    "recurrent_layers": 7, "recurrent_units": 1760, "cell": "rnn", "cell_activation": "clipped_relu",
    "direction": "bidirectional", "merge": "sum", "shared_input": True, "batch_norm": "input_transform",
    "lookahead": 0, "fc_units": (1760,), "clip": 20.0, "dropout": 0.0, "spec_augment": None, "band_limit": None,
}  # fmt: skip

SMALL = PAPER | {
    "conv": ((352, 11, 2), (352, 7, 2)), "recurrent_layers": 3, "recurrent_units": 352, "cell": "gru",
    "cell_activation": "tanh", "shared_input": False, "batch_norm": "layer_input", "fc_units": (),
}  # fmt: skip

# the ICML paper's streaming net in small; silence is 2e-5 where speech has a power of about 2e-3
STREAMING = SMALL | {
    "floor": 2e-5, "normalization": "running", "direction": "forward", "recurrent_units": 512, "lookahead": 12,
}  # fmt: skip

TINY = {"recurrent_layers": 2, "recurrent_units": 8}
TINY_2D = TINY | {"conv": ((2, (41, 11), (2, 2)), (3, (21, 11), (2, 1))), "fc_units": (8,)}
TINY_1D = TINY | {"conv": ((8, 11, 2), (8, 7, 2)), "fc_units": (8,)}

# Table 4: each with 7 recurrent layers, 1 FC and about 35 M parameters
CONVOLUTIONS = {
    "1x1d": ((1280, 11, 2),),
    "2x1d": ((640, 5, 1), (640, 5, 2)),
    "3x1d": ((512, 5, 1), (512, 5, 1), (512, 5, 2)),
    "1x2d": ((32, (41, 11), (2, 2)),),
    "2x2d": ((32, (41, 11), (2, 2)), (32, (21, 11), (2, 1))),
    "3x2d": PAPER["conv"],
}


def _recipe(name, config, summary, tags, tiny_config):
    return Recipe(
        name=name, paper="arXiv:1512.02595", title="Deep Speech 2: End-to-End Speech Recognition in English and Mandarin",
        task="speech-recognition", builder="kerasrecipes.recipes.deepspeech2:deepspeech2",
        config=config, summary=summary, tags=("ctc", config["cell"], *tags), tiny_config=tiny_config,
    )  # fmt: skip


RECIPES = (
    _recipe("deepspeech2", PAPER, "The arXiv paper's best net: 3 x 2-D convolution, 7 bidirectional RNN.", ("paper",), TINY_2D),
    _recipe(
        "deepspeech2_70m", PAPER | {"conv": CONVOLUTIONS["2x2d"]},
        "The 70 M-parameter net of the scaling studies: 2 x 2-D convolution, 7 bidirectional RNN of 1760.",
        ("paper",), TINY_2D,
    ),
    _recipe(
        "deepspeech2_icml",
        PAPER | {
            "conv": CONVOLUTIONS["2x2d"], "recurrent_layers": 3, "recurrent_units": 2560, "cell": "gru",
            "direction": "forward", "lookahead": 80, "fc_units": (),
        },
        "The ICML paper's final net: 2 x 2-D convolution, 3 forward GRU of 2560, row convolution with lookahead 80.",
        ("paper", "streaming"), TINY_2D | {"lookahead": 3, "fc_units": ()},
    ),
    *(
        _recipe(
            f"deepspeech2_{rows}", PAPER | {"conv": conv, "recurrent_units": 1280, "fc_units": (1280,)},
            f"Row '{rows}' of the paper's table of convolutions, with 7 bidirectional RNN of 1280.",
            ("paper",), TINY_2D if "2d" in rows else TINY_1D,
        )
        for rows, conv in CONVOLUTIONS.items()
    ),
    _recipe(
        "deepspeech2_small", SMALL,
        "2 x 1-D convolution and 3 bidirectional GRU of 352 for 17 hours of speech; 40 ms between scores.",
        ("pretrained",), TINY | {"conv": ((8, 11, 2), (8, 7, 2))},
    ),
    _recipe(
        "deepspeech2_streaming_small", STREAMING,
        "2 x 1-D convolution, 3 forward GRU of 512 and a lookahead of 12 steps: text while somebody speaks.",
        ("pretrained", "streaming"), TINY | {"conv": ((8, 11, 2), (8, 7, 2)), "lookahead": 3},
    ),
)  # fmt: skip
