"""Wav2Letter's criterion, decoder and features compared with what its authors' programs computed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_check import assert_is_golden
from golden_inputs import make_asg_batch, make_audio

from kerasrecipes import layers
from kerasrecipes.decoding.forced_alignment import asg_alignment_graph, viterbi_align
from kerasrecipes.decoding.viterbi import best_path
from kerasrecipes.losses.asg import asg_loss

array = keras.ops.convert_to_numpy
FULL_SCALE = 32768  # the programs compute with samples of 16 bits


def asg():
    batch = make_asg_batch()
    logits, transitions = (tf.constant(batch[name]) for name in ("logits", "transitions"))
    with tf.GradientTape() as tape:
        tape.watch([logits, transitions])
        loss = asg_loss(batch["labels"], logits, np.full(4, 20, "int32"), transitions)
        total = tf.reduce_sum(loss)
    d_logits, d_transitions = tape.gradient(total, [logits, transitions])
    return {"loss": array(loss), "d_logits": array(d_logits), "d_transitions": array(d_transitions)}


def viterbi():
    batch = make_asg_batch()
    aligned = []
    for labels, logits in zip(batch["labels"], batch["logits"], strict=True):
        graph = asg_alignment_graph(labels[labels > 0], batch["transitions"])
        aligned.append(graph.columns[viterbi_align(logits, graph)])
    return {"aligned": aligned, "path": [best_path(logits, batch["transitions"]) for logits in batch["logits"]]}


def compute(layer, audio):
    return array(layer(audio[None], np.array([len(audio)], "int32"))[0])[0].astype("float64")


def power_spectrum():
    layer = layers.MagnitudeSpectrogram(pre_emphasis=0, epsilon=1e-12)
    return {"features": FULL_SCALE * compute(layer, make_audio(18)["audio"])[::3]}


def mfsc():
    """The C++ program takes the logarithm once, its older Lua version and the layer twice."""
    layer = layers.LogMelSpectrogram(40, pre_emphasis=0, epsilon=1e-12)
    return {"features": compute(layer, make_audio(18)["audio"]) / 2 + np.log(FULL_SCALE)}


def to_16_bits(cepstra):
    """Return cepstra of samples up to 32768 and of the logarithm itself: only the zeroth feels the scale."""
    cepstra = cepstra / 2
    cepstra[:, 0] += np.sqrt(2 / 20) * 20 * np.log(FULL_SCALE)
    return cepstra


def mfcc():
    audio = make_audio(18)["audio"]
    cepstra = compute(layers.MFCC(pre_emphasis=0, epsilon=1e-12), audio)
    return {"features": layers.Deltas(9).call_numpy(to_16_bits(cepstra))}


def octave_mfcc():
    audio = make_audio(19)["audio"]
    bands = np.exp(compute(layers.LogMelSpectrogram(20, epsilon=1e-12), audio) / 2) * FULL_SCALE
    return {"cepstra": to_16_bits(compute(layers.MFCC(epsilon=1e-12), audio)), "bands": bands}


COMPUTED = {  # name -> function, tolerance
    "wav2letter_asg": (asg, 1e-5),
    "flashlight_asg": (asg, 1e-5),
    "flashlight_viterbi": (viterbi, 0),
    "flashlight_power_spectrum": (power_spectrum, 1e-5),
    "flashlight_mfsc": (mfsc, 1e-5),
    "flashlight_mfcc": (mfcc, 1e-5),
    "octave_mfcc": (octave_mfcc, 1e-5),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_values_are_those_of_the_authors(name):
    function, tolerance = COMPUTED[name]
    assert_is_golden(name, function(), tolerance)
