"""Where the weights of speech recognizers are in the checkpoints of other programs, as tables for `PUBLIC_LAYOUTS`."""

from kerasrecipes.hub.checkpoint_layouts import CheckpointLayout, Source

TENSORFLOW_KINDS = ("tensorflow", "tensorflow_archive")
RECURRENT_LAYERS = 5
CONVOLUTIONS = 11  # of ARM's Wav2Letter, the logits included
PLUS_CONVOLUTIONS = (11, *(10 * row + number for row in range(2, 7) for number in (1, 2, 3)), 71, 81)  # rows and their numbers
NORM_WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")


def numbered(name: str, number: int) -> str:
    """Return the name of a layer that the recipe does not name, as `weight_import.named_weights` counts it."""
    return f"{name}_{number}" if number else name


def torch_norm(layer: str, prefix: str, bias: str | None = None) -> dict[str, Source]:
    """Return the sources of a batch normalization in a file of PyTorch.

    Args:
        layer: Layer of the recipe.
        prefix: Start of the tensors' names.
        bias: Bias of the convolution before it, which the recipe's convolution does not have.
    """
    mean = f"{prefix}.running_mean"
    return {
        f"{layer}/gamma": Source((f"{prefix}.weight",)),
        f"{layer}/beta": Source((f"{prefix}.bias",)),
        f"{layer}/moving_mean": Source((mean, bias), "subtracted") if bias else Source((mean,)),
        f"{layer}/moving_variance": Source((f"{prefix}.running_var",)),
    }


def deepspeech_pytorch() -> dict[str, Source]:
    """Return the sources of `deepspeech2_pytorch` in a state of deepspeech.pytorch's class `DeepSpeech`."""
    weights: dict[str, Source] = {"logits/kernel": Source(("fc.0.module.1.weight",), "letters_of_deepspeech_pytorch")}
    for number in range(2):
        convolution = f"conv.seq_module.{3 * number}"
        kernel = f"{numbered('sequence_conv2d', number)}/convolution/kernel"
        weights[kernel] = Source((f"{convolution}.weight",), "all_axes_reversed")
        norm = numbered("masked_batch_normalization", number)
        weights |= torch_norm(norm, f"conv.seq_module.{3 * number + 1}", f"{convolution}.bias")
    for number in range(RECURRENT_LAYERS):
        layer, prefix = numbered("sequence_rnn", number), f"rnns.{number}"
        if number:
            weights |= torch_norm(f"masked_batch_normalization_{number + 1}", f"{prefix}.batch_norm.module")
        for way, (name, suffix) in enumerate((("forward", "l0"), ("backward", "l0_reverse"))):
            conversion = "outputs_last" if number else "inputs_of_maps"
            weights |= {
                f"{layer}/kernel_{way}": Source((f"{prefix}.rnn.weight_ih_{suffix}",), conversion),
                f"{layer}/bias_{way}": Source((f"{prefix}.rnn.bias_ih_{suffix}", f"{prefix}.rnn.bias_hh_{suffix}"), "added"),
                f"{layer}/{name}/step/recurrent_kernel": Source((f"{prefix}.rnn.weight_hh_{suffix}",), "outputs_last"),
            }
    return weights | torch_norm(f"masked_batch_normalization_{RECURRENT_LAYERS + 1}", "fc.0.module.0")


def deepspeech2_openseq2seq() -> dict[str, Source]:
    """Return the sources of `deepspeech2_openseq2seq` in a checkpoint of OpenSeq2Seq, which saves cuDNN's GRU as cells."""
    encoder = "ForwardPass/ds2_encoder"
    weights = openseq2seq_logits() | {
        f"dense/{name}": Source((f"{encoder}/fully_connected/{name}",)) for name in ("kernel", "bias")
    }
    for number in range(2):
        norm, convolution = numbered("masked_batch_normalization", number), f"{encoder}/conv{number + 1}"
        weights[f"{numbered('sequence_conv2d', number)}/convolution/kernel"] = Source((f"{convolution}/kernel",))
        weights |= {f"{norm}/{name}": Source((f"{convolution}/bn/{name}",)) for name in NORM_WEIGHTS}
    for number in range(RECURRENT_LAYERS):
        layer, stack = numbered("sequence_rnn", number), f"{encoder}/cudnn_gru/stack_bidirectional_rnn/cell_{number}"
        for way, (name, side) in enumerate((("forward", "fw"), ("backward", "bw"))):
            cell = f"{stack}/bidirectional_rnn/{side}/cudnn_compatible_gru_cell"
            gates, inputs, state = (f"{cell}/{part}" for part in ("gates", "candidate/input_projection", "candidate/hidden_projection"))
            weights |= {
                f"{layer}/kernel_{way}": Source((f"{gates}/kernel", f"{inputs}/kernel"), "inputs_of_tensorflow_gru"),
                f"{layer}/bias_{way}": Source((f"{gates}/bias", f"{inputs}/bias"), "inputs_of_tensorflow_gru"),
                f"{layer}/{name}/step/recurrent_kernel": Source((f"{gates}/kernel", f"{state}/kernel"), "state_of_tensorflow_gru"),
                f"{layer}/{name}/step/recurrent_bias": Source((f"{state}/bias",), "state_of_tensorflow_gru"),
            }
    return weights


