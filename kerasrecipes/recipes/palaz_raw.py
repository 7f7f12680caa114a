"""End-to-end Phoneme Sequence Recognition using Convolutional Neural Networks (Palaz, Collobert, Magimai.-Doss, arXiv 1312.2137).

    every 10 ms: a window of 310 ms of waveform -> (convolution -> max pooling -> HardTanh) x 3 -> all remaining positions
    of the window -> one hidden layer -> logits of phonemes -> CRF over the utterance, or a softmax for each frame

The paper slides the window over the utterance. Here the whole utterance is computed once with the same logits
(`layers/windowed_conv.py`): a stride that divides the shift between windows stays a stride, any other stride becomes a
dilation of all later layers.
"""

from dataclasses import dataclass
from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"  # features and logits stay in float32 under mixed precision

STAGES = ((80, 30, 10, 3), (60, 7, 1, 3), (60, 7, 1, 3))  # filters, kernel size, stride, pool size


@dataclass(frozen=True)
class PlannedLayer:
    """A convolution or pooling as it runs over the utterance: with a `stride` or, where that is impossible, a `dilation`."""

    kind: str
    filters: int
    size: int
    stride: int
    dilation: int


@dataclass(frozen=True)
class WindowPlan:
    """Plan to compute the windows of all frames at once.

    Args:
        steps: Convolutions and poolings.
        positions: Number of positions of a window at the end.
        spacing: Steps between two positions.
        stride: Steps between two windows.
        span: Input steps of a window that any position sees.
        apart: Input steps between two positions.
    """

    steps: tuple[PlannedLayer, ...]
    positions: int
    spacing: int
    stride: int
    span: int
    apart: int


