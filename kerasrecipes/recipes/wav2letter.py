"""Wav2Letter: an End-to-End ConvNet-based Speech Recognition System (Collobert et al., arXiv 1609.03193).

    waveform -> MFCC | power spectrum (25 ms every 10 ms) | one more convolution, each normalised per sequence
             -> 10 convolutions over time, 2 of them over single steps -> scores of letters -> ASG or CTC

Figure 1 of the paper is the table `CONVOLUTIONS`. There is no pooling; strides make 20 ms between two scores.
"""

import math

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"  # features and scores stay in float32 under mixed precision

CONVOLUTIONS = ((250, 48, 2), *7 * ((250, 7, 1),), (2000, 32, 1), (2000, 1, 1))  # outputs, kernel, stride
WAVEFORM = ((250, 250, 160),)


def wav2letter(
    *,
    vocabulary: int = 30,
    sample_rate: int = 16000,
    front_end: str = "mfcc",
    window: int = 400,
    hop: int = 160,
    coefficients: int = 13,
    deltas: bool = False,
    filters: int = 20,
    floor: float = 1 / 32768,
    normalization: str = "sequence",
    waveform: tuple = WAVEFORM,
    conv: tuple = CONVOLUTIONS,
    activation: str = "hard_tanh",
    clip: float | None = None,
    last_relu: bool = False,
    batch_norm: str = "none",
    dropout: float = 0.0,
    spec_augment: dict | None = None,
    band_limit: dict | None = None,
    criterion: str = "asg",
):
    """Build Wav2Letter; the defaults are the paper's net on 13 MFCC.

    The figure does not show how the ends are padded; here each convolution gets ceil((kernel - stride) / 2) zeros on
    both sides, with which weights of `torchaudio.models.Wav2Letter` give the same scores.

    Args:
        vocabulary: output symbols: 28 letters and 2 repetition symbols for ASG, 28 and a blank for CTC.
        sample_rate: of the audio, in Hz. window, hop: of the features, in samples.
        front_end: "mfcc", "power_spectrum", "mel" (logarithms of mel bands, as the authors used later) or "raw".
        coefficients: of the MFCC. deltas: with their first and second derivatives (13 become 39).
        filters: mel bands, of "mel" and under the MFCC.
        floor: smallest magnitude of a spectrum's bin.
        normalization: of the features: "sequence", one mean and one deviation for the utterance (paper); "utterance",
            unit power of the audio and each feature's own mean. The waveform always has the first.
        waveform: rows (outputs, kernel, stride) of convolutions over samples, where `front_end` is "raw".
        conv: the same over features.
        activation: "hard_tanh" or "relu", "similar results" (section 2.2). clip: limit of the rectifiers, None for none.
        last_relu: rectify the scores too, as torchaudio does; no score is then below zero.
        batch_norm: "sequence" normalises in front of every non-linearity (the paper has none), "none".
        dropout: share of features dropped behind every non-linearity (the paper has none).
        spec_augment: arguments of `layers.SpecAugment`, band_limit: of `layers.BandLimit`, None for none.
        criterion: "asg" (the paper's), whose transitions are part of the net, or "ctc".

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32} -> scores
        (batch, frames, vocabulary) float32, zero behind each utterance; no softmax.

    Raises:
        ValueError: an unknown name, or spectra to be augmented where there are none.
    """
    for value, known in (
        (front_end, ("mfcc", "power_spectrum", "mel", "raw")), (normalization, ("sequence", "utterance")),
        (activation, ("hard_tanh", "relu")), (batch_norm, ("none", "sequence")), (criterion, ("asg", "ctc")),
    ):  # fmt: skip
        if value not in known:
            raise ValueError(f"wav2letter knows {', '.join(known)}, not {value!r}")
    if front_end == "raw" and (spec_augment or band_limit):
        raise ValueError("spec_augment and band_limit change spectra: the raw front end has none")

    def convolve(x, n, rows):
        for outputs, kernel, stride in rows:
            padding = math.ceil((kernel - stride) / 2)
            x, n = layers.SequenceConv1D(outputs, kernel, stride, bias=batch_norm == "none", padding=padding)(x, n)
            if batch_norm != "none":
                x, n = layers.MaskedBatchNormalization()(x, n)
            if activation == "hard_tanh":
                x = keras.layers.Activation("hard_tanh")(x)
            else:
                x = (layers.ReLU(clip) if clip else keras.layers.ReLU())(x)
            x = layers.Dropout(dropout)(x) if dropout else x  # zero stays zero: no new mask is needed
        return x, n

    audio = keras.Input((None,), dtype="float32", name="audio")
    n = length = keras.Input((), dtype="int32", name="length")
    if front_end == "raw":
        x, n = layers.UtteranceStandardization(dtype=FLOAT32)(audio, n)
        x = keras.layers.Reshape((-1, 1))(x)  # (batch, samples, 1)
        x, n = convolve(x, n, waveform)  # (batch, samples/160, 250)
    else:
        whole = normalization == "utterance"
        x, n = (layers.UtterancePowerNormalization if whole else layers.SequenceMask)(dtype=FLOAT32)(audio, n)
        framing = {
            "window": window, "hop": hop, "size": 1 << (window - 1).bit_length(), "floor": floor, "dtype": FLOAT32,
        }  # fmt: skip
        if front_end == "power_spectrum":
            x, n = layers.MagnitudeSpectrogram(**framing)(x, n)  # (batch, frames, 257)
        elif front_end == "mel":
            x, n = layers.LogMelSpectrogram(filters, sample_rate, **framing)(x, n)  # (batch, frames, filters)
        else:
            x, n = layers.MFCC(coefficients, filters, sample_rate=sample_rate, **framing)(x, n)  # (b, frames, 13)
            if deltas:
                x, n = layers.Deltas(dtype=FLOAT32)(x, n)  # (batch, frames, 39)
        if band_limit:
            x, n = layers.RandomLowPass(value=2 * math.log(floor), **band_limit, dtype=FLOAT32)(x, n)
        x, n = (layers.UtteranceNormalization if whole else layers.UtteranceStandardization)(dtype=FLOAT32)(x, n)
        if spec_augment:
            x, n = layers.SpecAugment(**spec_augment, dtype=FLOAT32)(x, n)

    x, n = convolve(x, n, conv)  # (batch, frames/2, 2000)
    logits = keras.layers.Dense(vocabulary, dtype=FLOAT32, name="logits")(x)
    if last_relu:
        logits = keras.layers.ReLU(dtype=FLOAT32)(logits)
    head = layers.Transitions() if criterion == "asg" else layers.SequenceMask(dtype=FLOAT32, name="scores")
    scores, _ = head(logits, n)  # (batch, frames/2, vocabulary)
    return keras.Model({"audio": audio, "length": length}, scores, name="wav2letter")


