"""Losses, layers, features, decoders and metrics compared with arrays that torch, torchaudio, librosa and others computed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_check import assert_is_golden
from golden_inputs import INPUTS, SQUEEZENET

import kerasrecipes as kr
from kerasrecipes import layers, metrics
from kerasrecipes.decoding.forced_alignment import ctc_alignment_graph, viterbi_align
from kerasrecipes.decoding.prefix_search import NO_PRUNING, prefix_beam_search
from kerasrecipes.decoding.viterbi import best_path
from kerasrecipes.layers.mfcc import mel_filterbank
from kerasrecipes.layers.mu_law import mu_law_decode, mu_law_encode
from kerasrecipes.losses.crf import crf_loss
from kerasrecipes.losses.ctc import ctc_loss
from kerasrecipes.losses.edit_distance import viterbi_path
from kerasrecipes.losses.min_frames import min_ctc_frames
from kerasrecipes.visualize import Unit
from kerasrecipes.visualize.attribution import AttributionTarget
from kerasrecipes.visualize.averaged_gradients import integrated_gradients, mean_gradient
from kerasrecipes.visualize.gaussian_blur import blur_numpy
from kerasrecipes.visualize.grad_cam import grad_cam_values
from kerasrecipes.visualize.saliency import SaliencyMethod

array = keras.ops.convert_to_numpy


def compute_with_gradients(function, **tensors):
    """Return the loss (batch,) and `d_NAME`, the gradient of its sum by each tensor."""
    tensors = {name: tf.constant(value) for name, value in tensors.items()}
    with tf.GradientTape() as tape:
        tape.watch(list(tensors.values()))
        loss = function(**tensors)
        total = tf.reduce_sum(loss)
    gradients = tape.gradient(total, tensors)
    return {"loss": array(loss)} | {f"d_{name}": array(value) for name, value in gradients.items()}


def ctc(labels, logits, lengths):
    return compute_with_gradients(lambda logits: ctc_loss(labels, logits, lengths), logits=logits)


def ctc_feasible(labels, lengths):
    return {"feasible": [min_ctc_frames(row[row > 0]) <= n for row, n in zip(labels, lengths, strict=True)]}


def crf(labels, logits, lengths, transitions):
    results = compute_with_gradients(
        lambda logits, transitions: crf_loss(labels, logits, lengths, transitions), logits=logits, transitions=transitions
    )
    mask = np.arange(logits.shape[1]) < lengths[:, None]
    paths = np.where(mask, array(viterbi_path(logits, transitions, lengths)) + 1, 0)
    for row, x, n in zip(paths, logits, lengths, strict=True):
        np.testing.assert_array_equal(best_path(x[:n], transitions) + 1, row[:n])
    return results | {"path": paths}


def reorder_gates(cell, values):
    """Move torch's gates, along the last axis, to the order of Keras. Only those of a GRU differ: torch has r before z."""
    if cell != "gru":
        return values
    reset, update, candidate = np.split(values, 3, axis=-1)
    return np.concatenate([update, reset, candidate], axis=-1)


def recurrent(cell):
    def compute(x, lengths, **weights):
        layer = layers.SequenceRNN(4, cell, None, merge_mode="concat", shared_input=False, batch_norm=False)
        layer.build(x.shape)
        for i, direction in enumerate(("forward", "backward")):
            w, u, b, c = (reorder_gates(cell, weights[f"{direction}_{name}"].T) for name in "wubc")
            layer.kernels[i].assign(w)
            layer.loops[i].cell.recurrent_kernel.assign(u)
            if cell == "gru":  # the candidate's second bias is inside the product with the reset gate
                layer.biases[i].assign(b)
                layer.loops[i].cell.recurrent_bias.assign(c)
            else:
                layer.biases[i].assign(b + c)
        factors = np.cos(np.arange(3 * 15 * 8, dtype="float32")).reshape(3, 15, 8)
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, lengths)[0]
            total = tf.reduce_sum(y * factors)
        return {"y": array(y), "d_x": array(tape.gradient(total, x))}

    return compute


def batch_norm(x, lengths):
    layer = layers.MaskedBatchNormalization(momentum=0.9, epsilon=1e-3)
    y = array(layer(x, lengths, training=True)[0])
    valid = np.concatenate([row[:n] for row, n in zip(y, lengths, strict=True)])
    return {"y": valid, "running_mean": array(layer.moving_mean)}


def convolutions(x, image, kernel, bias, kernel2d):
    def run(layer, x, *weights):
        layer.build(x.shape)
        layer.convolution.set_weights(weights)
        return array(layer(x, np.full(len(x), x.shape[1], "int32"))[0])

    kernel = kernel.transpose(2, 1, 0)
    return {
        "strided": run(layers.SequenceConv1D(6, 7, 2), x, kernel, bias),
        "dilated": run(layers.SequenceConv1D(6, 7, padding=6, dilation_rate=2), x, kernel, bias),
        "plane": run(layers.SequenceConv2D(4, (11, 21), (1, 2), use_bias=False), image, kernel2d.transpose(3, 2, 1, 0)),
    }


