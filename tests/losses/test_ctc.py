"""CTC compared with the sum over all alignments; it must not depend on padding."""

import itertools

import keras
import numpy as np
import pytest

from kerasrecipes import data
from kerasrecipes.decoding import Alphabet
from kerasrecipes.errors import DataError
from kerasrecipes.losses.ctc import ctc_loss
from kerasrecipes.losses.edit_distance import count_path_edits, greedy_edit_distance
from kerasrecipes.losses.min_frames import min_ctc_frames
from kerasrecipes.metrics import edit_counts

rng = np.random.default_rng(3)


def collapse(path):
    return tuple(s for i, s in enumerate(path) if s and (i == 0 or s != path[i - 1]))


def enumerated(logits):
    """Return {labels: probability} by enumerating every path through (frames, symbols)."""
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    total = {}
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        labels = collapse(path)
        total[labels] = total.get(labels, 0.0) + float(np.prod(p[range(len(p)), path]))
    return total


def loss(labels, logits, lengths):
    return keras.ops.convert_to_numpy(ctc_loss(np.array(labels, "int32"), logits, np.array(lengths)))


def loss_and_gradients(labels, logits, lengths):
    """Return the losses and the gradients of the sum of those that are finite."""
    finite_sum = lambda losses: keras.ops.sum(keras.ops.where(keras.ops.isfinite(losses), losses, 0.0))  # noqa: E731
    lengths = np.array(lengths, "int32")
    losses = loss(labels, logits, lengths)
    if keras.config.backend() == "jax":
        import jax

        return losses, np.asarray(jax.grad(lambda x: finite_sum(ctc_loss(labels, x, lengths)))(logits))
    if keras.config.backend() == "torch":
        import torch

        x = torch.tensor(logits, requires_grad=True)
        finite_sum(ctc_loss(labels, x, lengths)).backward()
        return losses, x.grad.numpy()
    import tensorflow as tf

    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = finite_sum(ctc_loss(labels, x, lengths))
    return losses, tape.gradient(total, x).numpy()


def test_equals_the_sum_over_all_paths():
    logits = rng.normal(size=(5, 4)).astype("float32")
    total = enumerated(logits.astype("float64"))
    assert sum(total.values()) == pytest.approx(1)
    for labels, probability in total.items():
        padded = [*labels, *[0] * (5 - len(labels))]
        np.testing.assert_allclose(loss([padded], logits[None], [5])[0], -np.log(probability), rtol=1e-4)
        assert min_ctc_frames(np.array(labels)) <= 5


def test_padding_does_not_change_it():
    logits = rng.normal(size=(3, 40, 6)).astype("float32")
    lengths, labels = [40, 22, 13], np.zeros((3, 9), "int32")
    for row, n in zip(labels, (9, 5, 3), strict=True):
        row[:n] = rng.integers(1, 6, n)
    together = loss(labels, logits, lengths)
    for i, n in enumerate(lengths):
        used = labels[i][labels[i] > 0]
        alone = loss(used[None], logits[i : i + 1, :n], [n])
        np.testing.assert_allclose(together[i], alone[0], rtol=1e-5)


def test_empty_transcript_is_all_blanks():
    logits = rng.normal(size=(1, 6, 4)).astype("float32")
    p = np.exp(logits[0]) / np.exp(logits[0]).sum(1, keepdims=True)
    np.testing.assert_allclose(loss([[0, 0]], logits, [6])[0], -np.log(p[:, 0]).sum(), rtol=1e-4)


def test_transcripts_that_do_not_fit_have_an_infinite_loss_and_no_gradient():
    logits = rng.normal(size=(4, 6, 4)).astype("float32")
    labels = np.array([[1, 2, 3], [2, 2, 2], [2, 2, 2], [0, 0, 0]], "int32")
    losses, gradients = loss_and_gradients(labels, logits, [2, 4, 5, 0])  # 3, 5, 5 and 0 frames are needed
    assert np.isinf(losses[:2]).all() and np.isfinite(losses[2]) and losses[3] == 0
    assert np.isfinite(gradients).all() and not gradients[[0, 1, 3]].any() and gradients[2].any()


def test_gradients_are_differences_of_the_loss():
    logits = rng.normal(size=(3, 9, 4)).astype("float32")
    labels, lengths = np.array([[1, 1, 2], [3, 0, 0], [0, 0, 0]], "int32"), [9, 5, 7]
    gradients = loss_and_gradients(labels, logits, lengths)[1]
    for item, frame, symbol in itertools.product(range(3), (0, 4, 8), range(4)):
        step = np.zeros_like(logits)
        step[item, frame, symbol] = 0.05
        difference = loss(labels, logits + step, lengths) - loss(labels, logits - step, lengths)
        np.testing.assert_allclose(gradients[item, frame, symbol], difference[item] / 0.1, atol=2e-3)


@pytest.mark.slow  # compiles for half a minute
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="XLA is an option of TensorFlow")
def test_inside_xla_the_loss_is_the_same():
    import tensorflow as tf

    logits = rng.normal(size=(2, 8, 4)).astype("float32")
    labels, lengths = np.array([[1, 1, 2], [3, 0, 0]], "int32"), np.array([8, 5], "int32")
    compiled = tf.function(lambda x: ctc_loss(labels, x, lengths), jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(logits)), loss(labels, logits, lengths), rtol=1e-5)


def test_min_frames_counts_repeats():
    assert min_ctc_frames(np.array([1, 2, 3])) == 3
    assert min_ctc_frames(np.array([1, 1, 2, 2, 2])) == 5 + 3


def test_metric_is_the_edit_distance_of_the_collapsed_best_path():
    logits = rng.normal(size=(4, 30, 5)).astype("float32")
    labels, lengths = np.zeros((4, 12), "int32"), np.array([30, 17, 5, 1])
    for row, n in zip(labels, (12, 7, 0, 3), strict=True):
        row[:n] = rng.integers(1, 5, n)
    by_graph = keras.ops.convert_to_numpy(greedy_edit_distance(labels, logits, lengths))
    by_numpy = count_path_edits(labels, logits.argmax(2), lengths)  # which the torch backend takes
    for i in range(4):
        best = collapse(logits[i, : lengths[i]].argmax(1).tolist())
        assert by_graph[i] == by_numpy[i] == sum(edit_counts([int(v) for v in labels[i] if v], best))


def test_transcripts_that_do_not_fit_are_named_and_excluded(tmp_path, clips):
    path = str(next(clips.rglob("*.mp3")))
    good, long = (data.Utterance(n, path, t) for n, t in (("good", "hello"), ("too long", "hello " * 400)))
    dataset = data.SpeechDataset(
        data.Utterances([good, long]), Alphabet(), lambda n: n // 640, cache_dir=tmp_path, quiet=True
    )  # fmt: skip
    assert dataset.infeasible == ["too long"] and len(dataset[0][1]) == 1
    with pytest.raises(DataError, match="too short for its transcript"):
        data.SpeechDataset(data.Utterances([long]), Alphabet(), lambda n: n // 640, cache_dir=tmp_path, quiet=True)