def openseq2seq_logits() -> dict[str, Source]:
    """Return the sources of the last layer in a checkpoint of OpenSeq2Seq."""
    dense, letters = "ForwardPass/fully_connected_ctc_decoder/fully_connected", "letters_of_mozilla_deepspeech"
    return {f"logits/{name}": Source((f"{dense}/{name}",), letters) for name in ("kernel", "bias")}


DEEPSPEECH2_LAYOUTS = (
    *(CheckpointLayout(kind, ("deepspeech2_pytorch",), deepspeech_pytorch()) for kind in ("torch", "lightning")),
    *(CheckpointLayout(kind, ("deepspeech2_openseq2seq",), deepspeech2_openseq2seq()) for kind in TENSORFLOW_KINDS),
)


def mozilla_deepspeech() -> dict[str, Source]:
    """Return the sources of `deepspeech1_mozilla` in a checkpoint of Mozilla DeepSpeech's training program."""
    letters, lstm = "letters_of_mozilla_deepspeech", "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
    weights = {
        "sequence_conv1d/convolution/kernel": Source(("layer_1/weights",), "reshaped"),
        "sequence_conv1d/convolution/bias": Source(("layer_1/bias",)),
        "sequence_rnn/kernel_0": Source((f"{lstm}/kernel",), "inputs_of_tensorflow_lstm"),
        "sequence_rnn/bias_0": Source((f"{lstm}/bias",), "gates_of_tensorflow"),
        "sequence_rnn/forward/step/recurrent_kernel": Source((f"{lstm}/kernel",), "state_of_tensorflow_lstm"),
        "logits/kernel": Source(("layer_6/weights",), letters),
        "logits/bias": Source(("layer_6/bias",), letters),
    }
    for number, layer in enumerate(("layer_2", "layer_3", "layer_5")):
        dense = numbered("dense", number)
        weights |= {f"{dense}/kernel": Source((f"{layer}/weights",)), f"{dense}/bias": Source((f"{layer}/bias",))}
    return weights


DEEPSPEECH1_LAYOUTS = tuple(
    CheckpointLayout(kind, ("deepspeech1_mozilla",), mozilla_deepspeech()) for kind in TENSORFLOW_KINDS
)


def wav2letter_arm(first: int) -> dict[str, Source]:
    """Return the sources of `wav2letter_arm` in a file of ARM's network.

    Args:
        first: Number of the first convolution in the file. Keras counts layers through a whole process, so this depends on how many
            networks the process had built before, and Keras itself reads such a file in the order of the layers.
    """
    weights = {}
    for number in range(CONVOLUTIONS):
        layer = f"{numbered('sequence_conv1d', number)}/convolution" if number < CONVOLUTIONS - 1 else "logits"
        conversion = "reshaped" if number < CONVOLUTIONS - 1 else "letters_of_arm"
        for index, name in enumerate(("kernel", "bias")):
            weights[f"{layer}/{name}"] = Source((f"{numbered('conv2d', first + number)}.{index}",), conversion)
    return weights


def wav2letter_arm_tflite() -> dict[str, Source]:
    """Return the sources of `wav2letter_arm` in a `.tflite` file of ARM's network, whose convolutions are counted as they run."""
    weights = {}
    for number in range(CONVOLUTIONS):
        is_last = number == CONVOLUTIONS - 1
        layer = "logits" if is_last else f"{numbered('sequence_conv1d', number)}/convolution"
        kernel, bias = ("letters_of_arm_tflite",) * 2 if is_last else ("outputs_last_tflite", "unchanged")
        weights[f"{layer}/kernel"] = Source((f"conv_2d_{number}.1",), kernel)
        weights[f"{layer}/bias"] = Source((f"conv_2d_{number}.2",), bias)
    return weights


def wave2letter_plus() -> dict[str, Source]:
    """Return the sources of `wav2letter_plus` in a checkpoint of OpenSeq2Seq.

    After training in mixed precision, kernels are in the file twice. The ones of 16 bits are taken, with which that program computes.
    """
    weights = openseq2seq_logits()
    for number, row in enumerate(PLUS_CONVOLUTIONS):
        prefix, norm = f"ForwardPass/w2l_encoder/conv{row}", numbered("masked_batch_normalization", number)
        weights[f"{numbered('sequence_conv1d', number)}/convolution/kernel"] = Source((f"{prefix}/kernel",))
        weights |= {f"{norm}/{name}": Source((f"{prefix}/bn/{name}",)) for name in NORM_WEIGHTS}
    return weights


WAV2LETTER_LAYOUTS = (
    *(CheckpointLayout("keras_h5", ("wav2letter_arm",), wav2letter_arm(CONVOLUTIONS * networks)) for networks in range(4)),
    CheckpointLayout("tflite", ("wav2letter_arm",), wav2letter_arm_tflite()),
    *(CheckpointLayout(kind, ("wav2letter_plus",), wave2letter_plus()) for kind in TENSORFLOW_KINDS),
)
