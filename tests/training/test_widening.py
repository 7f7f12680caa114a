"""A network that begins as a narrower one: the same outputs, and a gradient for every new unit."""

import keras
import numpy as np
import pytest
from keras import ops

import kerasrecipes as kr
from kerasrecipes.errors import DataError
from kerasrecipes.training.config import config_for
from kerasrecipes.training.initialization import initialize_weights
from kerasrecipes.training.model_building import build_for_training
from kerasrecipes.training.widening import widen_weights

STAGES = ((8, 30, 10, 4), (6, 7, 1, 2), (6, 7, 1, 2))
WIDER = {
    "palaz_raw_small": ({"stages": STAGES, "hidden": 12}, {"stages": ((11, 30, 10, 4), (9, 7, 1, 2), (7, 7, 1, 2)), "hidden": 20}),
    "wavenet_asr_small": (
        {
            "num_stacks": 1, "layers_per_stack": 3, "residual_channels": 6, "dilation_channels": 5, "skip_channels": 7,
            "top": ((8, 3), (6, 3)),
        },
        {"top": ((10, 3), (9, 3))},
    ),
}  # fmt: skip


def shuffle_weights(model, seed=0):
    """Give all weights random values, also those of normalization, which begin at 0 and 1."""
    rng = np.random.default_rng(seed)
    model.set_weights([np.abs(0.3 * rng.normal(size=w.shape)) + 0.1 for w in model.get_weights()])
    return model


def logits(model):
    audio = np.random.default_rng(1).normal(size=(2, 8000)).astype("float32")
    outputs = model({"audio": audio, "length": np.array([8000, 5000], "int32")})
    return ops.convert_to_numpy(outputs["frames"] if isinstance(outputs, dict) else outputs)


@pytest.mark.parametrize("name", WIDER)
def test_a_wider_network_begins_as_the_narrow_one(name, tmp_path):
    narrow, wide = WIDER[name]
    source = shuffle_weights(kr.load(name, weights=None, compile=False, **narrow))
    source.save_weights(tmp_path / "narrow.weights.h5")
    config = config_for(name, init_from=str(tmp_path / "narrow.weights.h5"), init_config=narrow, config={**narrow, **wide})
    model = build_for_training(config)
    before = [np.array(w) for w in model.get_weights()]
    initialize_weights(config, model)
    np.testing.assert_allclose(logits(model), logits(source), rtol=1e-4, atol=1e-4)
    assert model.count_params() > source.count_params()
    new = [w for w, a, b in zip(model.get_weights(), source.get_weights(), before, strict=True) if a.shape != b.shape and a.ndim > 1]
    assert len(new) >= 3 and all(np.abs(w[..., -1]).max() > 0 for w in new[:-1])  # new units see inputs


def test_what_cannot_be_widened_is_named():
    narrow = kr.load("deepspeech2_small", weights=None, compile=False, **kr.get_recipe("deepspeech2_small").tiny_config)
    tiny = kr.get_recipe("deepspeech2_small").tiny_config
    units = next(key for key in tiny if "unit" in key or "hidden" in key)
    wide = kr.load("deepspeech2_small", weights=None, compile=False, **{**tiny, units: tiny[units] + 4})
    with pytest.raises(DataError, match="cannot be widened"):
        widen_weights(narrow, wide)
    with pytest.raises(DataError, match="cannot be widened"):
        widen_weights(*(keras.Sequential([keras.Input((n,)), keras.layers.Dense(2)]) for n in (3, 4)))
