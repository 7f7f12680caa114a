"""Inputs of the goldens of recipes: seeded weights in the layout of the original programs."""

import numpy as np
from golden_inputs import sample

# name -> side and channels of the image, (filters, size, pool) of each stage, l2 decay and batch size of the demo
CONVNETJS = {
    "convnetjs_mnist": (24, 1, ((8, 5, 2), (16, 5, 3)), 0.001, 20),
    "convnetjs_cifar10": (32, 3, ((16, 5, 2), (20, 5, 2), (20, 5, 2)), 0.0001, 4),
}


def make_convnetjs_case(name: str, images: int) -> dict:
    """Return images (n, side, side, channels) in -0.5 ... 0.5, labels, and [kernel (filters, y, x, depth), bias] of each layer."""
    side, channels, stages, _, _ = CONVNETJS[name]
    rng = np.random.RandomState(20 + side)
    weights, depth, width = [], channels, side
    for filters, size, pool in stages:
        weights.append((sample(rng, filters, size, size, depth, scale=(size * size * depth) ** -0.5), sample(rng, filters, scale=0.1)))
        depth, width = filters, width // pool
    weights.append((sample(rng, 10, width, width, depth, scale=(width * width * depth) ** -0.5), sample(rng, 10, scale=0.1)))
    pixels = rng.uniform(-0.5, 0.5, (images, side, side, channels)).astype("float32")
    return {"images": pixels, "labels": rng.randint(0, 10, images), "weights": weights}

WAVENET = {
    "quantization_channels": 32, "num_stacks": 2, "layers_per_stack": 3, "residual_channels": 6, "dilation_channels": 5,
    "skip_channels": 7, "use_bias": True,
}  # fmt: skip
SPEAKERS = 3


def make_wavenet_case() -> dict:
    """Return codes (2, 40), a speaker for each, and the weights of ibab's WaveNet by its names, in float32.

    `layers` has a dictionary for each dilated layer. The receptive field is 1 + 2 (1 + 2 + 4) + 1 = 16 samples.
    """
    rng = np.random.RandomState(30)
    codes, skip = WAVENET["quantization_channels"], WAVENET["skip_channels"]
    residual, dilation = WAVENET["residual_channels"], WAVENET["dilation_channels"]
    shapes = {
        "filter": (2, residual, dilation), "gate": (2, residual, dilation), "dense": (1, dilation, residual), "skip": (1, dilation, skip),
        "gc_gateweights": (1, 4, dilation), "gc_filtweights": (1, 4, dilation), "filter_bias": (dilation,), "gate_bias": (dilation,),
        "dense_bias": (residual,), "skip_bias": (skip,),
    }  # fmt: skip
    return {
        "codes": rng.randint(0, codes, (2, 40)).astype("int32"), "speakers": np.array([2, 0], "int32"),
        "gc_embedding": sample(rng, SPEAKERS, 4), "causal": sample(rng, 2, codes, residual, scale=0.5),
        "layers": [{name: sample(rng, *shape, scale=0.5) for name, shape in shapes.items()} for _ in range(6)],
        "postprocess1": sample(rng, 1, skip, skip, scale=0.5), "postprocess2": sample(rng, 1, skip, codes, scale=0.5),
        "postprocess1_bias": sample(rng, skip, scale=0.5), "postprocess2_bias": sample(rng, codes, scale=0.5),
    }  # fmt: skip

ASCENT_STEPS = 13  # three blurs after the first, and one step that only evaluates


def make_ascent_case() -> dict[str, np.ndarray]:
    """Return a start image (12, 10, 3) minus the mean, and the kernels of a 5 x 5 convolution of stride 2 and a dense layer."""
    rng = np.random.RandomState(31)
    kernel, top = sample(rng, 5, 5, 3, 6, scale=0.004), sample(rng, 4 * 3 * 6, 5, scale=0.3)
    return {"start": sample(rng, 12, 10, 3, scale=10), "kernel": kernel, "top": top}


def make_spectra() -> dict[str, np.ndarray]:
    """Return Fourier coefficients (2, 2, 3, height, width // 2 + 1) of images 16 x 24 and 15 x 21."""
    rng = np.random.RandomState(64)
    return {"even": sample(rng, 2, 2, 3, 16, 13), "odd": sample(rng, 2, 2, 3, 15, 11)}

DEEPSPEECH = {"bidirectional": ("lstm", 2, 0), "streaming": ("gru", 1, 4)}  # cell, directions, steps that the lookahead reads


def make_deepspeech_case(name: str) -> dict:
    """Return spectrograms (2, 40, 45), lengths, and the weights of deepspeech.pytorch's class by its names.

    Three recurrent layers of 6 units read 32 maps of 12 frequencies. Running variances are above 0.5.
    """
    cell, directions, lookahead = DEEPSPEECH[name]
    rng = np.random.RandomState(40 + directions)
    weights: dict[str, np.ndarray] = {}

    def add_norm(prefix, size):
        weights[f"{prefix}.weight"] = 1 + sample(rng, size, scale=0.2)
        weights[f"{prefix}.bias"], weights[f"{prefix}.running_mean"] = sample(rng, size, scale=0.3), sample(rng, size, scale=0.3)
        weights[f"{prefix}.running_var"] = (0.5 + rng.uniform(size=size)).astype("float32")

    for number, inputs, size in ((0, 1, (41, 11)), (3, 32, (21, 11))):
        weights[f"conv.seq_module.{number}.weight"] = sample(rng, 32, inputs, *size, scale=(inputs * size[0] * size[1] / 2) ** -0.5)
        weights[f"conv.seq_module.{number}.bias"] = sample(rng, 32, scale=0.2)
        add_norm(f"conv.seq_module.{number + 1}", 32)
    width = {"lstm": 4, "gru": 3}[cell] * 6
    for layer in range(3):
        features = 6 if layer else 384
        if layer:
            add_norm(f"rnns.{layer}.batch_norm.module", 6)
        for suffix in ("", "_reverse")[:directions]:
            for part, shape in (("weight_ih", (width, features)), ("weight_hh", (width, 6)), ("bias_ih", (width,)), ("bias_hh", (width,))):
                weights[f"rnns.{layer}.rnn.{part}_l0{suffix}"] = sample(rng, *shape, scale=1.5 * shape[-1] ** -0.5)
    if lookahead:
        weights["lookahead.0.conv.weight"] = sample(rng, 6, 1, lookahead)
    add_norm("fc.0.module.0", 6)
    weights["fc.0.module.1.weight"] = sample(rng, 5, 6)
    return {"x": sample(rng, 2, 40, 45), "lengths": np.array([40, 29], "int32"), "weights": weights}
