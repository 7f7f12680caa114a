"""Wav2Letter: an End-to-End ConvNet-based Speech Recognition System (Collobert et al., arXiv 1609.03193).

    audio -> MFCC | power spectrum (25 ms every 10 ms) | one more convolution, each normalized per sequence
          -> 10 convolutions over time, 2 of them over single steps -> logits of letters -> ASG or CTC

Figure 1 of the paper is the table `CONVOLUTIONS`. There is no pooling; strides give one output every 20 ms.
"""

import math
from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.hub.speech_layouts import WAV2LETTER_LAYOUTS
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"  # features and logits stay in float32 under mixed precision

CONVOLUTIONS = ((250, 48, 2), *7 * ((250, 7, 1),), (2000, 32, 1), (2000, 1, 1))  # filters, kernel size, stride
WAVEFORM = ((250, 250, 160),)


def wav2letter(
    *,
    vocab_size: int = 30,
    sample_rate: int = 16000,
    front_end: str = "mfcc",
    win_length: int = 400,
    hop_length: int = 160,
    n_mfcc: int = 13,
    deltas: bool = False,
    n_mels: int = 20,
    log_epsilon: float = 1 / 32768,
    normalization: str = "sequence",
    waveform: tuple = WAVEFORM,
    conv: tuple = CONVOLUTIONS,
    padding: str = "symmetric",
    activation: str = "hard_tanh",
    relu_slope: float = 0.0,
    relu_clip: float | None = None,
    last_relu: bool = False,
    batch_norm: str = "none",
    dropout: float = 0.0,
    spec_augment: dict | None = None,
    low_pass: dict | None = None,
    criterion: str = "asg",
):
    """Build Wav2Letter. The defaults are the paper's model on 13 MFCC.

    The figure does not show how the ends are padded. Here each convolution gets ceil((kernel size - stride) / 2) zeros
    on both sides, with which weights of `torchaudio.models.Wav2Letter` give the same logits.

    Args:
        vocab_size: Number of output symbols: 28 letters and 2 repetition symbols for ASG, 28 and a blank for CTC.
        sample_rate: Sample rate of the audio in Hz.
        front_end: "mfcc", "power_spectrum", "mel" (log mel bands, as the authors used later), "raw", "librosa_mfcc": MFCC in
            decibels, derivatives by Savitzky and Golay, each third normalized by itself, or "quantized_mel": log mel bands of
            OpenSeq2Seq. The last two use neither `deltas` nor `log_epsilon` nor `normalization`.
        win_length: Samples of a frame.
        hop_length: Samples between frames.
        n_mfcc: Number of MFCC.
        deltas: Append the first and second derivatives of the MFCC (13 become 39).
        n_mels: Number of mel bands, of "mel" and below the MFCC.
        log_epsilon: Smallest magnitude of a spectrum's bin.
        normalization: Normalization of the features: "sequence", one mean and one deviation for the utterance (paper);
            "utterance", unit power of the audio and each feature's own mean. "raw" always uses the first.
        waveform: Rows (filters, kernel size, stride) of convolutions over samples, if `front_end` is "raw".
        conv: Rows (filters, kernel size, stride) or (filters, kernel size, stride, dilation) of convolutions over features.
        padding: "symmetric", the zeros above; "same": kernel size - 1 zeros, the smaller half before, as TensorFlow has them, or
            "same_multiple": kernel size - stride zeros, as it has them for a multiple of the stride.
        activation: "hard_tanh" or "relu", "similar results" (section 2.2).
        relu_slope: Slope of the ReLUs below zero.
        relu_clip: Maximum of the ReLUs, None for none.
        last_relu: Apply a ReLU to the logits too, as torchaudio does, so that none is below zero.
        batch_norm: "sequence" normalizes before every activation (the paper has none), "none".
        dropout: Fraction of features dropped after every activation (the paper has none).
        spec_augment: Arguments of `layers.SpecAugment`, None for none.
        low_pass: Arguments of `layers.RandomLowPass`, None for none.
        criterion: "asg" (paper), whose transitions are part of the model, or "ctc".

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32} -> logits
        (batch, frames, vocab_size) float32, zero after each utterance.

    Raises:
        ValueError: An unknown name, or augmentation of spectrograms for a front end without them.
    """
    for value, names in (
        (front_end, ("mfcc", "power_spectrum", "mel", "raw", "librosa_mfcc", "quantized_mel")),
        (padding, ("symmetric", "same", "same_multiple")),
        (normalization, ("sequence", "utterance")),
        (activation, ("hard_tanh", "relu")),
        (batch_norm, ("none", "sequence")),
        (criterion, ("asg", "ctc")),
    ):
        if value not in names:
            raise ValueError(f"wav2letter supports {', '.join(names)}, not {value!r}")
    if front_end == "raw" and (spec_augment or low_pass):
        raise ValueError("spec_augment and low_pass change spectrograms: the raw front end has none")
    if front_end in ("librosa_mfcc", "quantized_mel") and low_pass:
        raise ValueError(f"low_pass changes spectrograms in natural units: the front end {front_end} has none")

    def convolve(x, n, rows):
        for filters, kernel, stride, *others in rows:
            dilation = others[0] if others else 1
            zeros = layers.count_zeros(padding, (kernel - 1) * dilation + 1, stride)
            x, n = layers.SequenceConv1D(filters, kernel, stride, batch_norm == "none", zeros, dilation)(x, n)
            if batch_norm != "none":
                x, n = layers.MaskedBatchNormalization()(x, n)
            if activation == "hard_tanh":
                x = keras.layers.Activation("hard_tanh")(x)
            else:
                relu = layers.ReLU if relu_clip else keras.layers.ReLU
                x = relu(relu_clip, relu_slope)(x)
            x = layers.Dropout(dropout)(x) if dropout else x  # zero stays zero: no new mask is needed
        return x, n

    audio = keras.Input((None,), dtype="float32", name="audio")
    n = length = keras.Input((), dtype="int32", name="length")
    if front_end == "raw":
        x, n = layers.UtteranceStandardization(dtype=FLOAT32)(audio, n)
        x = keras.layers.Reshape((-1, 1))(x)  # (batch, samples, 1)
        x, n = convolve(x, n, waveform)  # (batch, samples/160, 250)
    elif front_end == "librosa_mfcc":
        x, n = layers.ReflectPadding(win_length // 2, dtype=FLOAT32)(audio, n)
        x, n = layers.DecibelMelSpectrogram(n_mels, sample_rate, win_length, hop_length, dtype=FLOAT32)(x, n)
        x, n = layers.DecibelMFCC(n_mfcc, dtype=FLOAT32)(x, n)  # (batch, frames, 13)
        x, n = layers.SavitzkyGolayDeltas(dtype=FLOAT32)(x, n)  # (batch, frames, 39)
        x, n = layers.BlockStandardization(dtype=FLOAT32)(x, n)
    elif front_end == "quantized_mel":
        x, n = layers.QuantizedLogMelSpectrogram(n_mels, sample_rate, win_length, hop_length, dtype=FLOAT32)(audio, n)
        x, n = layers.UtteranceStandardization(dtype=FLOAT32)(x, n)  # (batch, frames, n_mels)
    else:
        by_utterance = normalization == "utterance"
        x, n = (layers.UtterancePowerNormalization if by_utterance else layers.SequenceMask)(dtype=FLOAT32)(audio, n)
        framing: dict[str, Any] = {
            "win_length": win_length,
            "hop_length": hop_length,
            "n_fft": 1 << (win_length - 1).bit_length(),
        }
        framing |= {"epsilon": log_epsilon, "dtype": FLOAT32}
        if front_end == "power_spectrum":
            x, n = layers.MagnitudeSpectrogram(**framing)(x, n)  # (batch, frames, 257)
        elif front_end == "mel":
            x, n = layers.LogMelSpectrogram(n_mels, sample_rate, **framing)(x, n)  # (batch, frames, n_mels)
        else:
            x, n = layers.MFCC(n_mfcc, n_mels, sample_rate=sample_rate, **framing)(x, n)  # (batch, frames, 13)
            if deltas:
                x, n = layers.Deltas(dtype=FLOAT32)(x, n)  # (batch, frames, 39)
        if low_pass:
            x, n = layers.RandomLowPass(fill_value=2 * math.log(log_epsilon), **low_pass, dtype=FLOAT32)(x, n)
        normalize = layers.UtteranceNormalization if by_utterance else layers.UtteranceStandardization
        x, n = normalize(dtype=FLOAT32)(x, n)
    if spec_augment:
        x, n = layers.SpecAugment(**spec_augment, dtype=FLOAT32)(x, n)

    x, n = convolve(x, n, conv)  # (batch, frames/2, 2000)
    logits = keras.layers.Dense(vocab_size, dtype=FLOAT32, name="logits")(x)
    if last_relu:
        logits = keras.layers.ReLU(dtype=FLOAT32)(logits)
    head = layers.Transitions() if criterion == "asg" else layers.SequenceMask(dtype=FLOAT32, name="scores")
    logits, _ = head(logits, n)  # (batch, frames/2, vocab_size)
    return keras.Model({"audio": audio, "length": length}, logits, name="wav2letter")


SMALL_CONVOLUTIONS = (*7 * ((256, 7, 1),), (512, 13, 1), (512, 1, 1))  # after the first

# the paper's shape adapted to tens of hours of speech: batch normalization, fewer filters, one output every 30 ms. In audio of
# unit power half of all bins are above 0.1 to 0.5 and the loudest twentieth above 5 to 10, so 0.03 lies in the noise
SMALL: dict[str, Any] = {
    "vocab_size": 29, "front_end": "mel", "n_mels": 64, "log_epsilon": 0.03, "normalization": "utterance",
    "conv": ((256, 13, 3), *SMALL_CONVOLUTIONS), "activation": "relu", "relu_clip": 20.0, "batch_norm": "sequence",
    "criterion": "ctc",
}  # fmt: skip

# three steps from samples to 30 ms: rectified filters of 6 ms, their envelopes every 5 ms, and the first of the small model
RAW_SMALL: dict[str, Any] = SMALL | {
    "front_end": "raw", "waveform": ((128, 100, 40), (128, 8, 2)), "conv": ((256, 12, 6), *SMALL_CONVOLUTIONS),
}  # fmt: skip

# ARM's network, trained by TensorFlow on LibriSpeech
ARM: dict[str, Any] = {
    "vocab_size": 29, "front_end": "librosa_mfcc", "win_length": 512, "n_mels": 128, "padding": "same", "activation": "relu",
    "relu_slope": 0.2, "criterion": "ctc",
}  # fmt: skip

# Wave2Letter+ of OpenSeq2Seq, trained by TensorFlow on LibriSpeech
PLUS: dict[str, Any] = {
    "vocab_size": 29, "front_end": "quantized_mel", "win_length": 320, "n_mels": 64, "padding": "same_multiple",
    "conv": ((256, 11, 2), *3 * ((256, 11, 1),), *3 * ((384, 13, 1),), *3 * ((512, 17, 1),), *3 * ((640, 21, 1),),
             *3 * ((768, 25, 1),), (896, 29, 1, 2), (1024, 1, 1)),
    "activation": "relu", "relu_clip": 20.0, "batch_norm": "sequence", "dropout": 0.3, "criterion": "ctc",
}  # fmt: skip

COMMON: dict[str, Any] = {
    "paper": "arXiv:1609.03193", "title": "Wav2Letter: an End-to-End ConvNet-based Speech Recognition System",
    "task": "speech-recognition", "builder": "kerasrecipes.recipes.wav2letter:wav2letter",
}  # fmt: skip
PAPER: dict[str, Any] = COMMON | {
    "tags": ("asg", "convolutional", "paper"),
    "tiny_config": {"conv": ((8, 12, 2), (8, 7, 1), (12, 8, 1), (12, 1, 1)), "waveform": ((6, 250, 160),)},
}
PRETRAINED: dict[str, Any] = COMMON | {
    "tiny_config": {"conv": ((8, 13, 3), (8, 7, 1), (12, 5, 1)), "waveform": ((6, 100, 40), (8, 8, 2))},
}

RECIPES = (
    Recipe(
        name="wav2letter", summary="The paper's model on 13 MFCC: 11 convolutions over time and the ASG criterion.", **PAPER,
    ),
    Recipe(
        name="wav2letter_mfcc39", changes={"deltas": True}, **PAPER,
        summary="The paper's model on 13 MFCC with their first and second derivatives, as in its authors' code.",
    ),
    Recipe(
        name="wav2letter_power_spectrum", changes={"front_end": "power_spectrum"}, **PAPER,
        summary="The paper's model on 257 bins of the spectrum.",
    ),
    Recipe(
        name="wav2letter_raw", changes={"front_end": "raw"}, **PAPER,
        summary="The paper's model on the waveform: one more convolution, 250 filters of 16 ms.",
    ),
    Recipe(
        name="wav2letter_arm", changes=ARM, **PAPER | {"tags": ("ctc", "convolutional")},
        summary="The network of ARM's ML zoo: the paper's convolutions with leaky ReLUs on librosa's MFCC and derivatives; CTC.",
    ),
    Recipe(
        name="wav2letter_plus", changes=PLUS, **COMMON, tags=("ctc", "convolutional"),
        tiny_config={"conv": ((8, 11, 2), (8, 7, 1), (12, 5, 1, 2))},
        summary="Wave2Letter+ of OpenSeq2Seq: 18 convolutions of 256 to 1,024 on 64 mel bands, the longest one dilated; CTC.",
    ),
    Recipe(
        name="wav2letter_small", changes=SMALL, tags=("ctc", "convolutional", "pretrained"), **PRETRAINED,
        summary="10 convolutions of 256 and 512 on 64 mel bands for tens of hours of speech; one output every 30 ms; CTC.",
    ),
    Recipe(
        name="wav2letter_small_asg", changes=SMALL | {"vocab_size": 30, "criterion": "asg"},
        summary="wav2letter_small with the ASG criterion: no blank, learned transitions, repetition symbols.",
        tags=("asg", "convolutional", "pretrained"), **PRETRAINED,
    ),
    Recipe(
        name="wav2letter_raw_small", changes=RAW_SMALL, tags=("ctc", "convolutional", "pretrained"), **PRETRAINED,
        summary="wav2letter_small on the waveform: two more convolutions instead of mel bands; CTC.",
    ),
)  # fmt: skip

PUBLIC_LAYOUTS = WAV2LETTER_LAYOUTS
