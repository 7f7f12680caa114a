"""Deep Speech 2: End-to-End Speech Recognition in English and Mandarin (Amodei et al., arXiv 1512.02595, ICML 2016).

    audio -> log spectrogram (20 ms, 161 bins) -> 1-3 convolutions -> 1-7 recurrent layers
          -> [row convolution, if forward only] -> fully connected -> logits of a-z, space, apostrophe and blank -> CTC

Every activation is min(max(x, 0), 20). Batch normalization takes its statistics over all valid frames of a batch.
"""

import math
from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.hub.speech_layouts import DEEPSPEECH2_LAYOUTS
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"  # features, recurrences and logits stay in float32 under mixed precision


def deepspeech2(
    *,
    vocab_size: int = 29,
    sample_rate: int = 16000,
    win_length: int = 320,
    hop_length: int = 160,
    front_end: str = "log_spectrogram",
    window: str = "hamming",
    log_epsilon: float = 1e-2,
    normalization: str = "utterance",
    conv: tuple = ((32, (41, 11), (2, 2)), (32, (21, 11), (2, 1)), (96, (21, 11), (2, 1))),
    conv_padding: str = "same",
    recurrent_layers: int = 7,
    recurrent_units: int = 2176,
    cell: str = "rnn",
    cell_activation: str = "clipped_relu",
    bidirectional: bool = True,
    merge_mode: str = "sum",
    shared_input: bool = True,
    batch_norm: str = "input_transform",
    norm_epsilon: float = 1e-3,
    lookahead: int = 0,
    fc_units: tuple = (),
    relu_clip: float | None = 20.0,
    logits_bias: bool = True,
    dropout: float = 0.0,
    spec_augment: dict | None = None,
    low_pass: dict | None = None,
):
    """Build Deep Speech 2.

    The defaults are the arXiv paper's best model of 11 layers: 3 x 2-D convolution, 7 bidirectional RNN, and the fully
    connected output. The paper states about 100 M parameters and no width, and 2,176 units give 100 M.

    Args:
        vocab_size: Number of output symbols with the blank (paper, English: 29).
        sample_rate: Sample rate of the audio in Hz.
        win_length: Samples of a frame (20 ms).
        hop_length: Samples between frames (10 ms).
        front_end: "log_spectrogram"; "log1p_spectrogram" as in deepspeech.pytorch: centered frames, log(1 + magnitude), one
            mean and one deviation for the utterance, or "quantized_spectrogram" of OpenSeq2Seq: 160 bins, without `low_pass`. The
            last two use neither `log_epsilon` nor `normalization`.
        window: Window of "log1p_spectrogram": "hamming", "hamming_symmetric" or "hann".
        log_epsilon: Added to each bin's power before the logarithm.
        normalization: "utterance": unit power, each bin's mean over the utterance; "causal": over past frames only,
            starting from the training set's statistics, for streaming.
        conv: Rows of the paper's table 4, (channels, filter, stride); 2-D sizes are (frequency, time), 1-D sizes time.
        conv_padding: Zeros around the input of 2-D convolutions, "same" or another of `layers.count_zeros`.
        recurrent_layers: Number of recurrent layers.
        recurrent_units: Units of each direction.
        cell: "rnn" or "gru" (section 3.5), or "lstm", which ports of the paper use.
        cell_activation: "clipped_relu" or "tanh".
        bidirectional: False for forward layers, with a row convolution of `lookahead` future steps (section 3.6).
        merge_mode: "sum" of the directions (paper) or "concat".
        shared_input: Both directions share W (paper).
        batch_norm: "input_transform" normalizes W x as in the paper (section 3.2); "layer_input" normalizes the input of
            each recurrent layer, which torch's and cuDNN's own kernels need; "later_layer_input" does so for all but the
            first; "convolutions" normalizes their outputs alone; "none".
        norm_epsilon: Added to the variances of batch normalization.
        lookahead: tau of the row convolution, 0 for none.
        fc_units: Units of the hidden fully connected layers.
        relu_clip: Maximum of the ReLUs, None for none.
        logits_bias: False for a last layer without biases.
        dropout: Fraction of features dropped before each recurrent and fully connected layer (the paper has none).
        spec_augment: Arguments of `layers.SpecAugment`, None for none (paper).
        low_pass: Arguments of `layers.RandomLowPass`, None for none (paper).

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32} -> logits
        (batch, frames, vocab_size) float32, zero after each utterance.
    """
    audio = keras.Input((None,), dtype="float32", name="audio")
    length = keras.Input((), dtype="int32", name="length")

    norm_input = batch_norm in ("layer_input", "later_layer_input")
    by_utterance, centered = normalization == "utterance", front_end == "log1p_spectrogram"
    quantized = front_end == "quantized_spectrogram"
    if quantized:
        x, n = layers.QuantizedLogSpectrogram(win_length // 2, win_length, hop_length, dtype=FLOAT32)(audio, length)
    elif centered:
        x, n = layers.ReflectPadding(win_length // 2, dtype=FLOAT32)(audio, length)
        x, n = layers.Log1pSpectrogram(win_length, hop_length, window, dtype=FLOAT32)(x, n)  # (batch, frames, 161)
    else:
        x, n = (layers.UtterancePowerNormalization if by_utterance else layers.SequenceMask)(dtype=FLOAT32)(audio, length)
        x, n = layers.LogSpectrogram(win_length, hop_length, log_epsilon, dtype=FLOAT32)(x, n)  # (batch, frames, 161)
    if low_pass and not quantized:
        fill_value = 0.0 if centered else math.log(log_epsilon)
        x, n = layers.RandomLowPass(fill_value=fill_value, **low_pass, dtype=FLOAT32)(x, n)
    if centered or quantized:
        x, n = layers.UtteranceStandardization(ddof=int(centered), dtype=FLOAT32)(x, n)
    else:
        x, n = (layers.UtteranceNormalization if by_utterance else layers.CausalNormalization)(dtype=FLOAT32)(x, n)
    if spec_augment:
        x, n = layers.SpecAugment(**spec_augment, dtype=FLOAT32)(x, n)

    for filters, size, stride in conv:
        if isinstance(size, int):
            convolution = layers.SequenceConv1D(filters, size, stride, use_bias=batch_norm == "none")
        else:
            if len(x.shape) == 3:
                x = keras.ops.expand_dims(x, -1)
            size, stride = size[::-1], stride[::-1]  # frequency comes first in the paper, time in the tensor
            convolution = layers.SequenceConv2D(filters, size, stride, batch_norm == "none", conv_padding)
        x, n = convolution(x, n)  # (batch, frames / stride, filters) or (batch, frames / s_t, bins / s_f, filters)
        if batch_norm != "none":
            x, n = layers.MaskedBatchNormalization(epsilon=norm_epsilon)(x, n)
        x, n = layers.SequenceMask()(layers.ReLU(relu_clip)(x), n)
    if len(x.shape) == 4:
        x = keras.layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)  # 161 bins -> 81 -> 41 -> 21, times channels

    max_value = relu_clip if cell_activation == "clipped_relu" else None
    for number in range(recurrent_layers):
        if norm_input and (number or batch_norm == "layer_input"):
            x, n = layers.MaskedBatchNormalization(epsilon=norm_epsilon, dtype=FLOAT32)(x, n)
        if dropout:
            x = layers.Dropout(dropout, dtype=FLOAT32)(x)
        options = (max_value, bidirectional, merge_mode, shared_input, batch_norm == "input_transform")
        x, n = layers.SequenceRNN(recurrent_units, cell, *options, epsilon=norm_epsilon)(x, n)  # (batch, frames, units)
    if lookahead:
        x, n = layers.RowConvolution(lookahead, dtype=FLOAT32)(x, n)
        x, n = layers.SequenceMask()(layers.ReLU(relu_clip)(x), n)

    for units in fc_units:
        if norm_input:
            x, n = layers.MaskedBatchNormalization(epsilon=norm_epsilon, dtype=FLOAT32)(x, n)
        x = keras.layers.Dense(units, use_bias=batch_norm != "input_transform")(x)
        if batch_norm == "input_transform":
            x, n = layers.MaskedBatchNormalization(epsilon=norm_epsilon)(x, n)
        x, n = layers.SequenceMask()(layers.ReLU(relu_clip)(x), n)
    if norm_input:
        x, n = layers.MaskedBatchNormalization(epsilon=norm_epsilon, dtype=FLOAT32)(x, n)
    if dropout:
        x = layers.Dropout(dropout, dtype=FLOAT32)(x)
    logits = keras.layers.Dense(vocab_size, use_bias=logits_bias, dtype=FLOAT32, name="logits")(x)
    logits, _ = layers.SequenceMask(dtype=FLOAT32, name="scores")(logits, n)  # (batch, frames, vocab_size)
    return keras.Model({"audio": audio, "length": length}, logits, name="deepspeech2")


SMALL: dict[str, Any] = {
    "conv": ((352, 11, 2), (352, 7, 2)), "recurrent_layers": 3, "recurrent_units": 352, "cell": "gru",
    "cell_activation": "tanh", "shared_input": False, "batch_norm": "layer_input",
}  # fmt: skip

# a small version of the ICML paper's streaming model; silence is 2e-5 where speech has a power of about 2e-3
STREAMING: dict[str, Any] = SMALL | {
    "log_epsilon": 2e-5, "normalization": "causal", "bidirectional": False, "recurrent_units": 512, "lookahead": 12,
}  # fmt: skip

# Table 4: each with 7 recurrent layers, 1 fully connected layer and about 35 M parameters
CONVOLUTIONS: dict[str, Any] = {
    "1x1d": ((1280, 11, 2),),
    "2x1d": ((640, 5, 1), (640, 5, 2)),
    "3x1d": ((512, 5, 1), (512, 5, 1), (512, 5, 2)),
    "1x2d": ((32, (41, 11), (2, 2)),),
    "2x2d": ((32, (41, 11), (2, 2)), (32, (21, 11), (2, 1))),
    "3x2d": ((32, (41, 11), (2, 2)), (32, (21, 11), (2, 1)), (96, (21, 11), (2, 1))),
}

# deepspeech.pytorch, whose tanh and two input matrices are those of torch's LSTM
PYTORCH: dict[str, Any] = {
    "front_end": "log1p_spectrogram", "conv": CONVOLUTIONS["2x2d"], "recurrent_layers": 5, "recurrent_units": 1024, "cell": "lstm",
    "cell_activation": "tanh", "shared_input": False, "batch_norm": "later_layer_input", "norm_epsilon": 1e-5, "logits_bias": False,
}  # fmt: skip

# OpenSeq2Seq, whose ReLUs have no maximum
OPENSEQ2SEQ: dict[str, Any] = {
    "front_end": "quantized_spectrogram", "conv": ((32, (41, 11), (2, 2)), (32, (21, 11), (2, 1))), "conv_padding": "same_multiple",
    "recurrent_layers": 5, "recurrent_units": 800, "cell": "gru", "cell_activation": "tanh", "merge_mode": "concat",
    "shared_input": False, "batch_norm": "convolutions", "fc_units": (1600,), "relu_clip": None, "dropout": 0.5,
}  # fmt: skip

TINY = {"recurrent_layers": 2, "recurrent_units": 8}
TINY_1D = TINY | {"conv": ((8, 11, 2), (8, 7, 2))}
TINY_2D = TINY | {"conv": ((2, (41, 11), (2, 2)), (3, (21, 11), (2, 1))), "fc_units": (8,)}
COMMON: dict[str, Any] = {
    "paper": "arXiv:1512.02595", "title": "Deep Speech 2: End-to-End Speech Recognition in English and Mandarin",
    "task": "speech-recognition", "builder": "kerasrecipes.recipes.deepspeech2:deepspeech2",
}  # fmt: skip

RECIPES = (
    Recipe(
        name="deepspeech2", tags=("ctc", "rnn", "paper"), tiny_config=TINY_2D, **COMMON,
        summary="The arXiv paper's best model: 3 x 2-D convolution, 7 bidirectional RNN, fully connected output; 100 M parameters.",
    ),
    Recipe(
        name="deepspeech2_70m", tags=("ctc", "rnn", "paper"), tiny_config=TINY_2D,
        changes={"conv": CONVOLUTIONS["2x2d"], "recurrent_units": 1760, "fc_units": (1760,)},
        summary="The 70 M-parameter model of the scaling studies: 2 x 2-D convolution, 7 bidirectional RNN of 1760.", **COMMON,
    ),
    Recipe(
        name="deepspeech2_icml", tags=("ctc", "gru", "paper", "streaming"), **COMMON,
        summary="The ICML paper's final model: 2 x 2-D convolution, 3 forward GRU of 2560, row convolution with lookahead 80.",
        changes={
            "conv": CONVOLUTIONS["2x2d"], "recurrent_layers": 3, "recurrent_units": 2560, "cell": "gru",
            "bidirectional": False, "lookahead": 80,
        },
        tiny_config=TINY_2D | {"lookahead": 3, "fc_units": ()},
    ),
    *(
        Recipe(
            name=f"deepspeech2_{row}", tags=("ctc", "rnn", "paper"), **COMMON,
            summary=f"Row '{row}' of the paper's table of convolutions, with 7 bidirectional RNN of 1280.",
            changes={"conv": conv, "recurrent_units": 1280, "fc_units": (1280,)},
            tiny_config=TINY_2D if "2d" in row else TINY_1D | {"fc_units": (8,)},
        )
        for row, conv in CONVOLUTIONS.items()
    ),
    Recipe(
        name="deepspeech2_pytorch", changes=PYTORCH, tags=("ctc", "lstm"), tiny_config=TINY_2D | {"fc_units": ()}, **COMMON,
        summary="The network of deepspeech.pytorch: 2 x 2-D convolution, 5 bidirectional LSTM of 1024; 87 M parameters.",
    ),
    Recipe(
        name="deepspeech2_openseq2seq", changes=OPENSEQ2SEQ, tags=("ctc", "gru"), tiny_config=TINY_2D, **COMMON,
        summary="The network of OpenSeq2Seq: 2 x 2-D convolution, 5 bidirectional GRU of 800, a hidden layer of 1600; 59 M parameters.",
    ),
    Recipe(
        name="deepspeech2_small", changes=SMALL, tags=("ctc", "gru", "pretrained"), tiny_config=TINY_1D, **COMMON,
        summary="2 x 1-D convolution and 3 bidirectional GRU of 352 for tens of hours of speech; one output every 40 ms.",
    ),
    Recipe(
        name="deepspeech2_streaming_small", changes=STREAMING, tags=("ctc", "gru", "pretrained", "streaming"), **COMMON,
        summary="2 x 1-D convolution, 3 forward GRU of 512 and a lookahead of 12 steps: transcripts while speech arrives.",
        tiny_config=TINY_1D | {"lookahead": 3},
    ),
)  # fmt: skip

PUBLIC_LAYOUTS = DEEPSPEECH2_LAYOUTS
