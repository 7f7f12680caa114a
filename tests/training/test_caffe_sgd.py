"""Stochastic gradient descent as in Caffe: L2 penalty through the momentum, and biases with settings of their own."""

import keras
import numpy as np
import pytest
from processes import call_on_backend

import kerasrecipes as kr
from kerasrecipes.errors import DataError
from kerasrecipes.tasks.caffe_sgd import CaffeSGD
from kerasrecipes.training.config import TrainConfig, config_for
from kerasrecipes.training.optimizer import ClippedSGD, make_optimizer

RATES = (0.1, 0.1, 0.02, 0.02)
SETTINGS = {"momentum": 0.9, "weight_decay": 0.05, "bias_weight_decay": 0.01, "bias_rate": 2.0}
rng = np.random.default_rng(0)
START = {"kernel": rng.normal(size=(2, 3)), "bias": rng.normal(size=3), "gamma": rng.normal(size=3)}
GRADIENTS = {name: rng.normal(size=(len(RATES), *value.shape)) for name, value in START.items()}


def caffe_steps(decays, rates):
    """SGDSolver of Caffe: velocity = momentum * velocity + local_rate * (gradient + local_decay * weight)."""
    weights = {name: value.copy() for name, value in START.items()}
    velocities = {name: np.zeros_like(value) for name, value in START.items()}
    for step, rate in enumerate(RATES):
        for name in weights:
            update = rate * rates[name] * (GRADIENTS[name][step] + decays[name] * weights[name])
            velocities[name] = 0.9 * velocities[name] + update
            weights[name] -= velocities[name]
    return weights


def run_optimizer(optimizer):
    variables = [keras.Variable(value.astype("float32"), name=name) for name, value in START.items()]
    optimizer.build(variables)
    for step, rate in enumerate(RATES):
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor(GRADIENTS[v.name][step].astype("float32")) for v in variables], variables)
    return {v.name: keras.ops.convert_to_numpy(v) for v in variables}


def assert_steps_are_caffes():
    config = TrainConfig("x", optimizer="sgd", clipnorm=1e9, ema_momentum=0, **SETTINGS)
    rates = {"kernel": 1, "bias": 2, "gamma": 1}
    for optimizer, gamma_decay in ((CaffeSGD(0.1, **SETTINGS), 0.05), (make_optimizer(config), 0)):
        expected = caffe_steps({"kernel": 0.05, "bias": 0.01, "gamma": gamma_decay}, rates)
        for name, value in run_optimizer(optimizer).items():
            np.testing.assert_allclose(value, expected[name], rtol=2e-5, atol=1e-6, err_msg=name)


def test_steps_are_caffes():
    assert_steps_are_caffes()


@pytest.mark.parametrize("backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_steps_are_caffes_on_other_backends(backend):
    call_on_backend(assert_steps_are_caffes, backend)


def test_the_decay_of_keras_differs():
    """Outside the velocity, the decay of a constant weight does not add up over the steps."""
    keras_own = run_optimizer(keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.05))
    assert np.abs(keras_own["gamma"] - caffe_steps(dict.fromkeys(START, 0.05), dict.fromkeys(START, 1))["gamma"]).max() > 1e-3


def test_gradients_that_are_not_finite_count_as_zero():
    optimizer = ClippedSGD(0.1, momentum=0.0, max_norm=1.0)
    variable = keras.Variable(np.zeros(2, "float32"), name="kernel")
    optimizer.build([variable])
    for gradient in ([np.nan, 1], [30, 40]):
        optimizer.apply([keras.ops.convert_to_tensor(np.array(gradient, "float32"))], [variable])
    assert int(optimizer.num_skipped) == 1
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), [-0.06, -0.08], rtol=1e-5)


def test_recipes_use_it_and_saved_models_keep_it(tmp_path):
    model = kr.load("caffenet", weights=None, **kr.get_recipe("caffenet").tiny_config)
    settings = {"weight_decay": 5e-4, "bias_weight_decay": 0.0, "bias_rate": 2.0, "momentum": 0.9}
    model.save(tmp_path / "caffenet.keras")
    for each in (model, kr.load(tmp_path / "caffenet.keras")):
        assert type(each.optimizer) is CaffeSGD and settings.items() <= each.optimizer.get_config().items()


def test_biases_and_dropout_are_those_of_the_definitions():
    """Caffe's train_val.prototxt of CaffeNet, and section 3 of arXiv 1311.2901."""
    model = kr.load("caffenet", weights=None, compile=False, size=67, conv=((2, 11, 4, 0, 1), *[(2, 3, 1, 1, 1)] * 4), dense=(4, 4))
    ones = [layer.name for layer in model.layers if layer.weights and np.all(layer.get_weights()[-1] == 1)]
    assert ones == ["conv2", "conv4", "conv5", "fc6", "fc7"]
    tiny = kr.get_recipe("zfnet").tiny_config | {"dense": (8, 8)}
    names = [layer.name for layer in kr.load("zfnet", weights=None, compile=False, **tiny).layers]
    dropouts = [names[i - 1] for i, name in enumerate(names) if "dropout" in name]
    assert dropouts == ["relu4", "relu5"]  # the tiny network has three convolutions


def test_configurations_of_the_papers():
    for name, bias_rate in (("caffenet", 2), ("zfnet", 1), ("dilation_voc_front", 2)):
        config = config_for(name)
        assert (config.optimizer, config.momentum, config.weight_decay, config.bias_rate) == ("sgd", 0.9, 5e-4, bias_rate)
        assert isinstance(make_optimizer(config), ClippedSGD)
    with pytest.raises(DataError, match="optimizer 'adam': write adamw, muon or sgd"):
        make_optimizer(TrainConfig("x", optimizer="adam"))
