"""WaveNet as a phoneme recognizer (van den Oord et al., arXiv 1609.03499, section 3.4).

    audio -> the dilated causal stack of `recipes.wavenet` -> sum of skips -> ReLU
          -> means of 10 ms -> a few non-causal convolutions -> logits of each frame's phoneme
          -> 1x1 -> ReLU -> 1x1 -> logits of the next sample's code

The paper says this much, that two losses (next sample, phoneme of the frame) generalize better than one, and 18.8 %
phoneme errors on TIMIT. It gives neither widths, nor number and kernels of the non-causal convolutions, nor the weights
of the losses, nor how the outputs of the frames become a phoneme sequence.
"""

from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.recipes.wavenet import FLOAT32, next_sample_logits, wavenet_trunk
from kerasrecipes.registry import Recipe


def wavenet_asr(
    *,
    vocab_size: int = 40,
    sample_rate: int = 16000,
    pool_size: int = 160,
    top: tuple = ((128, 3), (128, 3)),
    batch_norm: str = "none",
    dropout: float = 0.0,
    criterion: str = "frames",
    sample_loss_weight: float = 1.0,
    sample_loss_stride: int = 1,
    quantization_channels: int = 256,
    num_stacks: int = 5,
    layers_per_stack: int = 10,
    kernel_size: int = 2,
    initial_kernel_size: int = 2,
    residual_channels: int = 32,
    dilation_channels: int = 32,
    skip_channels: int = 512,
    use_bias: bool = True,
):
    """Build the model. Frame t covers the samples t * pool_size to (t + 1) * pool_size - 1.

    Args:
        vocab_size: Number of phonemes; 40 are CMUdict's 39 and silence.
        sample_rate: Sample rate of the audio in Hz.
        pool_size: Samples of a frame (paper: 10 ms).
        top: (filters, kernel size) of each non-causal convolution over frames.
        batch_norm: "sequence" normalizes after the means and before every ReLU above them (the paper has none), "none".
        dropout: Fraction of features dropped after the means and each non-causal convolution (the paper has none).
        criterion: "frames", a softmax for each frame, or "crf", whose transitions are part of the model.
        sample_loss_weight: Weight of the next-sample loss beside the loss of the frames; 0 builds the model without that
            output.
        sample_loss_stride: The next sample is predicted at one step out of this many, another one in every batch.
        quantization_channels: As in `recipes.wavenet.wavenet`, like the following arguments.
        num_stacks: Number of repetitions of the dilations.
        layers_per_stack: Layers of each stack.
        kernel_size: Taps of the dilated convolutions.
        initial_kernel_size: Taps of the first convolution.
        residual_channels: Channels between the layers.
        dilation_channels: Channels of a filter and of a gate.
        skip_channels: Channels of the sum of skips.
        use_bias: Add biases.

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32} -> {"frames": logits
        (batch, samples // pool_size, vocab_size) float32 of phonemes; "samples": causal logits (batch, samples //
        sample_loss_stride, quantization_channels) float32 of the next code; "targets": (batch, samples //
        sample_loss_stride) int32, that code, -1 where the clip has none}, logits zero after each length. With
        `sample_loss_weight` 0 it returns only the logits of phonemes, not in a dict.

    Raises:
        ValueError: An unknown name.
    """
    config = {**locals(), "speakers": (), "n_mels": 0, "upsampling": None}
    for value, names in ((batch_norm, ("none", "sequence")), (criterion, ("frames", "crf"))):
        if value not in names:
            raise ValueError(f"wavenet_asr supports {', '.join(names)}, not {value!r}")
    inputs, codes, skips, n = wavenet_trunk(config)
    skips = keras.layers.ReLU()(skips)

    def normalize(x, frames):
        return layers.MaskedBatchNormalization()(x, frames) if batch_norm == "sequence" else (x, frames)

    x, frames = normalize(*layers.SequenceAveragePooling(pool_size)(skips, n))  # (batch, frames, skip_channels)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    for filters, kernel in top:
        x, frames = normalize(*layers.SequenceConv1D(filters, kernel, use_bias=batch_norm == "none")(x, frames))
        x = keras.layers.ReLU()(x)
        x = keras.layers.Dropout(dropout)(x) if dropout else x
    x = keras.layers.Dense(vocab_size, dtype=FLOAT32, name="logits")(x)
    head = layers.Transitions() if criterion == "crf" else layers.SequenceMask(dtype=FLOAT32, name="frames")
    phonemes, _ = head(x, frames)  # (batch, samples // pool_size, vocab_size)
    if not sample_loss_weight:
        return keras.Model(inputs, phonemes, name="wavenet_asr")
    selected, targets, count = layers.NextSampleTargets(sample_loss_stride)(skips, codes, n)
    samples = next_sample_logits(selected, count, config, "codes", "samples")  # (batch, samples // stride, codes)
    return keras.Model(inputs, {"frames": phonemes, "samples": samples, "targets": targets}, name="wavenet_asr")


COMMON: dict[str, Any] = {
    "paper": "arXiv:1609.03499", "title": "WaveNet: A Generative Model for Raw Audio", "task": "phoneme-recognition",
    "builder": "kerasrecipes.recipes.wavenet_asr:wavenet_asr",
    "tiny_config": {
        "num_stacks": 2, "layers_per_stack": 3, "residual_channels": 6, "dilation_channels": 5, "skip_channels": 7,
        "top": ((8, 3), (6, 3)),
    },
}  # fmt: skip

RECIPES = (
    Recipe(
        name="wavenet_asr", tags=("convolutional", "frames", "paper"), **COMMON,
        summary="The paper's recognizer: WaveNet's stack, means of 10 ms, non-causal convolutions; phonemes and next samples.",
    ),
    Recipe(
        name="wavenet_asr_small", tags=("convolutional", "crf", "pretrained"), **COMMON,
        summary="One stack of dilations 1 to 512, three convolutions over 9 frames, batch normalization, a CRF; 39 phonemes.",
        # one stack sees the 64 ms that two stacks of dilations 1 to 256 see, at five ninths of their cost. The top sees
        # 250 ms of frames, with the stack as much as Palaz et al.'s window, and costs little at 100 steps a second
        changes={
            "num_stacks": 1, "skip_channels": 64, "top": ((256, 9), (256, 9), (256, 9)), "batch_norm": "sequence",
            "sample_loss_weight": 0.3, "sample_loss_stride": 8, "criterion": "crf",
        },
    ),
)  # fmt: skip