def mu_law(audio, codes):
    in_graph = array(layers.MuLaw()(audio[None]))[0]
    np.testing.assert_array_equal(in_graph, mu_law_encode(audio))
    return {"codes": in_graph, "decoded": mu_law_decode(codes)}


def forced_align(log_probs, labels):
    graph = ctc_alignment_graph(labels)
    return {"path": graph.columns[viterbi_align(log_probs, graph)]}


def beam_search(log_probs):
    hypotheses = prefix_beam_search(log_probs, 10000, 50, NO_PRUNING)
    labels = [list(h.labels) + [0] * (7 - len(h.labels)) for h in hypotheses]
    return {"labels": labels, "scores": [h.score for h in hypotheses]}


def deltas(x, lengths):
    whole = np.full(3, 15, "int32")
    return {"features": array(layers.Deltas(3)(x, whole)[0])}


def edit_distance(pairs):
    return {"distances": [sum(metrics.edit_counts(a[a > 0].tolist(), b[b > 0].tolist())) for a, b in pairs]}


def mean_iou(labels, predictions):
    counts = [metrics.confusion_matrix(a, b, 5) for a, b in zip(labels, predictions, strict=True)]
    return {"confusions": counts, "mean_iou": metrics.mean_iou(counts).rate}


def run_on_audio(layer):
    return lambda audio: {"features": array(layer(audio[None], np.array([len(audio)], "int32"))[0])[0]}


def small_squeezenet(weights):
    model = kr.get_recipe("squeezenet").build(**SQUEEZENET)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([weights[layer.name].transpose(2, 3, 1, 0), weights[f"{layer.name}_bias"]])
    return model


def saliency(method):
    def compute(image, **weights):
        model = small_squeezenet(weights)
        maps, scores, _ = SaliencyMethod(model, "scores", method, "one")(np.stack([image] * 2), [0, 4], [0, 0])
        return {"saliency": maps[:, ::2, ::2], "scores": scores}

    return compute


def attribution(compute_values):
    def compute(image, noise=None, **weights):
        model = small_squeezenet(weights)
        targets = [AttributionTarget(model, Unit("scores", k, ()), image[None], 0, value_range=(0, 255)) for k in (0, 4)]
        return {"values": np.stack([compute_values(target, noise)[::2, ::2] for target in targets])}

    return compute


COMPUTED = {  # name -> function of the inputs, tolerance
    "torch_ctc": (ctc, 1e-4),  # float32 adds logarithms near 60 here and in torch: deviations of 1e-5 are rounding
    "torch_ctc_feasible": (ctc_feasible, 0),
    "torch_rnn": (recurrent("rnn"), 1e-5),
    "torch_gru": (recurrent("gru"), 1e-5),
    "torch_lstm": (recurrent("lstm"), 1e-5),
    "torch_batch_norm": (batch_norm, 1e-5),
    "torch_convolutions": (convolutions, 1e-5),
    "torchaudio_mu_law": (mu_law, 1e-6),
    "torchaudio_forced_align": (forced_align, 0),
    "torchaudio_ctc_decoder": (beam_search, 1e-5),
    "torchaudio_deltas": (deltas, 1e-6),
    "torchaudio_linear_filterbank": (
        lambda: {f"bands{n}": layers.LinearFilterBank(n).bands for n in (20, 40, 79)}, 1e-5,
    ),
    "torchaudio_edit_distance": (edit_distance, 0),
    "torchcrf": (crf, 1e-5),
    "sklearn_mean_iou": (mean_iou, 1e-12),
    "librosa_mel_filterbank": (lambda: {f"bands{n}": mel_filterbank(n, 257, 16000) for n in (20, 40)}, 1e-6),
    "librosa_log_spectrogram": (run_on_audio(layers.LogSpectrogram()), 1e-4),
    "librosa_log_mel": (run_on_audio(layers.LogMelSpectrogram(40)), 1e-4),
    "scipy_gaussian_blur": (
        lambda image: {f"sigma{i}": blur_numpy(image, sigma) for i, sigma in enumerate((0.5, 1.0, 3.0))}, 1e-6,
    ),
    "captum_gradient": (saliency("gradient"), 1e-5),
    "captum_guided": (saliency("guided"), 1e-5),
    "captum_deconv": (saliency("deconv"), 1e-5),
    "captum_integrated_gradients": (
        attribution(lambda target, _: integrated_gradients(target, target.constant_input(0), 50)), 1e-4,
    ),
    "captum_smoothgrad": (attribution(lambda target, noise: mean_gradient(target, [target.inputs + 30 * noise], 8)), 1e-5),
    "captum_grad_cam": (attribution(lambda target, _: grad_cam_values(target, "fire3")[..., 0]), 1e-5),
}  # fmt: skip


def test_every_input_has_a_computation():
    assert COMPUTED.keys() == INPUTS.keys()


@pytest.mark.parametrize("name", COMPUTED)
def test_values_are_those_of_the_package(name):
    function, tolerance = COMPUTED[name]
    assert_is_golden(name, function(**INPUTS[name]()), tolerance)
