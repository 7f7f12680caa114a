"""What the page WaveNet needs: the weights as its loop reads them, spectrograms of clips to copy, and copies made before."""

from pathlib import Path
from typing import Any

import numpy as np
from live_packing import pack

RECIPE = "wavenet_small"
CLIPS = {  # docs/live/samples/NAME.mp3: who speaks, and what
    "kathleen": ("kathleen", "a CMU Arctic prompt that is in no training set, read by Kathleen, CC0"),
    "lj": ("lj", "LJ Speech (K. Ito, L. Johnson; LibriVox), public domain; the network was trained on it"),
}
SAMPLES = Path(__file__).parents[1] / "live" / "samples"


def weights(path: Path) -> None:
    """The released network with the spectrograms of all clips."""
    import kerasrecipes

    pack_network(kerasrecipes.load(RECIPE, compile=False), path, {name: SAMPLES / f"{name}.mp3" for name in CLIPS})


def pack_network(model: Any, path: Path, clips: dict[str, Path]) -> None:
    """A `WaveGenerator` as docs/live/wave_loop.js reads it.

    Raises:
        NotImplementedError: its conditions are upsampled by transposed convolutions, which the page does not know.
    """
    from kerasrecipes import layers
    from kerasrecipes.inference.wavenet_sampler import extract_weights, find_layer

    s, found = model.hparams, extract_weights(model)
    first, stack = find_layer(model, layers.CausalEmbeddingConv1D), find_layer(model, layers.WaveNetStack)
    if s["n_mels"] and s["upsampling"] != "repeat":
        raise NotImplementedError("The page's loop repeats frames; it knows no transposed convolutions")
    double = 2 * s["dilation_channels"]
    arrays = {
        "codes": np.asarray(first.kernel), "past": found.past, "present": np.stack(found.present),
        "residual": np.stack(found.residual), "residual_bias": found.residual_bias, "skip": found.skip, "skip_bias": found.skip_bias,
        "bias": np.zeros((len(stack.dilations), double)) if stack.bias is None else np.asarray(stack.bias),
        **dict(zip(("post", "post_bias", "logits", "logits_bias"), found.post, strict=True)),
    }  # fmt: skip
    if stack.speaker_kernel is not None:
        arrays["speakers"] = np.asarray(stack.speaker_kernel)
    if s["n_mels"]:
        local = model.get_layer("local")
        arrays |= {
            "nothing": np.asarray(local.nothing), "local": np.asarray(local.kernel), "local_bias": np.asarray(local.bias),
            "conditions": np.asarray(stack.local_kernel),
        }  # fmt: skip
    spectra = {name: model.spectrogram(clip).astype("float16") for name, clip in clips.items()} if s["n_mels"] else {}
    arrays |= {f"clip_{name}": spectrum for name, spectrum in spectra.items()}
    header = {
        "dilations": list(stack.dilations), "taps": stack.kernel_size, "recent": first.kernel_size, "levels": model.quantization_levels,
        "width": s["residual_channels"], "filters": s["dilation_channels"], "skips": s["skip_channels"],
        "rate": model.sample_rate, "speakers": ["", *model.speakers], "mels": s["n_mels"], "hop": s["mel_hop_length"],
        "reach": s["conditioning_kernel_size"], "mean": s["mel_mean"], "deviation": s["mel_std"],
        "field": model.receptive_field,
        "clips": {name: {"speaker": CLIPS[name][0], "credit": CLIPS[name][1]} for name in spectra},
    }  # fmt: skip
    pack(path, header, arrays)


def copied(name: str, path: Path) -> None:
    """A clip as the network speaks it after its spectrogram, MP3."""
    import soundfile

    import kerasrecipes

    model = kerasrecipes.load(RECIPE, compile=False)
    sound = model.vocode(SAMPLES / f"{name}.mp3", speaker=CLIPS[name][0], seed=1)
    soundfile.write(path, sound.samples, sound.sample_rate, format="MP3")


def copied_kathleen(path: Path) -> None:
    copied("kathleen", path)


def copied_lj(path: Path) -> None:
    copied("lj", path)
