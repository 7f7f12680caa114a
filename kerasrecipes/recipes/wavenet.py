"""WaveNet: A Generative Model for Raw Audio (van den Oord et al., arXiv 1609.03499).

    waveform -> mu-law codes -> causal convolution -> layers of gated dilated causal convolutions (figure 4)
             -> sum of skips -> ReLU -> 1x1 -> ReLU -> 1x1 -> scores of the next sample's 256 codes

Scores at sample t are those of sample t + 1 and depend on the R samples up to t alone, R = 1 + (kernel - 1) sum of
dilations + (initial_kernel - 1). The paper gives neither widths nor the number of blocks; where it is silent the defaults are those
of ibab/tensorflow-wavenet (commit 3c973c0), whose 1,515,968 parameters they give.
"""

from typing import Any

from kerasrecipes import layers as parts
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"  # codes, features and scores stay in float32 under mixed precision


def wavenet_trunk(config: dict[str, Any]) -> tuple[dict, Any, Any, Any]:
    """The inputs, the codes, the sum of skips (batch, samples, skip) and the lengths; arguments as in `wavenet`."""
    c = config
    audio = keras.Input((None,), name="audio")
    inputs = {"audio": audio, "length": keras.Input((), dtype="int32", name="length")}
    x, n = parts.SequenceMask(dtype=FLOAT32)(audio, inputs["length"])
    codes = parts.MuLaw(c["levels"])(x)  # (batch, samples)
    x = parts.CausalEmbeddingConv1D(c["residual_channels"], c["initial_kernel"], c["levels"])(
        codes
    )  # (b, samples, residual)
    speaker = local = None
    if c["speakers"]:
        speaker = inputs["speaker"] = keras.Input((), dtype="int32", name="speaker")
    if c["mels"]:
        inputs["spectrogram"] = keras.Input((None, c["mels"]), name="spectrogram")
        inputs["conditioned"] = keras.Input((), dtype="int32", name="conditioned")
        local = parts.LocalConditioning(
            c["conditioning_channels"], c["conditioning_kernel"], c["mel_hop"], c["mel_mean"], c["mel_deviation"],
            c["upsampling"], dtype=FLOAT32, name="local",
        )(inputs["spectrogram"], inputs["conditioned"], n, codes)  # (b, frames or samples, conditioning)  # fmt: skip
    dilations = [2**k for k in range(c["layers"])] * c["blocks"]
    skips = parts.WaveNetStack(
        dilations, c["kernel"], c["dilation_channels"], c["skip_channels"], c["bias"], len(c["speakers"]),
        c["mel_hop"] if c["upsampling"] == "repeat" else 1, name="stack",
    )(x, speaker, local)  # (batch, samples, skip)  # fmt: skip
    return inputs, codes, skips, n


def next_sample_logits(x: Any, n: Any, config: dict[str, Any], logits: str = "logits", scores: str = "scores") -> Any:
    """Scores of the next sample's codes (batch, samples, levels) from skips behind a ReLU; names of the last two layers."""
    x = keras.layers.Dense(config["skip_channels"], use_bias=config["bias"], name="post")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Dense(config["levels"], use_bias=config["bias"], dtype=FLOAT32, name=logits)(x)
    return parts.SequenceMask(dtype=FLOAT32, name=scores)(x, n)[0]


def wavenet(
    *,
    sample_rate: int = 16000,
    levels: int = 256,
    blocks: int = 5,
    layers: int = 10,
    kernel: int = 2,
    initial_kernel: int = 2,
    residual_channels: int = 32,
    dilation_channels: int = 32,
    skip_channels: int = 512,
    bias: bool = True,
    speakers: tuple = (),
    mels: int = 0,
    mel_window: int = 640,
    mel_hop: int = 160,
    mel_floor: float = 1e-3,
    mel_mean: float = 0.0,
    mel_deviation: float = 1.0,
    conditioning_channels: int = 64,
    conditioning_kernel: int = 3,
    upsampling: str = "repeat",
):
    """Build WaveNet; the defaults are the paper's net without conditioning.

    Args:
        sample_rate: of the audio, in Hz. levels: mu-law codes, mu + 1 (paper: 256).
        blocks, layers: the dilations 1, 2, 4, ..., 2 ** (layers - 1), so many times (paper: 1 ... 512, repeated).
        kernel: taps of the dilated convolutions (paper: 2 in its figures). initial_kernel: of the first convolution.
        residual_channels, dilation_channels, skip_channels: widths.
        bias: of all products but the first convolution, which has none.
        speakers: names for global conditioning, a learned vector per layer and speaker; number 0 is nobody in particular.
        mels: bands of a spectrogram for local conditioning; 0 for none. mel_window, mel_hop: of its frames, in samples.
        mel_floor: smallest magnitude of a spectrum's bin. mel_mean, mel_deviation: normalise the logarithms of the bands.
        conditioning_channels, conditioning_kernel, upsampling: of `layers.LocalConditioning`.

    Returns:
        A functional `keras.Model`: {"audio": (batch, samples) float32, "length": (batch,) int32, with speakers "speaker":
        (batch,) int32, with mels "spectrogram": (batch, frames, mels) and "conditioned": (batch,) int32} -> scores
        (batch, samples, levels) float32 of the next sample's code, zero behind each length; no softmax.
    """
    config = dict(locals())
    inputs, _, skips, n = wavenet_trunk(config)
    scores = next_sample_logits(keras.layers.ReLU()(skips), n, config)
    return keras.Model(inputs, scores, name="wavenet")


PAPER = {
    "sample_rate": 16000, "levels": 256, "blocks": 5, "layers": 10, "kernel": 2, "initial_kernel": 2,
    "residual_channels": 32, "dilation_channels": 32, "skip_channels": 512, "bias": True, "speakers": (), "mels": 0,
    "mel_window": 640, "mel_hop": 160, "mel_floor": 1e-3, "mel_mean": 0.0, "mel_deviation": 1.0,
    "conditioning_channels": 64, "conditioning_kernel": 3, "upsampling": "repeat",
}  # fmt: skip

# 128 ms of receptive field; widths that two cores train in hours and sample in minutes; mean and deviation are those of
# the logarithms over 20 clips of each speaker of the training sets
SMALL = PAPER | {
    "blocks": 2, "residual_channels": 64, "dilation_channels": 64, "skip_channels": 128, "speakers": ("kathleen", "lj"),
    "mels": 80, "mel_mean": -4.2, "mel_deviation": 4.0,
}  # fmt: skip

TINY = {"blocks": 2, "layers": 3, "residual_channels": 6, "dilation_channels": 5, "skip_channels": 7}
TINY_SMALL = TINY | {"mels": 12, "conditioning_channels": 4}


def _recipe(name, config, summary, tags, tiny_config):
    return Recipe(
        name=name, paper="arXiv:1609.03499", title="WaveNet: A Generative Model for Raw Audio", task="waveform-generation",
        builder="kerasrecipes.recipes.wavenet:wavenet", config=config, summary=summary,
        tags=("autoregressive", "convolutional", *tags), tiny_config=tiny_config,
    )  # fmt: skip


RECIPES = (
    _recipe(
        "wavenet", PAPER, "The paper's net, unconditioned: 5 blocks of dilations 1 to 512, a receptive field of 320 ms.",
        ("paper",), TINY,
    ),
    _recipe(
        "wavenet_small", SMALL,
        "2 blocks of dilations 1 to 512 for two hours of two speakers; speaks freely, or what a mel spectrogram says.",
        ("pretrained", "vocoder"), TINY_SMALL,
    ),
)  # fmt: skip
