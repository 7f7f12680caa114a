"""Dilated convolutions trained in the paper's stages: the front end, the context module after the frozen front end, both."""

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.errors import DataError, WeightsCorrupted
from kerasrecipes.recipes.dilated import TINY
from kerasrecipes.training import config as configs
from kerasrecipes.training.optimizer import ema_weights
from kerasrecipes.training.trainer import Trainer

rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets")
    for part in ("images", "masks"):
        (folder / part).mkdir()
    for i in range(4):
        picture = rng.integers(0, 256, size=(24, 32, 3)).astype("uint8")
        Image.fromarray(picture).save(folder / "images" / f"{i}.png")
        Image.fromarray(picture[..., 0] // 24).save(folder / "masks" / f"{i}.png")
    return folder


def settings(streets, **changes):
    own = {"config": {}, **changes}
    values = {
        "recipe": "dilated_camvid_small", "data": (f"masks:{streets}",), "max_steps": 3, "warmup_steps": 1, "decay_steps": 1,
        "learning_rate": 0.01,
        "batch_images": 2, "ema_momentum": 0.5,
    }  # fmt: skip
    return configs.config_from_dict(values | own | {"config": TINY | own["config"]})


def trained(config, folder):
    """Train, and return the run with each layer's weights before and after."""
    run = Trainer(config, folder)
    before = weights(run.model)
    run.train()
    return run, before, weights(run.model)


def weights(model):
    return {
        "front" if x is model.front_end_head else x.name: [v.copy() for v in x.get_weights()]
        for x in model.layers
        if x.weights
    }


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def is_context(name):
    return name.startswith("context") or name == "logits"


@pytest.fixture(scope="module")
def front(streets, tmp_path_factory):
    """Return the folder of a run of stage 1 and its averaged weights."""
    run, before, after = trained(settings(streets, config={"context": []}), tmp_path_factory.mktemp("front") / "run")
    assert "front" in after and not any(is_context(name) for name in after)
    assert not any(same(before[name], after[name]) for name in after)
    with ema_weights(run.model):
        run.model.save_weights(run.folder / "front.weights.h5")
        return run.folder, weights(run.model)


@pytest.mark.parametrize("file", ["", "front.weights.h5"])
def test_three_stages_of_the_paper(file, front, streets, tmp_path):
    folder, first = front
    second = settings(streets, init_from=str(folder / file), init_config={"context": []}, frozen_layers=["front end"])
    run, before, after = trained(second, tmp_path / "context")
    for name in after:
        if is_context(name):
            assert not same(before[name], after[name]), name
        else:
            assert same(first[name], before[name]) and same(first[name], after[name]), name
    again = Trainer(second, tmp_path / "context", resume=True)  # the optimizer state covers the trained layers only
    assert again.state["step"] == 3 and all(same(w, weights(again.model)[name]) for name, w in after.items())
    with pytest.raises(DataError, match="continue with the configuration that the run was started with"):
        Trainer(settings(streets), tmp_path / "context", resume=True)
    with ema_weights(run.model):
        mean = weights(run.model)
    _, before, after = trained(settings(streets, init_from=str(tmp_path / "context")), tmp_path / "joint")
    assert all(same(w, before[name]) and not same(w, after[name]) for name, w in mean.items())


def test_a_front_end_alone_equals_the_front_of_the_whole_network(front, streets, tmp_path):
    config = settings(streets, init_from=str(front[0]), init_config={"context": []})
    whole = Trainer(config, tmp_path).model
    alone = kr.load(
        "dilated_camvid_small", weights=front[0] / "front.weights.h5", compile=False, **TINY | {"context": []}
    )
    picture = rng.integers(0, 256, size=(24, 32, 3)).astype("uint8")
    # the context module is initialized to a ReLU
    np.testing.assert_allclose(
        whole.predict_cell_logits(picture), np.maximum(alone.predict_cell_logits(picture), 0), atol=1e-5
    )


def test_errors_of_frozen_layers_and_initialization(front, streets, tmp_path):
    with pytest.raises(
        DataError, match="no layer of dilated_camvid_small with weights has the name 'kontext'; its layers are conv1_1"
    ):
        Trainer(settings(streets, frozen_layers=["kontext"]), tmp_path)
    with pytest.raises(DataError, match="freeze all layers of dilated_camvid_small"):
        Trainer(settings(streets, frozen_layers=["front end", "context", "logits"]), tmp_path)
    with pytest.raises(DataError, match=r"frozen_layers is 'front end', not a list, for instance \[front end\]"):
        settings(streets, frozen_layers="front end")
    with pytest.raises(WeightsCorrupted, match="set init_config to the settings that differ in that run"):
        Trainer(settings(streets, init_from=str(front[0])), tmp_path)
    with pytest.raises(DataError, match="pass a .weights.h5 file, a run's folder, 'released'"):
        Trainer(settings(streets, init_from=str(streets)), tmp_path)
