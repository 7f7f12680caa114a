"""Seeded tensors under the names of other programs' speech recognizers, which tests and the programs themselves read."""

import numpy as np

UNITS, LAYERS, SYMBOLS = 16, 5, 29


def seeded_tensors(shapes, seed):
    """Return {name: float32} for {name: shape}, in the order of the dictionary. Variances are above 0.5."""
    rng = np.random.RandomState(seed)
    tensors = {}
    for name, shape in shapes.items():
        values = rng.standard_normal(shape)
        if name.endswith(("running_var", "moving_variance")):
            values = 0.5 + np.abs(values)
        elif len(shape) == 1:
            values = 0.2 * values + name.endswith(("gamma", "norm.module.weight", "1.weight", "4.weight", "0.weight"))
        else:
            values *= (1.5 / fan_in(name, shape)) ** 0.5
        tensors[name] = values.astype("float32")
    return tensors


def fan_in(name, shape):
    """Inputs of a kernel: torch's has its outputs first, TensorFlow's last."""
    outputs = shape[0] if name.endswith(("weight", "l0", "l0_reverse")) else shape[-1]
    return np.prod(shape) // outputs


def deepspeech_pytorch_shapes():
    """Names and shapes of deepspeech.pytorch's class with five bidirectional LSTM of 16 units."""
    shapes = {}

    def norm(prefix, size):
        shapes.update({f"{prefix}.{name}": (size,) for name in ("weight", "bias", "running_mean", "running_var")})

    for number, kernel in ((0, (32, 1, 41, 11)), (3, (32, 32, 21, 11))):
        shapes[f"conv.seq_module.{number}.weight"], shapes[f"conv.seq_module.{number}.bias"] = kernel, (32,)
        norm(f"conv.seq_module.{number + 1}", 32)
    for layer in range(LAYERS):
        features = UNITS if layer else 32 * 41
        if layer:
            norm(f"rnns.{layer}.batch_norm.module", UNITS)
        for suffix in ("l0", "l0_reverse"):
            rows = {"weight_ih": (features,), "weight_hh": (UNITS,), "bias_ih": (), "bias_hh": ()}
            shapes |= {f"rnns.{layer}.rnn.{name}_{suffix}": (4 * UNITS, *rest) for name, rest in rows.items()}
    norm("fc.0.module.0", UNITS)
    shapes["fc.0.module.1.weight"] = (SYMBOLS, UNITS)
    return shapes


def mozilla_deepspeech_shapes():
    """Names and shapes of the network in checkpoints of Mozilla DeepSpeech, with layers of 16 units."""
    lstm = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
    rows = {"layer_1": (19 * 26, UNITS), "layer_2": (UNITS, UNITS), "layer_3": (UNITS, UNITS)}
    shapes = {f"{name}/{kind}": shape[i:] for name, shape in rows.items() for i, kind in enumerate(("weights", "bias"))}
    shapes |= {f"{lstm}/kernel": (2 * UNITS, 4 * UNITS), f"{lstm}/bias": (4 * UNITS,)}
    rows = {"layer_5": (UNITS, UNITS), "layer_6": (UNITS, SYMBOLS)}
    return shapes | {f"{name}/{kind}": shape[i:] for name, shape in rows.items() for i, kind in enumerate(("weights", "bias"))}


def seeded_audio(samples, seed):
    """Red noise, whose spectrum falls as that of speech does."""
    noise = np.random.RandomState(seed).standard_normal(samples).cumsum()
    return (0.1 * (noise - noise.mean()) / noise.std()).astype("float32")


CLIPS = ((9000, 61), (6001, 62))  # samples and seed


def wav2letter_arm_shapes():
    """Names and shapes of ARM's Wav2Letter as `keras_h5` reads its file, with 8 and 12 filters in place of 250 and 2,000."""
    shapes, features = {}, 39
    for number, (filters, size) in enumerate(((8, 48), *7 * ((8, 7),), (12, 32), (12, 1), (SYMBOLS, 1))):
        layer = f"conv2d_{number}" if number else "conv2d"
        shapes[f"{layer}.0"], shapes[f"{layer}.1"] = (1, size, features, filters), (filters,)
        features = filters
    return shapes


WAVE2LETTER_PLUS = (  # filters, kernel size, stride, dilation: with 8 to 20 filters in place of 256 to 1,024
    (8, 11, 2), *3 * ((8, 11, 1),), *3 * ((10, 13, 1),), *3 * ((12, 17, 1),), *3 * ((14, 21, 1),), *3 * ((16, 25, 1),),
    (18, 29, 1, 2), (20, 1, 1),
)  # fmt: skip


def wave2letter_plus_shapes():
    """Names and shapes of OpenSeq2Seq's Wave2Letter+ in its checkpoints, with the filters of `WAVE2LETTER_PLUS`."""
    shapes, features, numbers = {}, 64, [11, *(10 * row + i for row in range(2, 7) for i in (1, 2, 3)), 71, 81]
    for number, (filters, size, *_) in zip(numbers, WAVE2LETTER_PLUS, strict=True):
        layer = f"ForwardPass/w2l_encoder/conv{number}"
        shapes[f"{layer}/kernel"] = (size, features, filters)
        shapes |= {f"{layer}/bn/{name}": (filters,) for name in ("gamma", "beta", "moving_mean", "moving_variance")}
        features = filters
    dense = "ForwardPass/fully_connected_ctc_decoder/fully_connected"
    return shapes | {f"{dense}/kernel": (features, SYMBOLS), f"{dense}/bias": (SYMBOLS,)}


DS2_MAPS, DS2_HIDDEN = 4, 24  # in place of 32 and 1,600


def deepspeech2_openseq2seq_shapes():
    """Names and shapes of OpenSeq2Seq's Deep Speech 2 in its checkpoints, with five GRU layers of 16 units."""
    shapes, maps, encoder = {}, 1, "ForwardPass/ds2_encoder"
    for number, bins in enumerate((41, 21), 1):
        layer = f"{encoder}/conv{number}"
        shapes[f"{layer}/kernel"] = (11, bins, maps, DS2_MAPS)
        shapes |= {f"{layer}/bn/{name}": (DS2_MAPS,) for name in ("gamma", "beta", "moving_mean", "moving_variance")}
        maps = DS2_MAPS
    for number in range(LAYERS):
        features = 2 * UNITS if number else 40 * DS2_MAPS
        for way in ("fw", "bw"):
            cell = f"{encoder}/cudnn_gru/stack_bidirectional_rnn/cell_{number}/bidirectional_rnn/{way}/cudnn_compatible_gru_cell"
            rows = {"gates": (features + UNITS, 2 * UNITS), "candidate/input_projection": (features, UNITS)}
            for name, shape in (rows | {"candidate/hidden_projection": (UNITS, UNITS)}).items():
                shapes |= {f"{cell}/{name}/kernel": shape, f"{cell}/{name}/bias": shape[1:]}
    rows = {f"{encoder}/fully_connected": (2 * UNITS, DS2_HIDDEN)}
    rows["ForwardPass/fully_connected_ctc_decoder/fully_connected"] = (DS2_HIDDEN, SYMBOLS)
    return shapes | {f"{layer}/{name}": shape[i:] for layer, shape in rows.items() for i, name in enumerate(("kernel", "bias"))}
