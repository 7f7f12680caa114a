"""The distillation loss compared with its formula in numpy, its gradient, and all backends."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from distillation_checks import loss_and_gradient
from paths import HELPERS

rng = np.random.default_rng(5)


def softmax(x):
    p = np.exp(x - x.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


@pytest.fixture
def some():
    """Posteriors and logits (3, 9, 5) with 9, 4 and 0 valid frames, after which the posteriors are zero and the logits noise."""
    lengths = np.array([9, 4, 0], "int32")
    valid = np.arange(9) < lengths[:, None]
    posteriors = softmax(3 * rng.normal(size=(3, 9, 5))) * valid[..., None]
    return posteriors.astype("float32"), rng.normal(size=(3, 9, 5)).astype("float32"), lengths


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_loss_and_gradient_are_those_of_the_formula(some, temperature):
    posteriors, logits, lengths = some
    loss, gradient = loss_and_gradient(*some, temperature)
    for i, n in enumerate(lengths):
        target = softmax(np.log(posteriors[i, :n].astype("float64")) / temperature)
        student = softmax(logits[i, :n].astype("float64") / temperature)
        np.testing.assert_allclose(loss[i], -(temperature**2) * (target * np.log(student)).sum(), rtol=1e-5)
        np.testing.assert_allclose(gradient[i, :n], temperature * (student - target), atol=1e-5)
        assert not gradient[i, n:].any()


def test_alone_equals_in_a_batch(some):
    posteriors, logits, lengths = some
    together, gradient = loss_and_gradient(*some, 2.0)
    alone, own_gradient = loss_and_gradient(posteriors[1:2, :4], logits[1:2, :4], lengths[1:2], 2.0)
    np.testing.assert_allclose(alone[0], together[1], rtol=1e-6)
    np.testing.assert_allclose(own_gradient[0], gradient[1, :4], atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_equal_logits_give_the_entropy_and_no_gradient(temperature):
    logits = rng.normal(size=(1, 7, 5)).astype("float32")
    loss, gradient = loss_and_gradient(softmax(logits), logits, np.array([7], "int32"), temperature)
    p = softmax(logits.astype("float64") / temperature)
    np.testing.assert_allclose(loss[0], -(temperature**2) * (p * np.log(p)).sum(), rtol=1e-5)
    np.testing.assert_allclose(gradient, 0, atol=2e-6)


@pytest.mark.parametrize("backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_backends_agree_and_train(backend, some, clips, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    posteriors, logits, lengths = some
    np.savez(tmp_path / "inputs.npz", posteriors=posteriors, logits=logits, lengths=lengths)
    env = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, HELPERS / "distillation_checks.py", tmp_path, clips]
    subprocess.run([*map(str, command)], check=True, env=env, timeout=400)
    results = np.load(tmp_path / "results.npz")
    for name, expected in zip(("loss", "gradient"), loss_and_gradient(*some, 2.0), strict=True):
        np.testing.assert_allclose(results[name], expected, atol=1e-5, rtol=1e-5)
    total, ctc, teacher = results["terms"].T
    np.testing.assert_allclose(total, [*(0.3 * ctc + teacher)[:4], *ctc[4:]], rtol=1e-5)
    assert (teacher[:4] > 0).all() and not teacher[4:].any()
    assert teacher[3] < teacher[0] and np.isfinite(ctc).all()
