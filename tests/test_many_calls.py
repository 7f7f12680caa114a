"""Thousands of calls one after another: the memory stays."""

import numpy as np
import psutil
import pytest

import kerasrecipes as kr

pytestmark = pytest.mark.slow
NUM_CALLS, ALLOWED_BYTES = 5000, 20e6
CALLS = {
    "transcribe": (
        "deepspeech2_small",
        lambda model, rng: model.transcribe(0.1 * rng.normal(size=rng.integers(1600, 4000)), sample_rate=16000, decoder="greedy"),
    ),
    "classify": ("convnetjs_mnist", lambda model, rng: model.classify(rng.integers(0, 255, (28, 28), "uint8"))),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_memory_does_not_grow(name):
    recipe, call = CALLS[name]
    model, rng, process = kr.load(recipe, engine="onnxruntime"), np.random.default_rng(0), psutil.Process()
    for index in range(NUM_CALLS):
        call(model, rng)
        if index == NUM_CALLS // 5:
            start = process.memory_info().rss
    assert process.memory_info().rss - start < ALLOWED_BYTES