PAPER = {
    "vocabulary": 30, "sample_rate": 16000, "front_end": "mfcc", "window": 400, "hop": 160, "coefficients": 13,
    "deltas": False, "filters": 20, "floor": 1 / 32768, "normalization": "sequence", "waveform": WAVEFORM,
    "conv": CONVOLUTIONS, "activation": "hard_tanh", "clip": None, "last_relu": False, "batch_norm": "none",
    "dropout": 0.0, "spec_augment": None, "band_limit": None, "criterion": "asg",
}  # fmt: skip

SMALL_CONVOLUTIONS = (*7 * ((256, 7, 1),), (512, 13, 1), (512, 1, 1))  # behind the first

# the paper's shape with what 17 hours need: batch normalisation, fewer outputs, 30 ms between scores; of audio with
# unit power half of all bins lie above 0.1 to 0.5 and the loudest twentieth above 5 to 10: 0.03 ends in the noise
SMALL = PAPER | {
    "vocabulary": 29, "front_end": "mel", "filters": 64, "floor": 0.03, "normalization": "utterance",
    "conv": ((256, 13, 3), *SMALL_CONVOLUTIONS),
    "activation": "relu", "clip": 20.0, "batch_norm": "sequence", "criterion": "ctc",
}  # fmt: skip

# three steps from samples to 30 ms: rectified filters of 6 ms, their envelopes every 5 ms, and the small net's first
RAW_SMALL = SMALL | {
    "front_end": "raw", "waveform": ((128, 100, 40), (128, 8, 2)), "conv": ((256, 12, 6), *SMALL_CONVOLUTIONS),
}  # fmt: skip

TINY = {"conv": ((8, 12, 2), (8, 7, 1), (12, 8, 1), (12, 1, 1)), "waveform": ((6, 250, 160),)}
TINY_SMALL = {"conv": ((8, 13, 3), (8, 7, 1), (12, 5, 1)), "waveform": ((6, 100, 40), (8, 8, 2))}


def _recipe(name, config, summary, tags, tiny_config=TINY):
    return Recipe(
        name=name, paper="arXiv:1609.03193",
        title="Wav2Letter: an End-to-End ConvNet-based Speech Recognition System",
        task="speech-recognition", builder="kerasrecipes.recipes.wav2letter:wav2letter", config=config,
        summary=summary, tags=(config["criterion"], "convolutional", *tags), tiny_config=tiny_config,
    )  # fmt: skip


RECIPES = (
    _recipe("wav2letter", PAPER, "The paper's net on 13 MFCC: 11 convolutions over time and the ASG criterion.", ("paper",)),
    _recipe(
        "wav2letter_mfcc39", PAPER | {"deltas": True},
        "The paper's net on 13 MFCC with their first and second derivatives, as its authors' code feeds it.", ("paper",),
    ),
    _recipe(
        "wav2letter_power_spectrum", PAPER | {"front_end": "power_spectrum"},
        "The paper's net on 257 bins of the spectrum.", ("paper",),
    ),
    _recipe(
        "wav2letter_raw", PAPER | {"front_end": "raw"},
        "The paper's net on the waveform: one more convolution, 250 filters of 16 ms.", ("paper",),
    ),
    _recipe(
        "wav2letter_small", SMALL,
        "10 convolutions of 256 and 512 on 64 mel bands for 17 hours of speech; 30 ms between scores; CTC.",
        ("pretrained",), TINY_SMALL,
    ),
    _recipe(
        "wav2letter_small_asg", SMALL | {"vocabulary": 30, "criterion": "asg"},
        "wav2letter_small with the ASG criterion: no blank, learned transitions, repetition symbols.",
        ("pretrained",), TINY_SMALL,
    ),
    _recipe(
        "wav2letter_raw_small", RAW_SMALL,
        "wav2letter_small on the waveform: two more convolutions instead of mel bands; CTC.",
        ("pretrained",), TINY_SMALL,
    ),
)  # fmt: skip