def plan_windows(stages: tuple, window: int, shift: int) -> WindowPlan:
    """Lay out `stages` for windows of `window` input steps, `shift` apart.

    Raises:
        ValueError: A window is too short for its stages, or shorter than the shift.
    """
    steps: list[PlannedLayer] = []
    remaining, span, apart = (
        window,
        1,
        1,
    )  # steps remaining in the window; the input steps that one sees, their distance
    stride, dilation = (
        1,
        1,
    )  # input steps between two steps of the utterance; such steps between two steps of the window
    for filters, kernel, step, pool in stages:
        for kind, size, move in (("convolution", kernel, step), ("pooling", pool, pool)):
            if kind == "pooling" and pool == 1:
                continue
            remaining = (remaining - size) // move + 1
            span += (size - 1) * apart
            apart *= move
            divides = dilation == 1 and shift % (stride * move) == 0
            steps.append(PlannedLayer(kind, filters, size, move if divides else 1, dilation))
            stride, dilation = (stride * move, 1) if divides else (stride, dilation * move)
    span += (remaining - 1) * apart
    if remaining < 1 or span < shift:
        raise ValueError(f"A window of {window} steps is too short for the stages {stages} and a shift of {shift}")
    return WindowPlan(tuple(steps), remaining, dilation, shift // stride, span, apart)


def palaz_raw(
    *,
    vocab_size: int = 40,
    sample_rate: int = 16000,
    front_end: str = "raw",
    context_window: int = 4960,
    hop_length: int = 160,
    normalization: str = "utterance",
    n_mfcc: int = 13,
    n_mels: int = 20,
    win_length: int = 400,
    delta_width: int = 2,
    stages: tuple = STAGES,
    hidden: int = 500,
    activation: str = "hard_tanh",
    batch_norm: str = "none",
    dropout: float = 0.0,
    criterion: str = "crf",
):
    """Build the model. The defaults are the paper's shape on the waveform.

    Frame t covers the samples t * hop_length to (t + 1) * hop_length - 1. Its window is centered on them, with zeros
    after the end of the utterance.

    Args:
        vocab_size: Number of phonemes; 40 are CMUdict's 39 and silence.
        sample_rate: Sample rate of the audio in Hz.
        front_end: "raw", or "mfcc" for the baseline with first and second derivatives.
        context_window: Samples around each frame that the model sees (4960 = 310 ms).
        hop_length: Samples between frames (160 = 10 ms).
        normalization: The waveform gets mean 0 and deviation 1: per "utterance", so that windows share computations; or
            per "window" as in the paper, which computes every window separately: some eight times the work and much
            memory.
        n_mfcc: Number of MFCC.
        n_mels: Number of mel bands below the MFCC.
        win_length: Samples of a frame of the MFCC.
        delta_width: Frames on each side of the derivatives of the MFCC.
        stages: Rows (filters, kernel size, stride, pool size): convolution over time, max pooling, activation. The first
            stride counts samples of the waveform or frames of MFCC, the others steps of the previous stage.
        hidden: Units of the hidden layer over the whole window.
        activation: "hard_tanh" (paper) or "relu".
        batch_norm: "sequence" normalizes before every activation (the paper has none), "none".
        dropout: Fraction of features dropped before and after the hidden layer (the paper has none).
        criterion: "crf", whose transitions are part of the model, or "frames", a softmax for each frame.

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32} -> logits
        (batch, samples // hop_length, vocab_size) float32, zero after each utterance.

    Raises:
        ValueError: An unknown name, or a window too short for its stages.
    """
    for value, names in (
        (front_end, ("raw", "mfcc")),
        (normalization, ("utterance", "window")),
        (activation, ("hard_tanh", "relu")),
        (batch_norm, ("none", "sequence")),
        (criterion, ("crf", "frames")),
    ):
        if value not in names:
            raise ValueError(f"palaz_raw supports {', '.join(names)}, not {value!r}")
    use_bias = batch_norm == "none"

    def activate(x, n):
        if batch_norm != "none":
            x, n = layers.MaskedBatchNormalization()(x, n)
        return keras.layers.Activation(activation)(x), n

    audio = keras.Input((None,), dtype="float32", name="audio")
    n = length = keras.Input((), dtype="int32", name="length")
    if front_end == "mfcc":
        x, n = layers.SequenceMask(dtype=FLOAT32)(audio, n)
        side = (win_length - hop_length) // 2  # centers frame t of the features on frame t
        x, n = layers.SequencePadding(side, win_length - hop_length - side, dtype=FLOAT32)(x, n)
        framing = {"win_length": win_length, "hop_length": hop_length, "n_fft": 1 << (win_length - 1).bit_length()}
        x, n = layers.MFCC(n_mfcc, n_mels, sample_rate=sample_rate, **framing, dtype=FLOAT32)(
            x, n
        )  # (batch, frames, 13)
        x, n = layers.Deltas(delta_width, dtype=FLOAT32)(x, n)  # (batch, frames, 39)
        x, n = layers.UtteranceNormalization(dtype=FLOAT32)(x, n)
        plan, step = plan_windows(stages, context_window // hop_length, 1), 1
        before = (context_window // hop_length - 1) // 2
    else:
        plan, step = plan_windows(stages, context_window, hop_length), hop_length
        before = (context_window - hop_length) // 2
    padding = before, plan.span - step - before

    if front_end == "raw" and normalization == "window":
        x, n = layers.SequenceMask(dtype=FLOAT32)(audio, n)
        after = context_window - step - before
        windows = layers.FrameWindows(context_window, hop_length, before, after, dtype=FLOAT32)
        x, n = windows(x, n)  # (batch, frames, 4960, 1)
        for filters, kernel, stride, pool in stages:
            x = keras.layers.Conv2D(filters, (1, kernel), (1, stride), use_bias=use_bias)(x)
            x = keras.layers.MaxPooling2D((1, pool))(x)
            if batch_norm != "none":
                x, n = layers.SequenceMask()(x, n)
            x, n = activate(x, n)
        x = keras.layers.Reshape((-1, plan.positions * stages[-1][0]))(x)
    else:
        if front_end == "raw":
            x, n = layers.UtteranceStandardization(dtype=FLOAT32)(audio, n)
            x = keras.layers.Reshape((-1, 1))(x)  # (batch, samples, 1)
        for number, s in enumerate(plan.steps):
            if s.kind == "convolution":
                options = {"padding": 0 if number else padding, "dilation_rate": s.dilation}
                x, n = layers.SequenceConv1D(s.filters, s.size, s.stride, use_bias=use_bias, **options)(x, n)
            else:
                x, n = layers.SequenceMaxPooling(s.size, s.stride, s.dilation)(x, n)
            if number + 1 == len(plan.steps) or plan.steps[number + 1].kind == "convolution":
                x, n = activate(x, n)
        x, n = layers.GatherWindowPositions(plan.positions, plan.spacing, plan.stride)(x, n)  # (batch, frames, 15 * 60)

    x = layers.Dropout(dropout)(x) if dropout else x
    x = keras.layers.Dense(hidden, use_bias=use_bias)(x)
    x, n = activate(x, n)  # (batch, frames, 500)
    x = layers.Dropout(dropout)(x) if dropout else x
    logits = keras.layers.Dense(vocab_size, dtype=FLOAT32, name="logits")(x)
    head = layers.Transitions() if criterion == "crf" else layers.SequenceMask(dtype=FLOAT32, name="scores")
    logits, _ = head(logits, n)  # (batch, frames, vocab_size)
    return keras.Model({"audio": audio, "length": length}, logits, name="palaz_raw")


# pools of 4, 2 and 2 make strides of 40, 80 and 160 samples, which all divide the hop: the convolutions take 0.75 M
# products a frame, with the paper's pools 3.7 M at this width. Batch normalization shortens training to hours
SMALL: dict[str, Any] = {
    "stages": ((128, 30, 10, 4), (128, 7, 1, 2), (128, 7, 1, 2)),
    "hidden": 768,
    "batch_norm": "sequence",
}

COMMON: dict[str, Any] = {
    "paper": "arXiv:1312.2137", "task": "phoneme-recognition", "builder": "kerasrecipes.recipes.palaz_raw:palaz_raw",
    "title": "End-to-end Phoneme Sequence Recognition using Convolutional Neural Networks",
}  # fmt: skip
TINY_SMALL = {"stages": ((8, 30, 10, 4), (6, 7, 1, 2), (6, 7, 1, 2)), "hidden": 12}

RECIPES = (
    Recipe(
        name="palaz_raw", tags=("crf", "convolutional", "paper"), **COMMON,
        summary="The paper's model: 310 ms of waveform every 10 ms, three convolutions, a hidden layer, a CRF over phonemes.",
        tiny_config={"stages": ((8, 30, 10, 3), (6, 7, 1, 3), (6, 7, 1, 3)), "hidden": 12},
    ),
    Recipe(
        name="palaz_raw_small", changes=SMALL, tags=("crf", "convolutional", "pretrained"), tiny_config=TINY_SMALL, **COMMON,
        summary="The paper's window in strides that divide 10 ms, 128 filters a stage, batch normalization; CRF over 39 phonemes.",
    ),
    Recipe(
        name="palaz_raw_small_frames", changes=SMALL | {"criterion": "frames"}, tiny_config=TINY_SMALL, **COMMON,
        summary="palaz_raw_small with a softmax for each frame instead of the CRF.", tags=("frames", "convolutional"),
    ),
    Recipe(
        name="palaz_mfcc_small", tags=("crf", "convolutional"), **COMMON,
        summary="palaz_raw_small on 13 MFCC with their derivatives instead of the waveform.",
        # the same 26 positions of 128 features, from 31 frames of 39 features
        changes=SMALL | {"front_end": "mfcc", "stages": ((128, 3, 1, 1), (128, 3, 1, 1), (128, 2, 1, 1))},
        tiny_config={"stages": ((8, 3, 1, 1), (6, 3, 1, 1), (6, 2, 1, 1)), "hidden": 12},
    ),
)  # fmt: skip
