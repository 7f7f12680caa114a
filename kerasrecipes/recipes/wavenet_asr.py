"""WaveNet as a recogniser of phones (van den Oord et al., arXiv 1609.03499, section 3.4).

    waveform -> the dilated causal stack of `recipes.wavenet` -> sum of skips -> ReLU
             -> means of 10 ms -> a few non-causal convolutions -> scores of each frame's phone
             -> 1x1 -> ReLU -> 1x1 -> scores of the next sample's code

The paper says that much, that two losses (next sample, phone of the frame) generalise better than one, and 18.8 % phone
errors on TIMIT. It gives neither widths, nor number and kernels of the non-causal convolutions, nor the losses' weights, nor how
a frame's scores become a string of phones.
"""

from kerasrecipes import layers as parts
from kerasrecipes._lazy import keras
from kerasrecipes.recipes.wavenet import FLOAT32, wavenet_trunk
from kerasrecipes.recipes.wavenet import next_sample_logits as next_codes
from kerasrecipes.registry import Recipe


def wavenet_asr(
    *,
    vocabulary: int = 40,
    sample_rate: int = 16000,
    pool: int = 160,
    top: tuple = ((128, 3), (128, 3)),
    batch_norm: str = "none",
    dropout: float = 0.0,
    criterion: str = "frames",
    next_sample: float = 1.0,
    every: int = 1,
    levels: int = 256,
    blocks: int = 5,
    layers: int = 10,
    kernel: int = 2,
    initial_kernel: int = 2,
    residual_channels: int = 32,
    dilation_channels: int = 32,
    skip_channels: int = 512,
    bias: bool = True,
):
    """Build the network. Frame t is that of the samples from t * pool to (t + 1) * pool - 1.

    Args:
        vocabulary: phones; 40 are CMUdict's 39 and silence.
        sample_rate: of the audio, in Hz. pool: samples of a frame (paper: 10 ms).
        top: (filters, kernel) of each non-causal convolution over frames.
        batch_norm: "sequence" normalises behind the means and in front of every ReLU above them (the paper has none), "none".
        dropout: share of features dropped behind the means and each non-causal convolution (the paper has none).
        criterion: "frames", a softmax for each frame, or "crf", whose transitions are part of the net.
        next_sample: weight of the next sample's loss beside the frames'; 0 builds the net without that output.
        every: of so many samples one has its successor predicted, another one in every batch; 1 for all.
        levels, blocks, layers, kernel, initial_kernel, residual_channels, dilation_channels, skip_channels, bias: as in
            `recipes.wavenet.wavenet`.

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32} -> {"frames": scores
        (batch, samples // pool, vocabulary) float32 of phones; "samples": scores (batch, samples // every, levels) float32
        of the code that follows, causal; "targets": (batch, samples // every) int32, that code, -1 where the clip has none},
        scores zero behind each length; no softmax. With `next_sample` 0 only the scores of phones, not in a dict.

    Raises:
        ValueError: an unknown name.
    """
    config = {**locals(), "speakers": (), "mels": 0, "upsampling": None}
    for value, known in ((batch_norm, ("none", "sequence")), (criterion, ("frames", "crf"))):
        if value not in known:
            raise ValueError(f"wavenet_asr knows {', '.join(known)}, not {value!r}")
    inputs, codes, skips, n = wavenet_trunk(config)
    skips = keras.layers.ReLU()(skips)

    def normalised(x, frames):
        return parts.MaskedBatchNormalization()(x, frames) if batch_norm == "sequence" else (x, frames)

    x, frames = normalised(*parts.SequenceAveragePooling(pool)(skips, n))  # (batch, samples // pool, skip)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    for filters, width in top:
        x, frames = normalised(*parts.SequenceConv1D(filters, width, bias=batch_norm == "none")(x, frames))
        x = keras.layers.ReLU()(x)
        x = keras.layers.Dropout(dropout)(x) if dropout else x
    x = keras.layers.Dense(vocabulary, dtype=FLOAT32, name="logits")(x)
    head = parts.Transitions() if criterion == "crf" else parts.SequenceMask(dtype=FLOAT32, name="frames")
    phones, _ = head(x, frames)  # (batch, samples // pool, vocabulary)
    if not next_sample:
        return keras.Model(inputs, phones, name="wavenet_asr")
    some, targets, count = parts.NextSampleTargets(every)(skips, codes, n)
    scores = next_codes(some, count, config, "codes", "samples")  # (batch, samples // every, levels)
    return keras.Model(inputs, {"frames": phones, "samples": scores, "targets": targets}, name="wavenet_asr")


PAPER = {
    "vocabulary": 40, "sample_rate": 16000, "pool": 160, "top": ((128, 3), (128, 3)), "batch_norm": "none", "dropout": 0.0,
    "criterion": "frames", "next_sample": 1.0, "every": 1, "levels": 256, "blocks": 5, "layers": 10, "kernel": 2,
    "initial_kernel": 2, "residual_channels": 32, "dilation_channels": 32, "skip_channels": 512, "bias": True,
}  # fmt: skip

# one block sees the 64 ms that two of dilations 1 to 256 see, for five ninths of their work; 250 ms of frames, with
# the stack as much as Palaz et al.'s window, in convolutions that cost next to nothing at 100 steps a second; the next
# sample of one in eight
SMALL = PAPER | {
    "blocks": 1, "skip_channels": 64, "top": ((128, 9), (128, 9), (128, 9)), "batch_norm": "sequence",
    "next_sample": 0.3, "every": 8, "criterion": "crf",
}  # fmt: skip

TINY = {
    "blocks": 2, "layers": 3, "residual_channels": 6, "dilation_channels": 5, "skip_channels": 7, "top": ((8, 3), (6, 3)),
}  # fmt: skip


def _recipe(name, config, summary, tags):
    return Recipe(
        name=name, paper="arXiv:1609.03499", title="WaveNet: A Generative Model for Raw Audio",
        task="phoneme-recognition", builder="kerasrecipes.recipes.wavenet_asr:wavenet_asr", config=config,
        summary=summary, tags=("convolutional", *tags), tiny_config=TINY,
    )  # fmt: skip


RECIPES = (
    _recipe(
        "wavenet_asr", PAPER,
        "The paper's recogniser: WaveNet's stack, means of 10 ms, non-causal convolutions; predicts phones and next samples.",
        ("frames", "paper"),
    ),
    _recipe(
        "wavenet_asr_small", SMALL,
        "One block of dilations 1 to 512, three convolutions over 9 frames, batch normalisation, a CRF; 39 phones.",
        ("crf", "pretrained"),
    ),
)  # fmt: skip
