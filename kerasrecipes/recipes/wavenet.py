"""WaveNet: A Generative Model for Raw Audio (van den Oord et al., arXiv 1609.03499).

    audio -> mu-law codes -> causal convolution -> layers of gated dilated causal convolutions (figure 4)
          -> sum of skips -> ReLU -> 1x1 -> ReLU -> 1x1 -> logits of the next sample's 256 codes

The logits at sample t predict sample t + 1 and depend only on the R samples up to t, R = 1 + (kernel_size - 1) sum of
dilations + (initial_kernel_size - 1). The paper gives neither widths nor the number of stacks. Where it is silent the
defaults are those of ibab/tensorflow-wavenet (commit 3c973c0), whose 1,515,968 parameters they give.
"""

from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"  # codes, features and logits stay in float32 under mixed precision


def wavenet_trunk(config: dict[str, Any]) -> tuple[dict, Any, Any, Any]:
    """Return the inputs, the codes, the sum of skips (batch, samples, skip_channels) and the lengths.

    Args:
        config: Arguments of `wavenet`.
    """
    c = config
    audio = keras.Input((None,), name="audio")
    inputs = {"audio": audio, "length": keras.Input((), dtype="int32", name="length")}
    x, n = layers.SequenceMask(dtype=FLOAT32)(audio, inputs["length"])
    codes = layers.MuLaw(c["quantization_channels"])(x)  # (batch, samples)
    widths = c["residual_channels"], c["initial_kernel_size"], c["quantization_channels"]
    x = layers.CausalEmbeddingConv1D(*widths)(codes)  # (batch, samples, residual)
    speaker = local = None
    if c["speakers"]:
        speaker = inputs["speaker"] = keras.Input((), dtype="int32", name="speaker")
    if c["n_mels"]:
        inputs["spectrogram"] = keras.Input((None, c["n_mels"]), name="spectrogram")
        inputs["conditioned"] = keras.Input((), dtype="int32", name="conditioned")
        keys = (
            "conditioning_channels",
            "conditioning_kernel_size",
            "mel_hop_length",
            "mel_mean",
            "mel_std",
            "upsampling",
        )
        conditioning = layers.LocalConditioning(*(c[k] for k in keys), dtype=FLOAT32, name="local")
        # (batch, frames or samples, conditioning_channels)
        local = conditioning(inputs["spectrogram"], inputs["conditioned"], n, codes)
    dilations = [2**k for k in range(c["layers_per_stack"])] * c["num_stacks"]
    stride = c["mel_hop_length"] if c["upsampling"] == "repeat" else 1
    stack = layers.WaveNetStack(
        dilations, c["kernel_size"], c["dilation_channels"], c["skip_channels"], c["use_bias"], len(c["speakers"]), stride, name="stack"
    )
    return inputs, codes, stack(x, speaker, local), n


def next_sample_logits(x: Any, n: Any, config: dict[str, Any], name: str = "logits", mask_name: str = "scores") -> Any:
    """Return logits of the next sample's code (batch, samples, codes) from the skips after their ReLU.

    Args:
        x: (batch, samples, skip_channels).
        n: (batch,) lengths.
        config: Arguments of `wavenet`.
        name: Name of the last dense layer.
        mask_name: Name of the mask after it.
    """
    x = keras.layers.Dense(config["skip_channels"], use_bias=config["use_bias"], name="post")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Dense(config["quantization_channels"], use_bias=config["use_bias"], dtype=FLOAT32, name=name)(x)
    return layers.SequenceMask(dtype=FLOAT32, name=mask_name)(x, n)[0]


