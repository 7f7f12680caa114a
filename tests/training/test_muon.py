"""Muon: its steps are those of Keras and of torch, and kernels of convolutions are matrices."""

import keras
import numpy as np
import pytest
from processes import call_on_backend

from kerasrecipes.training.config import TrainConfig
from kerasrecipes.training.muon import Muon, orthogonalize
from kerasrecipes.training.optimizer import ClippedMuon, make_optimizer

COEFFICIENTS = (3.4445, -4.775, 2.0315)  # of Jordan's program
rng = np.random.default_rng(0)
START = {"kernel": rng.normal(size=(12, 5)), "recurrent_kernel": rng.normal(size=(4, 6)), "bias": rng.normal(size=5)}
GRADIENTS = [{name: rng.normal(size=value.shape) for name, value in START.items()} for _ in range(4)]


def run_optimizer(optimizer, start, gradients):
    variables = [keras.Variable(value.astype("float32"), name=name) for name, value in start.items()]
    optimizer.build(variables)
    for step in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(step[v.name].astype("float32")) for v in variables], variables)
    return {v.name: keras.ops.convert_to_numpy(v) for v in variables}


def assert_steps_are_those_of_keras():
    settings = {"weight_decay": 0.1, "adam_weight_decay": 0.1}
    expected = run_optimizer(keras.optimizers.Muon(0.02, **settings), START, GRADIENTS)
    config = TrainConfig("x", optimizer="muon", learning_rate=0.02, weight_decay=0.1, clipnorm=1e9, ema_momentum=0)
    for optimizer in (Muon(0.02, **settings), make_optimizer(config)):
        for name, value in run_optimizer(optimizer, START, GRADIENTS).items():
            if name == "bias" and isinstance(optimizer, ClippedMuon):
                continue  # which a run does not decay
            np.testing.assert_allclose(value, expected[name], atol=2e-5, err_msg=name)


def test_steps_are_those_of_keras():
    assert_steps_are_those_of_keras()


@pytest.mark.parametrize("backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_steps_are_those_of_keras_on_other_backends(backend):
    call_on_backend(assert_steps_are_those_of_keras, backend)


def test_steps_are_those_of_torch():
    """Torch's own iterations run in bfloat16, so only two digits agree."""
    torch = pytest.importorskip("torch")
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch has had Muon since 2.9")
    start = {"kernel": START["kernel"]}
    weight = torch.nn.Parameter(torch.tensor(start["kernel"].astype("float32")))
    optimizer = torch.optim.Muon([weight], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for step in GRADIENTS:
        weight.grad = torch.tensor(step["kernel"].astype("float32"))
        optimizer.step()
    ours = run_optimizer(Muon(0.02, weight_decay=0.1), start, GRADIENTS)["kernel"]
    moves = weight.detach().numpy() - start["kernel"]
    np.testing.assert_allclose(ours - start["kernel"], moves, atol=0.03 * np.abs(moves).max())


def test_a_run_in_bfloat16_makes_nearly_the_same_steps():
    start = {"kernel": rng.normal(size=(7, 6))}
    gradients = [{"kernel": rng.normal(size=(7, 6))} for _ in range(4)]
    exact = run_optimizer(Muon(0.02), start, gradients)["kernel"]
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        rounded = run_optimizer(Muon(0.02), start, gradients)["kernel"]
    finally:
        keras.config.set_dtype_policy("float32")
    assert 0 < np.linalg.norm(rounded - exact) < 0.08 * np.linalg.norm(exact - start["kernel"])


def test_a_convolution_is_a_matrix():
    """A kernel (width, inputs, outputs) moves as (width * inputs, outputs) does."""
    as_kernel = lambda values: {"kernel": values["kernel"].reshape(3, 4, 5)}  # noqa: E731
    kernel = run_optimizer(Muon(0.02), as_kernel(START), [as_kernel(step) for step in GRADIENTS])["kernel"]
    matrix = run_optimizer(Muon(0.02), START, GRADIENTS)["kernel"]
    np.testing.assert_allclose(kernel.reshape(12, 5), matrix, atol=1e-6)


@pytest.mark.parametrize(("dtype", "atol"), [("float32", 1e-4), ("bfloat16", 0.05)])
@pytest.mark.parametrize("shape", [(40, 16), (16, 40), (16, 16), (20, 16)])
def test_singular_values_become_one_and_vectors_stay(shape, dtype, atol):
    left, values, right = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    values = np.geomspace(1, 0.03, len(values))
    result = keras.ops.convert_to_numpy(orthogonalize(((left * values) @ right).astype("float32"), COEFFICIENTS, 5, dtype))
    turned = left.T @ result @ right.T
    np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=atol)
    assert np.all((np.diag(turned) > 0.6) & (np.diag(turned) < 1.3))


@pytest.mark.parametrize("name", ["logits", "row_convolution"])
def test_excluded_layers_and_vectors_learn_by_adamw(name):
    layer = keras.layers.Dense(5, name=name)
    layer.build((None, 12))
    optimizer, adamw = Muon(0.02, weight_decay=0.0, adam_weight_decay=0.0), keras.optimizers.Adam(0.02)
    start = layer.get_weights()
    gradients = [keras.ops.convert_to_tensor(GRADIENTS[0][key].astype("float32")) for key in ("kernel", "bias")]
    moved = []
    for each in (optimizer, adamw):
        layer.set_weights(start)
        each.build(layer.trainable_variables)
        each.apply(gradients, layer.trainable_variables)
        moved.append(layer.get_weights())
    for ours, expected in zip(*moved, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_settings_are_saved():
    optimizer = ClippedMuon(0.02, exclude_layers=["logits", "x"], max_norm=3.0)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert (again.exclude_layers, again.max_norm, again.ns_steps) == (["logits", "x"], 3.0, 5)
