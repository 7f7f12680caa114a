"""Write the files of the page WaveNet: weights and spectrograms of clips, and copies of the clips as MP3."""

from pathlib import Path
from typing import Any

import numpy as np
from live_packing import pack

RECIPE = "wavenet_small"
CLIPS = {  # docs/live/samples/NAME.mp3: (speaker, credit)
    "kathleen": ("kathleen", "a CMU Arctic prompt that is not in the training data, read by Kathleen, CC0"),
    "lj": ("lj", "LJ Speech (K. Ito, L. Johnson; LibriVox), public domain; the network was trained on it"),
}
SAMPLES = Path(__file__).parents[1] / "live" / "samples"


def write_network(path: Path) -> None:
    """Write the released network with the spectrograms of all clips."""
    import kerasrecipes

    pack_network(kerasrecipes.load(RECIPE, compile=False), path, {name: SAMPLES / f"{name}.mp3" for name in CLIPS})


def pack_network(model: Any, path: Path, clips: dict[str, Path]) -> None:
    """Write a `WaveGenerator` in the format that docs/live/wave_sampler.js reads.

    Raises:
        NotImplementedError: the model upsamples its conditions by transposed convolutions, which the page does not support.
    """
    from kerasrecipes import layers
    from kerasrecipes.inference.wavenet_sampler import extract_weights, find_layer

    s, w = model.hparams, extract_weights(model)
    first, stack = find_layer(model, layers.CausalEmbeddingConv1D), find_layer(model, layers.WaveNetStack)
    if s["n_mels"] and s["upsampling"] != "repeat":
        raise NotImplementedError("The page repeats frames and does not support transposed convolutions")
    double = 2 * s["dilation_channels"]
    arrays = {
        "codes": np.asarray(first.kernel), "past": w.past, "present": np.stack(w.present),
        "residual": np.stack(w.residual), "residual_bias": w.residual_bias, "skip": w.skip, "skip_bias": w.skip_bias,
        "bias": np.zeros((len(stack.dilations), double)) if stack.bias is None else np.asarray(stack.bias),
        **dict(zip(("post", "post_bias", "logits", "logits_bias"), w.post, strict=True)),
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


def write_copy(name: str, path: Path) -> None:
    """Write the copy that the network generates from the spectrogram of a clip, as MP3."""
    import soundfile

    import kerasrecipes

    model = kerasrecipes.load(RECIPE, compile=False)
    sound = model.vocode(SAMPLES / f"{name}.mp3", speaker=CLIPS[name][0], seed=1)
    soundfile.write(path, sound.samples, sound.sample_rate, format="MP3")


def write_kathleen_copy(path: Path) -> None:
    write_copy("kathleen", path)


def write_lj_copy(path: Path) -> None:
    write_copy("lj", path)