def wavenet(
    *,
    sample_rate: int = 16000,
    quantization_channels: int = 256,
    num_stacks: int = 5,
    layers_per_stack: int = 10,
    kernel_size: int = 2,
    initial_kernel_size: int = 2,
    residual_channels: int = 32,
    dilation_channels: int = 32,
    skip_channels: int = 512,
    use_bias: bool = True,
    speakers: tuple = (),
    n_mels: int = 0,
    mel_win_length: int = 640,
    mel_hop_length: int = 160,
    mel_epsilon: float = 1e-3,
    mel_mean: float = 0.0,
    mel_std: float = 1.0,
    conditioning_channels: int = 64,
    conditioning_kernel_size: int = 3,
    upsampling: str = "repeat",
):
    """Build WaveNet. The defaults are the paper's model without conditioning.

    Args:
        sample_rate: Sample rate of the audio in Hz.
        quantization_channels: Number of mu-law codes, mu + 1 (paper: 256).
        num_stacks: Number of repetitions of the dilations.
        layers_per_stack: Each stack has the dilations 1, 2, 4, ..., 2 ** (layers_per_stack - 1) (paper: 1 ... 512).
        kernel_size: Taps of the dilated convolutions (2 in the paper's figures).
        initial_kernel_size: Taps of the first convolution.
        residual_channels: Channels between the layers.
        dilation_channels: Channels of a filter and of a gate.
        skip_channels: Channels of the sum of skips.
        use_bias: Add biases to all products but the first convolution, which has none.
        speakers: Names for global conditioning, a learned vector per layer and speaker; index 0 is "no speaker".
        n_mels: Mel bands of the spectrogram for local conditioning; 0 for none.
        mel_win_length: Samples of a frame of the spectrogram.
        mel_hop_length: Samples between its frames.
        mel_epsilon: Smallest magnitude of a spectrum's bin.
        mel_mean: Mean that normalizes the log mel bands.
        mel_std: Standard deviation that normalizes them.
        conditioning_channels: `channels` of `layers.LocalConditioning`.
        conditioning_kernel_size: `kernel_size` of `layers.LocalConditioning`.
        upsampling: `upsampling` of `layers.LocalConditioning`.

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32, with speakers "speaker":
        (batch,) int32, with mel bands "spectrogram": (batch, frames, n_mels) and "conditioned": (batch,) int32} -> logits
        (batch, samples, quantization_channels) float32 of the next sample's code, zero after each length.
    """
    config = dict(locals())
    inputs, _, skips, n = wavenet_trunk(config)
    logits = next_sample_logits(keras.layers.ReLU()(skips), n, config)
    return keras.Model(inputs, logits, name="wavenet")


COMMON: dict[str, Any] = {
    "paper": "arXiv:1609.03499", "title": "WaveNet: A Generative Model for Raw Audio", "task": "waveform-generation",
    "builder": "kerasrecipes.recipes.wavenet:wavenet",
}  # fmt: skip
TINY = {"num_stacks": 2, "layers_per_stack": 3, "residual_channels": 6, "dilation_channels": 5, "skip_channels": 7}

RECIPES = (
    Recipe(
        name="wavenet", tags=("autoregressive", "convolutional", "paper"), tiny_config=TINY, **COMMON,
        summary="The paper's model, unconditioned: 5 stacks of dilations 1 to 512, a receptive field of 320 ms.",
    ),
    Recipe(
        name="wavenet_small", tags=("autoregressive", "convolutional", "pretrained", "vocoder"), **COMMON,
        summary="2 stacks of dilations 1 to 512 for two hours of two speakers; generates freely or from a mel spectrogram.",
        # a receptive field of 128 ms; two cores train these widths in hours and sample them in minutes. Mean and standard
        # deviation are those of 20 clips of each speaker of the training sets
        changes={
            "num_stacks": 2, "residual_channels": 64, "dilation_channels": 64, "skip_channels": 128,
            "speakers": ("kathleen", "lj"), "n_mels": 80, "mel_mean": -4.2, "mel_std": 4.0,
        },
        tiny_config=TINY | {"n_mels": 12, "conditioning_channels": 4},
    ),
)  # fmt: skip
