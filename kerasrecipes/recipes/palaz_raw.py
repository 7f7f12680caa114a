"""End-to-end Phoneme Sequence Recognition using Convolutional Neural Networks (Palaz, Collobert, Magimai.-Doss, arXiv 1312.2137).

    for every 10 ms: a window of 310 ms of waveform -> (convolution -> max-pooling -> HardTanh) x 3 -> all that is left of
    the window -> one hidden layer -> scores of phones -> CRF over the utterance, or a softmax for each frame

The paper slides the window over the utterance; here one pass gives the same scores (`layers/windows.py`): a stride that
divides the shift between windows is a stride, any other one spreads the taps of all that follows.
"""

from dataclasses import dataclass

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"  # features and scores stay in float32 under mixed precision

STAGES = ((80, 30, 10, 3), (60, 7, 1, 3), (60, 7, 1, 3))  # filters, kernel, stride, pool


@dataclass(frozen=True)
class PlannedLayer:
    """A convolution or a pooling as it runs over the utterance: `stride` or, where that cannot be, `dilation`."""

    kind: str
    filters: int
    size: int
    stride: int
    dilation: int


@dataclass(frozen=True)
class WindowPlan:
    """How the windows of all frames are computed at once.

    Args:
        steps: convolutions and poolings. positions: of a window at the end; `spacing` steps apart, and `stride` steps from
            window to window. span: input steps of a window that any position sees. apart: input steps between positions.
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
        ValueError: a window is too short for its stages, or shorter than the shift.
    """
    steps: list[PlannedLayer] = []
    left, span, apart = window, 1, 1  # steps left in the window; what one of them sees, and their distance
    stride, dilation = 1, 1  # input steps between two steps of the utterance; of these between two of the window
    for filters, kernel, step, pool in stages:
        for kind, size, move in (("convolution", kernel, step), ("pooling", pool, pool)):
            if kind == "pooling" and pool == 1:
                continue
            left = (left - size) // move + 1
            span += (size - 1) * apart
            apart *= move
            whole = dilation == 1 and shift % (stride * move) == 0
            steps.append(PlannedLayer(kind, filters, size, move if whole else 1, dilation))
            stride, dilation = (stride * move, 1) if whole else (stride, dilation * move)
    span += (left - 1) * apart
    if left < 1 or span < shift:
        raise ValueError(f"A window of {window} steps is too short for the stages {stages} and a shift of {shift}")
    return WindowPlan(tuple(steps), left, dilation, shift // stride, span, apart)


def palaz_raw(
    *,
    vocabulary: int = 40,
    sample_rate: int = 16000,
    front_end: str = "raw",
    window: int = 4960,
    shift: int = 160,
    normalization: str = "utterance",
    coefficients: int = 13,
    filters: int = 20,
    frame: int = 400,
    reach: int = 2,
    stages: tuple = STAGES,
    hidden: int = 500,
    activation: str = "hard_tanh",
    batch_norm: str = "none",
    dropout: float = 0.0,
    criterion: str = "crf",
):
    """Build the network; the defaults are the paper's shape on raw speech.

    Frame t is that of the samples from t * shift to (t + 1) * shift - 1; its window lies around their middle, with zeros
    where the utterance has ended.

    Args:
        vocabulary: phones; 40 are CMUdict's 39 and silence.
        sample_rate: of the audio, in Hz.
        front_end: "raw", or "mfcc" for the baseline: `coefficients` from `filters` mel bands of `frame` samples every
            `shift`, with first and second derivatives over `reach` frames on each side.
        window: samples around each frame (4960 = 310 ms). shift: samples between frames (160 = 10 ms).
        normalization: of the waveform to mean 0 and deviation 1: "utterance", so that one pass is possible; or "window",
            each window by itself as in the paper, every window computed on its own: some eight times the work and much memory.
        stages: rows (filters, kernel, stride, pool): convolution over time, max-pooling, non-linearity. Strides in samples
            of the waveform or in frames of MFCC for the first, then in steps of what is before.
        hidden: units of the hidden layer over the whole window.
        activation: "hard_tanh" (paper) or "relu".
        batch_norm: "sequence" normalises in front of every non-linearity (the paper has none), "none".
        dropout: share of features dropped in front of and behind the hidden layer (the paper has none).
        criterion: "crf", whose transitions are part of the net, or "frames", a softmax for each frame.

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32} -> scores
        (batch, samples // shift, vocabulary) float32, zero behind each utterance; no softmax.

    Raises:
        ValueError: an unknown name, or a window too short for its stages.
    """
    for value, known in (
        (front_end, ("raw", "mfcc")), (normalization, ("utterance", "window")), (activation, ("hard_tanh", "relu")),
        (batch_norm, ("none", "sequence")), (criterion, ("crf", "frames")),
    ):  # fmt: skip
        if value not in known:
            raise ValueError(f"palaz_raw knows {', '.join(known)}, not {value!r}")

    def activate(x, n):
        if batch_norm != "none":
            x, n = layers.MaskedBatchNormalization()(x, n)
        return keras.layers.Activation(activation)(x), n

    audio = keras.Input((None,), dtype="float32", name="audio")
    n = length = keras.Input((), dtype="int32", name="length")
    if front_end == "mfcc":
        x, n = layers.SequenceMask(dtype=FLOAT32)(audio, n)
        side = (frame - shift) // 2  # so that frame t of the features lies around frame t
        x, n = layers.SequencePadding(side, frame - shift - side, dtype=FLOAT32)(x, n)
        size = 1 << (frame - 1).bit_length()
        x, n = layers.MFCC(
            coefficients, filters, sample_rate=sample_rate, window=frame, hop=shift, size=size, dtype=FLOAT32
        )(x, n)  # (batch, frames, 13)
        x, n = layers.Deltas(reach, dtype=FLOAT32)(x, n)  # (batch, frames, 39)
        x, n = layers.UtteranceNormalization(dtype=FLOAT32)(x, n)
        laid, step = plan_windows(stages, window // shift, 1), 1
        before = (window // shift - 1) // 2
    else:
        laid, step = plan_windows(stages, window, shift), shift
        before = (window - shift) // 2
    padding = before, laid.span - step - before

    if front_end == "raw" and normalization == "window":
        x, n = layers.SequenceMask(dtype=FLOAT32)(audio, n)
        behind = window - step - before
        x, n = layers.FrameWindows(window, shift, before, behind, dtype=FLOAT32)(x, n)  # (batch, frames, 4960, 1)
        for outputs, kernel, stride, pool in stages:
            x = keras.layers.Conv2D(outputs, (1, kernel), (1, stride), use_bias=batch_norm == "none")(x)
            x = keras.layers.MaxPooling2D((1, pool))(x)
            if batch_norm != "none":
                x, n = layers.SequenceMask()(x, n)
            x, n = activate(x, n)
        x = keras.layers.Reshape((-1, laid.positions * stages[-1][0]))(x)
    else:
        if front_end == "raw":
            x, n = layers.UtteranceStandardization(dtype=FLOAT32)(audio, n)
            x = keras.layers.Reshape((-1, 1))(x)  # (batch, samples, 1)
        for place, s in enumerate(laid.steps):
            if s.kind == "convolution":
                x, n = layers.SequenceConv1D(
                    s.filters, s.size, s.stride, bias=batch_norm == "none", padding=padding if place == 0 else 0,
                    dilation=s.dilation,
                )(x, n)  # fmt: skip
            else:
                x, n = layers.SequenceMaxPooling(s.size, s.stride, s.dilation)(x, n)
            if place + 1 == len(laid.steps) or laid.steps[place + 1].kind == "convolution":
                x, n = activate(x, n)
        x, n = layers.GatherWindowPositions(laid.positions, laid.spacing, laid.stride)(x, n)  # (batch, frames, 15 * 60)

    x = layers.Dropout(dropout)(x) if dropout else x
    x = keras.layers.Dense(hidden, use_bias=batch_norm == "none")(x)
    if batch_norm != "none":
        x, n = layers.SequenceMask()(x, n)
    x, n = activate(x, n)  # (batch, frames, 500)
    x = layers.Dropout(dropout)(x) if dropout else x
    logits = keras.layers.Dense(vocabulary, dtype=FLOAT32, name="logits")(x)
    head = layers.Transitions() if criterion == "crf" else layers.SequenceMask(dtype=FLOAT32, name="scores")
    scores, _ = head(logits, n)  # (batch, frames, vocabulary)
    return keras.Model({"audio": audio, "length": length}, scores, name="palaz_raw")


PAPER = {
    "vocabulary": 40, "sample_rate": 16000, "front_end": "raw", "window": 4960, "shift": 160,
    "normalization": "utterance", "coefficients": 13, "filters": 20, "frame": 400, "reach": 2, "stages": STAGES,
    "hidden": 500, "activation": "hard_tanh", "batch_norm": "none", "dropout": 0.0, "criterion": "crf",
}  # fmt: skip

# pools of 4, 2 and 2 make strides of 40, 80 and 160 samples, which all divide the shift: 0.43 M products a frame in the
# convolutions where the paper's pools would take 2.1 M at this width; batch normalisation for a training of hours on seven
# hours of speech
SMALL = PAPER | {
    "stages": ((96, 30, 10, 4), (96, 7, 1, 2), (96, 7, 1, 2)), "hidden": 512, "batch_norm": "sequence",
}  # fmt: skip

# the same 26 positions of 96 features, from 31 frames of 39 features
MFCC_SMALL = SMALL | {"front_end": "mfcc", "stages": ((128, 3, 1, 1), (128, 3, 1, 1), (96, 2, 1, 1))}

TINY = {"stages": ((8, 30, 10, 3), (6, 7, 1, 3), (6, 7, 1, 3)), "hidden": 12}
TINY_SMALL = {"stages": ((8, 30, 10, 4), (6, 7, 1, 2), (6, 7, 1, 2)), "hidden": 12}
TINY_MFCC = {"stages": ((8, 3, 1, 1), (6, 3, 1, 1), (6, 2, 1, 1)), "hidden": 12}


def _recipe(name, config, summary, tags, tiny_config):
    return Recipe(
        name=name, paper="arXiv:1312.2137",
        title="End-to-end Phoneme Sequence Recognition using Convolutional Neural Networks",
        task="phoneme-recognition", builder="kerasrecipes.recipes.palaz_raw:palaz_raw", config=config,
        summary=summary, tags=(config["criterion"], "convolutional", *tags), tiny_config=tiny_config,
    )  # fmt: skip


RECIPES = (
    _recipe(
        "palaz_raw", PAPER,
        "The paper's net: 310 ms of waveform around every 10 ms, three filter stages, a hidden layer, a CRF over phones.",
        ("paper",), TINY,
    ),
    _recipe(
        "palaz_raw_small", SMALL,
        "The paper's window in strides that divide 10 ms, 96 filters a stage, batch normalisation; CRF over 39 phones.",
        ("pretrained",), TINY_SMALL,
    ),
    _recipe(
        "palaz_raw_small_frames", SMALL | {"criterion": "frames"},
        "palaz_raw_small with a softmax for each frame instead of the CRF.", ("pretrained",), TINY_SMALL,
    ),
    _recipe(
        "palaz_mfcc_small", MFCC_SMALL,
        "palaz_raw_small's twin on 13 MFCC with their derivatives instead of the waveform.", ("pretrained",), TINY_MFCC,
    ),
)  # fmt: skip
